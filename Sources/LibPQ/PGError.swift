/// Why a libpq operation failed. Safe to log: `description` carries no row data and no secret.
///
/// The server's DETAIL and, for data exceptions (SQLSTATE class 22), quoted parts of the message can hold values of
/// rows (`Key (id)=(1)`, `invalid input syntax for type integer: "x"`). Both are kept out of `description`; `detail`
/// has the server's text for a caller that knows where it will go.
public struct PGError: Error, Sendable, Hashable {
    /// What kind of failure it was.
    public enum Kind: String, Sendable, Hashable {
        /// The connection string or a session setting is not usable. Nothing was sent.
        case settings
        /// TLS (or GSSAPI encryption) cannot be agreed on as the connection string wants it: a certificate that is not
        /// trusted, a file that is not there, a server that offers none.
        case encryption
        /// No connection could be made, or an established one was lost.
        case connection
        /// The server answered with an error; `sqlState` is set.
        case server
        /// The deadline passed. The connection must not be used again.
        case timeout
        /// The interrupt signal was raised while waiting. The connection must not be used again.
        case interrupted
        /// The peer or libpq did something the protocol does not allow here.
        case protocolViolation
        /// The call was wrong in this state (for example COPY data outside COPY).
        case usage
    }

    /// Whether trying the same thing again later can help.
    public enum Retry: Sendable, Hashable {
        /// A passing condition: reconnect or repeat with back-off.
        case later
        /// Somebody has to change something first.
        case operatorNeeded
    }

    /// What kind of failure it was.
    public let kind: Kind
    /// What was being done: `connect`, `query`, `CREATE_REPLICATION_SLOT`, ...; never holds a statement's text.
    public let operation: String
    /// The five-character SQLSTATE, when the server gave one.
    public let sqlState: String?
    /// The primary message with row values and secrets removed.
    public let message: String
    /// Schema of the object the error is about, when the server says so.
    public let schema: String?
    /// Table of the object the error is about, when the server says so.
    public let table: String?
    /// Column the error is about, when the server says so.
    public let column: String?
    /// Constraint the error is about, when the server says so.
    public let constraint: String?
    /// The server's hint.
    public let hint: String?
    /// The server's detail. Can contain row values: never log it by default.
    public let detail: String?

    /// An error that the server did not describe with fields.
    public init(_ kind: Kind, _ operation: String, _ message: String, sqlState: String? = nil) {
        self.kind = kind
        self.operation = operation
        self.sqlState = sqlState
        self.message = PGError.redacted(message, sqlState: sqlState)
        schema = nil
        table = nil
        column = nil
        constraint = nil
        hint = nil
        detail = nil
    }

    init(server fields: DiagnosticFields, operation: String) {
        kind = .server
        self.operation = operation
        sqlState = fields.sqlState
        message = PGError.redacted(fields.message, sqlState: fields.sqlState)
        schema = fields.schema
        table = fields.table
        column = fields.column
        constraint = fields.constraint
        hint = fields.hint
        detail = fields.detail
    }

    /// Whether trying again later can help, from the kind and the SQLSTATE.
    public var retry: Retry {
        switch kind {
        case .timeout, .interrupted: return .later
        case .settings, .encryption, .usage, .protocolViolation: return .operatorNeeded
        case .connection, .server:
            guard let sqlState else { return kind == .connection ? .later : .operatorNeeded }
            return isRace ? .later : PGError.retry(sqlState: sqlState)
        }
    }

    /// Somebody dropped or changed what the statement was reading: functions such as `format_type` and `pg_get_expr`
    /// look at the catalog of now, whatever the statement's snapshot is. Source: the internal errors of syscache.c's
    /// callers, relation.c and heapam.c, which are never translated.
    private var isRace: Bool {
        guard sqlState == "XX000" else { return false }
        return ["cache lookup failed for ", "could not open relation with OID ", "tuple concurrently "].contains {
            message.contains($0)
        }
    }

    /// Retry class of a SQLSTATE (PostgreSQL documentation, appendix A).
    static func retry(sqlState: String) -> Retry {
        switch sqlState {
        // Serialization failure, deadlock, lock not available, object in use (an active slot).
        case "40001", "40P01", "55P03", "55006": return .later
        // Server shutting down, crashed, starting up; the database was dropped under us is not one of them.
        case "57P01", "57P02", "57P03", "57P05": return .later
        // Statement cancelled: by us on a time-out, or by an administrator.
        case "57014", "25P03", "25P04": return .later
        // Target switched to read only, as managed services do when the disk fills up.
        case "25006": return .later
        // A limit of the configuration (max_replication_slots) does not pass by itself.
        case "53400": return .operatorNeeded
        default: break
        }
        switch sqlState.prefix(2) {
        // Connection exceptions; insufficient resources (too many connections, disk full, out of memory); I/O errors.
        case "08", "53", "58": return .later
        default: return .operatorNeeded
        }
    }

    /// Removes row values: quoted parts of data exceptions, whose messages echo the offending value.
    private static func redacted(_ message: String, sqlState: String?) -> String {
        guard let sqlState, sqlState.hasPrefix("22") else { return message }
        let parts = QuotedText.split(message)
        return parts.enumerated().map { $0 % 2 == 1 ? "…" : $1 }.joined(separator: "\"")
    }
}

extension PGError: CustomStringConvertible {
    /// One line: operation, message, SQLSTATE; no detail.
    public var description: String {
        guard let sqlState else { return "\(operation): \(message)" }
        return "\(operation): \(message) (SQLSTATE \(sqlState))"
    }
}

/// Splits texts at double quotes, scalar by scalar: a combining mark after a quote does not hide it.
enum QuotedText {
    /// Parts at odd indexes stood between quotes.
    static func split(_ text: some StringProtocol) -> [String] {
        String(text).unicodeScalars.split(separator: "\"", omittingEmptySubsequences: false)
            .map { String(String.UnicodeScalarView($0)) }
    }
}

/// The error fields of a result, before values are taken out of them.
struct DiagnosticFields {
    var severity: String?
    var sqlState: String?
    var message: String
    var detail: String?
    var hint: String?
    var schema: String?
    var table: String?
    var column: String?
    var constraint: String?
}

/// A notice or warning that the server sent beside a result.
public struct PGNotice: Sendable, Hashable {
    /// The severity in English: `NOTICE`, `WARNING`, ...
    public let severity: String
    /// The SQLSTATE, when the server gave one.
    public let sqlState: String?
    /// The primary message. Written by the server or by a function of the user's: may hold values of rows.
    public let message: String
}
