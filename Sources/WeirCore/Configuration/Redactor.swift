/// Hides secrets in text that is about to be shown: the last line of defence behind code that does not print them.
public struct Redactor: Sendable {
    private let secrets: [String]

    /// Makes a redactor for these values. Values shorter than four characters are left alone: they would blot out
    /// ordinary words.
    public init(secrets: Set<String>) {
        self.secrets = secrets.filter { $0.utf8.count >= 4 }.sorted { ($1.count, $0) < ($0.count, $1) }
    }

    /// `text` with every secret replaced by `***`.
    public func redact(_ text: String) -> String {
        secrets.reduce(text) { text, secret in Self.replace(secret, in: text) }
    }

    private static func replace(_ secret: String, in text: String) -> String {
        let needle = Array(secret.utf8)
        let bytes = Array(text.utf8)
        guard bytes.count >= needle.count, bytes.firstRange(of: needle) != nil else { return text }
        var result: [UInt8] = []
        var rest = bytes[...]
        while let range = rest.firstRange(of: needle) {
            result += rest[..<range.lowerBound]
            result += "***".utf8
            rest = rest[range.upperBound...]
        }
        return String(decoding: result + rest, as: UTF8.self)
    }
}
