extension ByteBuffer {
    /// Appends a value's JSON, made from its text form. False when the text is none of the type's: then part of it may
    /// have been written, and the caller gives up the row.
    @inline(__always)
    mutating func appendValue(_ text: ByteView, _ column: ColumnProgram) -> Bool {
        switch column.code {
        case .integer: return appendIntegerText(text)
        case .string:
            appendString(text)
            return true
        case .boolean: return appendBoolean(text)
        case .timestampMicros: return appendTimestampMicros(text, column)
        case .zonedTimestamp: return appendZonedTimestamp(text, column)
        default: return appendOther(text, column)
        }
    }

    /// Copies an integer's digits, looking at each: whatever a transform left in the cell, the event stays JSON.
    @inline(__always)
    private mutating func appendIntegerText(_ text: ByteView) -> Bool {
        let isNegative = text.at(0) == UInt8(ascii: "-")
        let digits = text.count - (isNegative ? 1 : 0)
        guard digits > 0, digits <= 20 else { return false }
        // JSON has no zeros in front.
        if digits > 1, text[isNegative ? 1 : 0] == UInt8(ascii: "0") { return false }
        let to = unsafe room(text.count)
        if isNegative { unsafe to[0] = UInt8(ascii: "-") }
        var isNumber = true
        for index in (isNegative ? 1 : 0)..<text.count {
            let byte = text[index]
            isNumber = isNumber && byte &- UInt8(ascii: "0") < 10
            unsafe to[index] = byte
        }
        unsafe advance(text.count)
        return isNumber
    }

    @inline(__always)
    private mutating func appendBoolean(_ text: ByteView) -> Bool {
        guard text.count == 1, text[0] == UInt8(ascii: "t") || text[0] == UInt8(ascii: "f") else { return false }
        text[0] == UInt8(ascii: "t") ? append("true" as StaticString) : append("false" as StaticString)
        return true
    }

    @inline(never)
    private mutating func appendOther(_ text: ByteView, _ column: ColumnProgram) -> Bool {
        switch column.code {
        case .decimal, .variableDecimal, .decimalDouble, .decimalString, .money, .moneyDouble, .moneyString, .double,
            .float, .numberOrWord:
            return appendNumber(text, column)
        case .dateDays, .dateISO, .datePlain, .timeMillis, .timeMicros, .timeNanos, .timeISO,
            .timePlain, .timestampMillis, .timestampMicros, .timestampNanos, .timestampISO, .timestampPlain,
            .zonedTimestamp, .zonedTime, .intervalMicros, .intervalMicrosInDouble, .intervalISO:
            return appendTemporal(text, column)
        case .base64: return appendBytea(text, .base64)
        case .base64URL: return appendBytea(text, .base64URL)
        case .hex: return appendBytea(text, .hex)
        case .bit: return appendBit(text)
        case .bits: return appendBits(text)
        case .point: return appendPoint(text)
        case .hstoreString: return appendHstoreString(text, javaOrder: column.isStrict)
        case .hstoreObject: return appendHstore(text, javaOrder: column.isStrict)
        case .array: return appendArray(text, column, .text)
        case .arrayStrict: return appendArray(text, column, .lost)
        case .arrayNested: return appendArray(text, column, .nested)
        case .null:
            append("null" as StaticString)
            return true
        case .emptyArray:
            append(text.isEmpty ? "null" : "[]" as StaticString)
            return true
        case .json:
            appendJSON(text)
            return true
        case .integer: return appendIntegerText(text)
        case .boolean: return appendBoolean(text)
        case .snapshotString, .string:
            appendString(text)
            return true
        }
    }

    private mutating func appendNumber(_ text: ByteView, _ column: ColumnProgram) -> Bool {
        let scale = Int(column.scale)
        switch column.code {
        case .double: return appendJavaFloat(text, isDouble: true)
        case .float: return appendJavaFloat(text, isDouble: false)
        case .decimal: return appendDecimal(text, scale: scale, strict: column.isTyped)
        case .variableDecimal: return appendVariableDecimal(text, strict: column.isTyped)
        case .decimalDouble: return appendDecimalAsDouble(text)
        case .decimalString: return appendDecimalString(text, scale: scale, strict: column.isStrict)
        case .money: return appendMoney(text, scale: scale)
        case .moneyDouble: return appendMoneyDouble(text)
        case .moneyString: return appendMoneyString(text)
        default:
            guard isJSONNumber(text) else { return appendNumericWord(text, strict: false) }
            append(text)
            return true
        }
    }

    /// Whether the text is a number as JSON writes it: digits on both sides of a point, no zeros in front.
    private func isJSONNumber(_ text: ByteView) -> Bool {
        var index = text.at(0) == UInt8(ascii: "-") ? 1 : 0
        let first = text.at(index)
        let whole = Self.skipDigits(text, &index)
        guard whole == 1 || whole > 1 && first != UInt8(ascii: "0") else { return false }
        if index < text.count, text[index] == UInt8(ascii: ".") {
            index += 1
            guard Self.skipDigits(text, &index) > 0 else { return false }
        }
        if index < text.count, text[index] | 0x20 == UInt8(ascii: "e") {
            index += 1
            if text.at(index) == UInt8(ascii: "+") || text.at(index) == UInt8(ascii: "-") { index += 1 }
            guard Self.skipDigits(text, &index) > 0 else { return false }
        }
        return index == text.count
    }

    /// How many digits were passed.
    private static func skipDigits(_ text: ByteView, _ index: inout Int) -> Int {
        let start = index
        while index < text.count, decimalDigit(text[index]) != nil { index += 1 }
        return index - start
    }

    private mutating func appendTemporal(_ text: ByteView, _ column: ColumnProgram) -> Bool {
        switch column.code {
        case .dateDays: appendDateDays(text, throughJava: column.isThroughJava)
        case .dateISO: appendDateISO(text, throughJava: column.isThroughJava)
        case .datePlain: appendDatePlain(text)
        case .timeMillis: appendTime(text, .millis, throughJava: column.isThroughJava)
        case .timeMicros: appendTime(text, .micros, throughJava: column.isThroughJava)
        case .timeNanos: appendTime(text, .nanos, throughJava: column.isThroughJava)
        case .timeISO: appendTimeISO(text, plain: false, throughJava: column.isThroughJava)
        case .timePlain: appendTimeISO(text, plain: true, throughJava: false)
        case .timestampMillis: appendTimestampMillis(text, column)
        case .timestampMicros: appendTimestampMicros(text, column)
        case .timestampNanos: appendTimestampNanos(text, column)
        case .timestampISO: appendTimestampISO(text, column)
        case .timestampPlain: appendTimestampPlain(text)
        case .zonedTimestamp: appendZonedTimestamp(text, column)
        case .zonedTime: appendZonedTime(text, column)
        case .intervalMicros: appendIntervalMicros(text, inDouble: false)
        case .intervalMicrosInDouble: appendIntervalMicros(text, inDouble: true)
        default: appendIntervalISO(text)
        }
    }

    /// Appends text that is JSON as it is; line breaks and tabs, which JSON allows between its parts only, become
    /// spaces, so that an event stays on one line.
    private mutating func appendJSON(_ text: ByteView) {
        let to = unsafe room(text.count)
        for index in 0..<text.count {
            let byte = text[index]
            unsafe to[index] = byte < 0x20 ? UInt8(ascii: " ") : byte
        }
        unsafe advance(text.count)
    }
}
