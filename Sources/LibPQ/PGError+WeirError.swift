public import WeirCore

extension PGError {
    /// The error as it crosses module borders: code and advice from kind and SQLSTATE, disposition from `retry`.
    ///
    /// A connector that knows more (which slot, which table) makes its own from the same fields.
    /// - Parameter peer: what was talked to, for the message: `the source database`, `the target database`.
    public func weirError(stage: WeirError.Stage, peer: String) -> WeirError {
        let rule = PGError.rule(kind: kind, sqlState: sqlState)
        var error = WeirError(rule.code, stage: stage, rule.message(peer), cause: description, advice: rule.advice)
        if rule.code != .configurationInvalid {
            error = error.disposed(retry == .later ? .retry : .operator)
        }
        if let schema, let table { error = error.at(table: TableName(schema: schema, name: table)) }
        return error
    }

    private struct Rule {
        let code: WeirError.Code
        let message: (String) -> String
        var advice: String?

        init(_ code: WeirError.Code, _ message: @escaping (String) -> String, _ advice: String? = nil) {
            self.code = code
            self.message = message
            self.advice = advice
        }
    }

    private static func rule(kind: Kind, sqlState: String?) -> Rule {
        switch kind {
        case .settings:
            return Rule(
                .configurationInvalid, { "The connection string of \($0) cannot be used" },
                "Write it as postgresql://user:password@host:port/database and escape special characters with %XX.")
        case .encryption:
            return Rule(
                .tlsFailed, { "Encryption could not be agreed on with \($0)" },
                "Check sslmode, sslrootcert, sslcert and sslkey in the connection string, and that the server's "
                    + "certificate is valid, names this host and is signed by an authority of sslrootcert.")
        case .timeout, .interrupted: return Rule(.connectionLost, { "No answer from \($0) in time" })
        case .protocolViolation: return Rule(.protocolViolation, { "The conversation with \($0) broke the protocol" })
        case .usage: return Rule(.internalError, { "A call to \($0) was made in the wrong state" })
        case .connection, .server: break
        }
        guard let sqlState else {
            return Rule(
                .connectionLost, { "The connection to \($0) failed" },
                "Check host, port and that the server runs and listens there.")
        }
        return rule(sqlState: sqlState, connecting: kind == .connection)
    }

    private static func rule(sqlState: String, connecting: Bool) -> Rule {
        switch sqlState {
        case "28P01", "28000":
            return Rule(
                .authenticationFailed, { "\(capitalized($0)) refused the log-in" },
                "Check user and password, and that pg_hba.conf lets this user in from this address.")
        case "3D000":
            return Rule(
                .databaseMissing, { "The database named for \($0) does not exist" },
                "Check the database name in the connection string.")
        case "42501":
            return Rule(
                .permissionDenied, { "The role lacks a right in \($0)" },
                "Run `weir check`: it prints the statements that grant what is missing.")
        case "53300":
            return Rule(
                .serverUnavailable, { "\(capitalized($0)) has no free connection" },
                "Raise max_connections (max_wal_senders for replication) or close idle sessions.")
        case "53400":
            return Rule(
                .serverMisconfigured, { "A limit of \($0) is reached" },
                "Raise the setting that the cause names (max_replication_slots needs a restart), or drop unused slots.")
        case "57P01", "57P02", "57P03":
            return Rule(.serverUnavailable, { "\(capitalized($0)) is starting or stopping" })
        default: break
        }
        switch sqlState.prefix(2) {
        case "08": return Rule(.connectionLost, { "The connection to \($0) failed" })
        case "28": return Rule(.authenticationFailed, { "\(capitalized($0)) refused the log-in" })
        case "53", "58": return Rule(.serverUnavailable, { "\(capitalized($0)) has run out of a resource" })
        case "22", "23": return Rule(.rowRejected, { "\(capitalized($0)) refused a value" })
        default:
            return connecting
                ? Rule(.connectionLost, { "The connection to \($0) failed" })
                : Rule(.statementFailed, { "A statement failed on \($0)" })
        }
    }

    private static func capitalized(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
}
