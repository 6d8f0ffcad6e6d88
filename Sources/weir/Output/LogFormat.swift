import WeirCore

/// How log lines and errors look.
enum LogFormat: String, Sendable {
    case text, json

    /// One log line.
    func line(
        _ level: LogLevel, _ message: String, _ values: [(String, String)], time: Int64 = wallClockMicroseconds()
    ) -> String {
        switch self {
        case .text:
            let label = level.name + String(repeating: " ", count: max(0, 7 - level.name.count))
            let pairs = values.map { " \($0.0)=\(Self.bare($0.1))" }.joined()
            return "\(Timestamp.text(time)) \(label) \(Self.escaped(message))\(pairs)"
        case .json:
            let head: [(String, JSONText)] = [
                ("time", .string(Timestamp.text(time))), ("level", .string(level.name)), ("message", .string(message)),
            ]
            return JSONText.object(head + values.map { ($0.0, .string($0.1)) }).text
        }
    }

    /// The lines that end a command that failed.
    func lines(_ error: WeirError, time: Int64 = wallClockMicroseconds()) -> [String] {
        switch self {
        case .text:
            var place: [String] = []
            if let table = error.table { place.append("table \(table)") }
            if let position = error.position { place.append("position \(position)") }
            var first = "weir: \(error.message)"
            if !place.isEmpty { first += " (\(place.joined(separator: ", ")))" }
            if let cause = error.cause { first += ": \(cause)" }
            return ([first] + (error.advice.map { ["weir: \($0)"] } ?? [])).map(Self.escaped)
        case .json:
            let values: [(String, String?)] = [
                ("code", error.code.rawValue), ("stage", error.stage.rawValue), ("cause", error.cause),
                ("advice", error.advice), ("table", error.table?.description),
                ("position", error.position?.description),
            ]
            let present = values.compactMap { entry in entry.1.map { (entry.0, $0) } }
            return [line(.error, error.message, present, time: time)]
        }
    }

    /// A value without quotes when it is one plain word.
    private static func bare(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.unicodeScalars.allSatisfy { $0 != " " && $0 != "\"" && $0 != "=" && !JSONText.isControl($0) }
        return isPlain ? text : JSONText.quoted(text)
    }

    /// Text on one line that cannot steer a terminal.
    private static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: JSONText.isControl) else { return text }
        return String(JSONText.quoted(text).dropFirst().dropLast()).replacing("\\\"", with: "\"")
    }
}
