/// The one error that crosses module borders: what failed, where, why, and what to do about it.
///
/// Never holds row data or a secret: table and column names, positions, lengths, SQLSTATEs and messages of the
/// servers' own making only. Sendable value; create it on any thread.
public struct WeirError: Error, Sendable, Equatable {
    /// The stage of the pipeline that failed.
    public enum Stage: String, Sendable {
        case configuration, source, decode, transform, sink, state, pipeline, command
    }

    /// Stable, machine-readable name of a failure. New codes may appear; existing ones keep their meaning.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// The code as printed, lower case with hyphens.
        public let rawValue: String
        /// Wraps a code's text.
        public init(rawValue: String) { self.rawValue = rawValue }
        /// The code as printed.
        public var description: String { rawValue }
    }

    /// What to do about an error.
    public enum Disposition: String, Sendable, Equatable {
        /// Passing trouble: reconnect with back-off and go on from the durable position.
        case retry
        /// A person has to act: stop, keep the position.
        case `operator`
        /// Wrong usage or configuration: exit code 2.
        case usage
    }

    /// The stable code.
    public var code: Code
    /// The stage that failed.
    public var stage: Stage
    /// One sentence: what failed.
    public var message: String
    /// The underlying cause in the words of the system that reported it, free of row data and secrets.
    public var cause: String?
    /// One sentence: what the operator can do.
    public var advice: String?
    /// The table concerned, if one is.
    public var table: TableName?
    /// The log position concerned, if one is.
    public var position: LSN?
    /// Overrides what the code alone implies, when the reporter knows better.
    public var dispositionOverride: Disposition?

    /// Makes an error; `message` and `advice` are full sentences without a trailing line break.
    public init(
        _ code: Code, stage: Stage, _ message: String, cause: String? = nil, advice: String? = nil
    ) {
        self.code = code
        self.stage = stage
        self.message = message
        self.cause = cause
        self.advice = advice
    }

    /// A copy that names the table and the position.
    public func at(table: TableName? = nil, position: LSN? = nil) -> WeirError {
        var copy = self
        copy.table = table ?? self.table
        copy.position = position ?? self.position
        return copy
    }

    /// A copy whose disposition is decided by the reporter instead of the code.
    public func disposed(_ disposition: Disposition) -> WeirError {
        var copy = self
        copy.dispositionOverride = disposition
        return copy
    }

    /// What to do: the reporter's word, else what the code implies. Pure.
    public var disposition: Disposition { dispositionOverride ?? code.disposition }
}

extension WeirError.Code {
    /// Connection could not be made or broke off.
    public static let connectionLost = Self(rawValue: "connection-lost")
    /// The server is starting, stopping, or has no free connection.
    public static let serverUnavailable = Self(rawValue: "server-unavailable")
    /// The credentials or the client's address were refused.
    public static let authenticationFailed = Self(rawValue: "authentication-failed")
    /// TLS could not be agreed on with a server or a broker.
    public static let tlsFailed = Self(rawValue: "tls-failed")
    /// A right is missing.
    public static let permissionDenied = Self(rawValue: "permission-denied")
    /// The database does not exist.
    public static let databaseMissing = Self(rawValue: "database-missing")
    /// A setting of the server does not allow logical replication.
    public static let serverMisconfigured = Self(rawValue: "server-misconfigured")
    /// The slot is used by another process.
    public static let slotBusy = Self(rawValue: "slot-busy")
    /// The slot does not exist although a position says it did.
    public static let slotMissing = Self(rawValue: "slot-missing")
    /// The slot's WAL was removed or the slot was invalidated.
    public static let slotInvalidated = Self(rawValue: "slot-invalidated")
    /// The slot belongs to another plugin, database, or kind.
    public static let slotMismatch = Self(rawValue: "slot-mismatch")
    /// The publication does not exist, or did not at the slot's position.
    public static let publicationMissing = Self(rawValue: "publication-missing")
    /// The stored position and the slot do not fit together.
    public static let positionMismatch = Self(rawValue: "position-mismatch")
    /// A message broke the protocol.
    public static let protocolViolation = Self(rawValue: "protocol-violation")
    /// A table cannot be replicated as asked.
    public static let tableUnusable = Self(rawValue: "table-unusable")
    /// A value cannot be carried.
    public static let valueRejected = Self(rawValue: "value-rejected")
    /// The target refused a row.
    public static let rowRejected = Self(rawValue: "row-rejected")
    /// The target's table or column is missing or of another type.
    public static let targetMismatch = Self(rawValue: "target-mismatch")
    /// Another agent took the target over.
    public static let fenced = Self(rawValue: "fenced")
    /// The broker cannot be reached.
    public static let brokerUnavailable = Self(rawValue: "broker-unavailable")
    /// The topic does not exist and may not be created.
    public static let topicMissing = Self(rawValue: "topic-missing")
    /// A message is larger than the broker or the client allows.
    public static let messageTooLarge = Self(rawValue: "message-too-large")
    /// The producer can no longer guarantee its order and must be built anew.
    public static let producerFatal = Self(rawValue: "producer-fatal")
    /// A statement failed for another reason.
    public static let statementFailed = Self(rawValue: "statement-failed")
    /// The state file cannot be read, written or trusted.
    public static let stateUnusable = Self(rawValue: "state-unusable")
    /// The state file is used by another process.
    public static let stateBusy = Self(rawValue: "state-busy")
    /// The configuration is wrong.
    public static let configurationInvalid = Self(rawValue: "configuration-invalid")
    /// The command line is wrong.
    public static let usage = Self(rawValue: "usage")
    /// A local read or write failed (standard output, files).
    public static let inputOutput = Self(rawValue: "input-output")
    /// The drain deadline passed before everything was durable.
    public static let drainTimedOut = Self(rawValue: "drain-timed-out")
    /// A promise between Weir's own parts was broken.
    public static let internalError = Self(rawValue: "internal-error")

    /// What the code alone implies.
    var disposition: WeirError.Disposition {
        switch self {
        case .connectionLost, .serverUnavailable, .slotBusy, .brokerUnavailable, .producerFatal: .retry
        case .configurationInvalid, .usage: .usage
        default: .operator
        }
    }
}

extension WeirError: CustomStringConvertible {
    /// One line for people: message, place, cause, advice.
    public var description: String {
        var text = message
        var place: [String] = []
        if let table { place.append("table \(table)") }
        if let position { place.append("position \(position)") }
        if !place.isEmpty { text += " (\(place.joined(separator: ", ")))" }
        if let cause { text += ": \(cause)" }
        if let advice { text += " — \(advice)" }
        return text
    }
}
