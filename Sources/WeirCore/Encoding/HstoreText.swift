/// hstore's text form. Source: `hstore_out` in contrib/hstore: `"key"=>"value", "key"=>NULL`, backslash escapes.
struct HstoreReader {
    /// A key or value: the bytes between the quotes with their escapes, or NULL.
    struct Item {
        let raw: ByteView
        let isNull: Bool
    }

    private let text: ByteView
    private var index = 0
    /// Whether the text broke the rules.
    private(set) var isBroken = false

    /// Starts at the beginning.
    init(_ text: ByteView) { self.text = text }

    /// The next pair; nil at the end and when the text is broken.
    mutating func next() -> (key: Item, value: Item)? {
        if index == text.count { return nil }
        if index > 0 && !skip(",", " ") { return nil }
        guard let key = item(), skip("=", ">"), let value = item(), !key.isNull else {
            isBroken = true
            return nil
        }
        return (key, value)
    }

    private mutating func skip(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Bool {
        guard text.at(index) == UInt8(ascii: first), text.at(index + 1) == UInt8(ascii: second) else {
            isBroken = true
            return false
        }
        index += 2
        return true
    }

    private mutating func item() -> Item? {
        if text.at(index) == UInt8(ascii: "\"") {
            let start = index + 1
            index = start
            while index < text.count, text[index] != UInt8(ascii: "\"") {
                index += text[index] == UInt8(ascii: "\\") ? 2 : 1
            }
            guard index < text.count else { return nil }
            index += 1
            return Item(raw: text[start..<(index - 1)], isNull: false)
        }
        guard index + 4 <= text.count, text[index..<(index + 4)].equals("NULL") else { return nil }
        index += 4
        return Item(raw: text[index..<index], isNull: true)
    }
}

extension ByteBuffer {
    /// Appends an hstore as an object; pairs in PostgreSQL's order, or in that of Java's HashMap.
    mutating func appendHstore(_ text: ByteView, javaOrder: Bool, astral: Astral = .escaped) -> Bool {
        var reader = HstoreReader(text)
        append(UInt8(ascii: "{"))
        if javaOrder {
            guard appendHstoreInJavaOrder(text, astral) else { return false }
        } else {
            var isFirst = true
            while let pair = reader.next() {
                if !isFirst { append(UInt8(ascii: ",")) }
                isFirst = false
                appendPair(pair.key, pair.value, astral)
            }
            guard !reader.isBroken else { return false }
        }
        append(UInt8(ascii: "}"))
        return true
    }

    /// Appends an hstore as a string that holds the object.
    mutating func appendHstoreString(_ text: ByteView, javaOrder: Bool) -> Bool {
        let start = count
        guard appendHstore(text, javaOrder: javaOrder, astral: .plain) else { return false }
        appendStringOfTail(from: start)
        return true
    }

    /// Replaces what was written from `start` on by a JSON string of it.
    mutating func appendStringOfTail(from start: Int) {
        let length = count - start
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length + 1) { copy in
            let tail = unsafe view(start..<count)
            for index in 0..<length { unsafe copy[index] = tail[index] }
            truncate(to: start)
            guard let base = copy.baseAddress else { return }
            unsafe appendString(ByteView(start: base, count: length))
        }
    }

    private mutating func appendHstoreInJavaOrder(_ text: ByteView, _ astral: Astral) -> Bool {
        var reader = HstoreReader(text)
        var pairs: [(key: HstoreReader.Item, value: HstoreReader.Item)] = []
        while let pair = reader.next() { pairs.append(pair) }
        guard !reader.isBroken else { return false }
        let order = JavaHashOrder.order(pairs.map { JavaHashOrder.hash(escapedUTF8: $0.key.raw) })
        for (place, index) in order.enumerated() {
            if place > 0 { append(UInt8(ascii: ",")) }
            appendPair(pairs[index].key, pairs[index].value, astral)
        }
        return true
    }

    private mutating func appendPair(_ key: HstoreReader.Item, _ value: HstoreReader.Item, _ astral: Astral) {
        append(UInt8(ascii: "\""))
        appendUnescaping(key.raw, astral)
        append("\":" as StaticString)
        if value.isNull {
            append("null" as StaticString)
        } else {
            append(UInt8(ascii: "\""))
            appendUnescaping(value.raw, astral)
            append(UInt8(ascii: "\""))
        }
    }

    /// Appends text whose backslashes protect the byte after them, with JSON's escapes instead.
    mutating func appendUnescaping(_ raw: ByteView, _ astral: Astral) {
        var start = 0
        var index = 0
        while index < raw.count {
            guard raw[index] == UInt8(ascii: "\\") else {
                index += 1
                continue
            }
            appendEscaped(raw[start..<index], astral: astral)
            start = index + 1
            index += 2
        }
        appendEscaped(raw[min(start, raw.count)..<raw.count], astral: astral)
    }
}
