/// Base64 as Debezium writes it: RFC 4648 with padding, either alphabet.
enum Base64 {
    /// The bytes; nil for anything that is no padded base64.
    static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
        let digits = text.count - padding
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var group: UInt32 = 0
        for index in 0..<text.count {
            var value: UInt32 = 0
            if index < digits {
                guard let digit = digit(text[index]) else { return nil }
                value = UInt32(digit)
            } else if text[index] != UInt8(ascii: "=") {
                return nil
            }
            group = group << 6 | value
            guard index & 3 == 3 else { continue }
            let isLast = index == text.count - 1
            bytes.append(UInt8(truncatingIfNeeded: group >> 16))
            if !isLast || padding < 2 { bytes.append(UInt8(truncatingIfNeeded: group >> 8)) }
            if !isLast || padding < 1 { bytes.append(UInt8(truncatingIfNeeded: group)) }
            group = 0
        }
        return bytes
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
