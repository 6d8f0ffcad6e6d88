import CLibPQ

/// How to connect: the user's connection string and what Weir pins on top of it.
public struct ConnectionSettings: Sendable {
    /// Whether the session speaks the replication protocol.
    public enum ReplicationMode: Sendable {
        /// An ordinary SQL session.
        case none
        /// A logical walsender session of the database (`replication=database`), which also takes plain SQL.
        case database
    }

    /// Any libpq connection string: `postgresql://...` (several hosts, TLS) or `key=value ...`. Holds secrets.
    public var connectionString: String
    /// Whether the session speaks the replication protocol.
    public var replication: ReplicationMode
    /// Shown in `pg_stat_activity`, unless the connection string has its own `application_name`.
    public var applicationName: String
    /// Time for each host and address, unless the connection string says; at least 2 in libpq.
    public var connectTimeoutSeconds: Int
    /// How long a statement may take that is given no deadline of its own; nil for as long as it needs.
    public var answerTimeout: Duration?
    /// Further server settings for this session, applied after the pinned ones: (name, value).
    public var sessionSettings: [(name: String, value: String)]

    /// Settings for an ordinary session.
    public init(
        _ connectionString: String, replication: ReplicationMode = .none, applicationName: String = "weir",
        connectTimeoutSeconds: Int = 10, answerTimeout: Duration? = nil,
        sessionSettings: [(name: String, value: String)] = []
    ) {
        self.connectionString = connectionString
        self.replication = replication
        self.applicationName = applicationName
        self.connectTimeoutSeconds = connectTimeoutSeconds
        self.answerTimeout = answerTimeout
        self.sessionSettings = sessionSettings
    }

    /// Server settings every connection starts with, whatever the role or the database sets: values have one text
    /// form, names resolve in `pg_catalog` only, and no time-out of the database cuts a long wait short.
    ///
    /// All of them exist since PostgreSQL 9.6; those that came later are set after connecting.
    static let pinned: [(name: String, value: String)] = [
        ("datestyle", "ISO"), ("intervalstyle", "postgres"), ("extra_float_digits", "3"), ("bytea_output", "hex"),
        ("timezone", "UTC"), ("search_path", ""), ("standard_conforming_strings", "on"),
        ("quote_all_identifiers", "off"), ("array_nulls", "on"), ("lc_monetary", "C"), ("xmloption", "content"),
        ("statement_timeout", "0"), ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
    ]

    /// Pinned settings that older servers do not know: (first server version, name, value).
    static let pinnedSince: [(version: Int, name: String, value: String)] = [
        (140000, "idle_session_timeout", "0"), (170000, "transaction_timeout", "0"),
    ]

    /// Keywords and values for `PQconnectStartParams`; the first one is the connection string, later ones override.
    /// Throws `settings` when the connection string is malformed; the message does not echo it.
    func parameters() throws(PGError) -> [(String, String)] {
        if connectionString.utf8.contains(0) {
            throw PGError(.settings, "connect", "the connection string contains a NUL byte")
        }
        let given = try ConnectionSettings.parse(connectionString)
        var list = [("dbname", connectionString), ("client_encoding", "UTF8")]
        var options = given["options"].map { $0 + " " } ?? ""
        options += (Self.pinned + sessionSettings).map { "-c \($0.name)=\(Self.optionEscaped($0.value))" }
            .joined(separator: " ")
        list.append(("options", options))
        if replication == .database { list.append(("replication", "database")) }
        let defaults = [
            ("application_name", applicationName), ("connect_timeout", String(connectTimeoutSeconds)),
            ("keepalives", "1"), ("keepalives_idle", "15"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "30000"),
        ]
        for (name, value) in defaults where given[name] == nil { list.append((name, value)) }
        return list
    }

    /// Backslash and white space in a value of the `options` parameter need a backslash.
    private static func optionEscaped(_ value: String) -> String {
        var escaped = ""
        for character in value {
            if character == "\\" || character.isWhitespace { escaped.append("\\") }
            escaped.append(character)
        }
        return escaped
    }

    /// The settings a connection string names, by libpq's own parser.
    static func parse(_ connectionString: String) throws(PGError) -> [String: String] {
        var text: UnsafeMutablePointer<CChar>?
        guard let first = unsafe PQconninfoParse(connectionString, &text) else {
            let echoed = unsafe text.map { unsafe String(cString: $0) } ?? "out of memory"
            unsafe PQfreemem(text)
            throw PGError(.settings, "connect", "malformed connection string: " + withoutEcho(echoed))
        }
        defer { unsafe PQconninfoFree(first) }
        var values: [String: String] = [:]
        var option = unsafe first
        while let keyword = unsafe option.pointee.keyword {
            if let value = unsafe option.pointee.val {
                unsafe values[String(cString: keyword)] = String(cString: value)
            }
            unsafe option += 1
        }
        return values
    }

    /// libpq's parse errors quote parts of the string, which may be the password: keeps the text before the first
    /// quoted part that is not a single punctuation mark.
    static func withoutEcho(_ message: String) -> String {
        let parts = QuotedText.split(message)
        var kept = ""
        for (index, part) in parts.enumerated() {
            if index % 2 == 0 {
                kept += part
            } else if part.count == 1, let mark = part.first, !mark.isLetter, !mark.isNumber {
                kept += "\"\(part)\""
            } else {
                break
            }
        }
        while let last = kept.last, last.isWhitespace || last == ":" { kept.removeLast() }
        return kept
    }

    /// A failed connection's message for people: one line, without libpq's source locations, without the SQLSTATE
    /// that verbose mode puts in, and without what a mistyped URL (an unescaped `@` in the password) leaves in a
    /// host name.
    static func readable(connectError text: String, secrets: [String]) -> String {
        var lines: [String] = []
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("LOCATION:") {
            var words = line.trimmingPrefix(while: \.isWhitespace)
            if let state = sqlStateRange(in: words) { words.removeSubrange(state) }
            // A `/` or `:` in a password makes libpq take a part of it for the port.
            let isOption = words.hasPrefix("invalid ")
            let parts = QuotedText.split(words).enumerated().map { index, part in
                index == 1 && isOption || index % 2 == 1 && part.utf8.contains(UInt8(ascii: "@")) ? "…" : part
            }
            let line = parts.joined(separator: "\"")
            // libpq repeats itself where it tried with and without encryption.
            if line != lines.last { lines.append(line) }
        }
        var message = lines.joined(separator: "; ")
        for secret in secrets where secret.utf8.count > 3 {
            message = String(
                decoding: Array(message.utf8).replacing(Array(secret.utf8), with: "***".utf8), as: UTF8.self)
        }
        return message
    }

    /// Whether encryption alone stands in the way, at every host that was tried: libpq has no code for it. A server
    /// that goes away in the middle of it is another matter, and passes.
    static func isEncryptionRefusal(connectError text: String) -> Bool {
        let attempts = text.split(whereSeparator: \.isNewline).compactMap { line -> Substring? in
            // What stands before it names the host.
            line.firstRange(of: " failed: ").map { line[$0.upperBound...] }
        }
        return !attempts.isEmpty
            && attempts.allSatisfy { attempt in
                encryptionRefusals.contains { attempt.contains($0) } && sqlStateRange(in: attempt) == nil
            }
    }

    /// What libpq's and OpenSSL's texts hold when certificates, keys, versions or the need of encryption do not fit.
    private static let encryptionRefusals = [
        "certificate", "private key file", "does not support SSL", "channel binding", "GSSAPI encryption", "unknown ca",
        "handshake failure", "protocol version", "unsupported protocol", "wrong version number",
        "no protocols available", "host name must be specified for a verified SSL connection",
    ]

    /// SQLSTATEs of all hosts that answered, in the order of libpq's attempts, from a verbose error text.
    static func sqlStates(connectError text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            sqlStateRange(in: line).map { String(line[$0].prefix(5)) }
        }
    }

    /// Where a line of a verbose error holds `XXXXX: ` after the (translated) severity and two spaces.
    private static func sqlStateRange(in line: Substring) -> Range<Substring.Index>? {
        guard let match = line.firstMatch(of: #/:  (?<state>[0-9A-Z]{5}: )/#) else { return nil }
        return match.output.state.startIndex..<match.output.state.endIndex
    }
}
