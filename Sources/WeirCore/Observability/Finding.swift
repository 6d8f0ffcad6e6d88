/// One thing that a preflight check found: what it is about, what was seen, and what to do.
public struct Finding: Sendable, Equatable {
    /// How bad it is.
    public enum Severity: String, Sendable, Comparable, CaseIterable {
        /// As it should be.
        case ok
        /// Works, but the operator should know.
        case warning
        /// Will not work.
        case error

        /// Worse is greater.
        public static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }

        private var rank: Int { self == .ok ? 0 : self == .warning ? 1 : 2 }
    }

    /// How bad it is.
    public var severity: Severity
    /// What it is about, for example `source slot weir_shop`; the same text for the same thing every time.
    public var subject: String
    /// What was seen: one sentence without row data or secrets.
    public var message: String
    /// What to do about it; nil when there is nothing to do.
    public var remedy: String?
    /// Whether the configuration itself is wrong: running it again, or elsewhere, changes nothing.
    public var isUsage = false

    /// Makes a finding.
    public init(_ severity: Severity, _ subject: String, _ message: String, remedy: String? = nil) {
        self.severity = severity
        self.subject = subject
        self.message = message
        self.remedy = remedy
    }

    /// An error that a check ran into, as a finding.
    public init(_ error: WeirError, subject: String) {
        self.init(
            .error, subject, error.cause.map { "\(error.message): \($0)" } ?? error.message, remedy: error.advice)
        isUsage = error.disposition == .usage
    }
}

extension Finding: CustomStringConvertible {
    /// One line for people.
    public var description: String {
        let text = "\(severity.rawValue): \(subject): \(message)"
        return remedy.map { "\(text) — \($0)" } ?? text
    }
}
