extension TextBuffer {
    /// Puts quotes around what was written from `start` on where an array needs them. Source: `array_out`.
    mutating func quoteElement(from start: Int, delimiter: UInt8) {
        var escapes = 0
        var isNeeded = count == start || isNull(from: start)
        for index in start..<count {
            switch self[index] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                escapes += 1
                isNeeded = true
            case UInt8(ascii: "{"), UInt8(ascii: "}"), delimiter, 0x20, 0x09...0x0D: isNeeded = true
            default: break
            }
        }
        if isNeeded { quote(from: start, escapes: escapes, escapesDouble: false) }
    }

    /// The same for a bound of a range, where quotes and backslashes are doubled. Source: `range_bound_escape`.
    mutating func quoteBound(from start: Int) {
        var escapes = 0
        var isNeeded = count == start
        for index in start..<count {
            switch self[index] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                escapes += 1
                isNeeded = true
            case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ","),
                0x20, 0x09...0x0D:
                isNeeded = true
            default: break
            }
        }
        if isNeeded { quote(from: start, escapes: escapes, escapesDouble: true) }
    }

    /// The word NULL in letters of any case.
    private func isNull(from start: Int) -> Bool {
        guard count - start == 4 else { return false }
        let word: InlineArray<4, UInt8> = [
            UInt8(ascii: "n"), UInt8(ascii: "u"), UInt8(ascii: "l"), UInt8(ascii: "l"),
        ]
        for index in 0..<4 where self[start + index] | 0x20 != word[index] { return false }
        return true
    }

    /// Moves what was written from its end on, so that it needs no second buffer.
    private mutating func quote(from start: Int, escapes: Int, escapesDouble: Bool) {
        let length = count - start
        let more = escapes + 2
        reserve(more)
        for _ in 0..<more { put(UInt8(ascii: "\"")) }
        var to = count - 2
        for index in stride(from: start + length - 1, through: start, by: -1) {
            let byte = self[index]
            self[to] = byte
            to -= 1
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                self[to] = escapesDouble ? byte : UInt8(ascii: "\\")
                to -= 1
            }
        }
        self[start] = UInt8(ascii: "\"")
    }
}
