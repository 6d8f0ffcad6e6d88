/// Finds passwords in libpq connection strings, in both forms: `postgresql://user:password@host/db?password=x` and
/// `host=h password='x y'`.
public enum ConnectionStringSecrets {
    private static let secretKeywords: Set<String> = ["password", "sslpassword", "sslkey_password"]

    /// The connection string with every password replaced by `***`; safe to show.
    public static func redacted(_ text: String) -> String {
        var result = ""
        var position = text.startIndex
        for range in secretRanges(in: text) {
            result += text[position..<range.lowerBound] + "***"
            position = range.upperBound
        }
        return result + text[position...]
    }

    /// The passwords in the string, as written and, in a URI, also percent-decoded.
    public static func passwords(in text: String) -> [String] {
        secretRanges(in: text).flatMap { range -> [String] in
            let written = String(text[range])
            let decoded = isURI(text) ? percentDecoded(written) : unquoted(written)
            return decoded == written ? [written] : [written, decoded]
        }.filter { !$0.isEmpty }
    }

    /// What may be a password in a text that should not hold one: between the last "@" and the colon before it.
    public static func suspected(in text: String) -> [String] {
        guard let at = text.lastIndex(of: "@") else { return passwords(in: text) }
        let start = text[..<at].firstIndex { $0 == ":" }.map { colon in
            text[text.index(after: colon)..<at].drop { $0 == "/" }
        }
        guard let credentials = start else { return passwords(in: text) }
        let password = credentials.firstIndex(of: ":").map { credentials[credentials.index(after: $0)...] }
        return passwords(in: text) + [String(password ?? credentials)].filter { !$0.isEmpty }
    }

    private static func isURI(_ text: String) -> Bool {
        text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
    }

    private static func secretRanges(in text: String) -> [Range<String.Index>] {
        isURI(text) ? uriRanges(text) : keywordRanges(text)
    }

    private static func uriRanges(_ text: String) -> [Range<String.Index>] {
        var ranges: [Range<String.Index>] = []
        guard let scheme = text.firstRange(of: "://") else { return [] }
        let rest = text[scheme.upperBound...]
        // As libpq reads it: user and password end at the first "@" that stands before any "/".
        let authority = rest.prefix { $0 != "/" }
        // A password with an unescaped "/", "?" or "#" is wrong but must not leak: hide up to the last "@" in front
        // of the query.
        let credentials = authority.lastIndex(of: "@") ?? rest.prefix { $0 != "?" }.lastIndex(of: "@")
        if let at = credentials ?? rest.lastIndex(of: "@"), let colon = rest[..<at].firstIndex(of: ":") {
            ranges.append(rest.index(after: colon)..<at)
        }
        let queryFrom = ranges.last?.upperBound ?? rest.startIndex
        guard let question = rest[queryFrom...].firstIndex(of: "?") else { return ranges }
        for pair in rest[rest.index(after: question)...].split(separator: "&") {
            guard let equals = pair.firstIndex(of: "=") else { continue }
            if secretKeywords.contains(percentDecoded(String(pair[..<equals])).lowercased()) {
                ranges.append(pair.index(after: equals)..<pair.endIndex)
            }
        }
        return ranges
    }

    private static func keywordRanges(_ text: String) -> [Range<String.Index>] {
        var ranges: [Range<String.Index>] = []
        var position = text.startIndex
        func skipSpace() {
            while position < text.endIndex, text[position].isWhitespace { position = text.index(after: position) }
        }
        while position < text.endIndex {
            skipSpace()
            let nameStart = position
            while position < text.endIndex, text[position] != "=", !text[position].isWhitespace {
                position = text.index(after: position)
            }
            let name = text[nameStart..<position].lowercased()
            skipSpace()
            guard position < text.endIndex else { break }
            guard text[position] == "=" else { continue }
            position = text.index(after: position)
            skipSpace()
            let value = takeValue(text, &position)
            if secretKeywords.contains(name) { ranges.append(value) }
        }
        return ranges
    }

    /// A value without quotes ends at white space, one in single quotes at the closing quote; a backslash covers the
    /// next sign.
    private static func takeValue(_ text: String, _ position: inout String.Index) -> Range<String.Index> {
        let start = position
        let isQuoted = position < text.endIndex && text[position] == "'"
        if isQuoted { position = text.index(after: position) }
        while position < text.endIndex {
            let sign = text[position]
            if isQuoted ? sign == "'" : sign.isWhitespace { break }
            position = text.index(after: position)
            if sign == "\\", position < text.endIndex { position = text.index(after: position) }
        }
        if isQuoted, position < text.endIndex { position = text.index(after: position) }
        return start..<position
    }

    private static func unquoted(_ text: String) -> String {
        var inner = Substring(text)
        if inner.first == "'" { inner = inner.dropFirst() }
        if text.count > 1, inner.last == "'" { inner = inner.dropLast() }
        var result = ""
        var isCovered = false
        for sign in inner {
            if sign == "\\", !isCovered {
                isCovered = true
            } else {
                result.append(sign)
                isCovered = false
            }
        }
        return result
    }

    private static func percentDecoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
