import LibPQ
import WeirCore

/// Which change a statement was for.
struct RowContext: Sendable, Equatable {
    var table: TableName
    /// Names of the columns that find the row.
    var keyColumns: [String]
    /// Nil when no single change is to blame: a constraint checked at the commit.
    var operation: Operation?
    /// The source transaction's commit LSN.
    var commitLSN: LSN
}

/// Why something did not work on the target, before it is put into words for people.
enum TargetFailure: Error {
    /// The server or the connection failed; with the change, where one statement of one change is to blame.
    case server(PGError, RowContext?)
    /// A statement for one row found so many.
    case rowCount(Int, RowContext)
    /// The position row is not this agent's any more.
    case fenced
    /// Decided on this side.
    case refused(WeirError)
    /// The attempt is over; nothing is to be reported.
    case cancelled

    /// Whether a change is to blame: then the changes before it can be applied without it.
    var isRejection: Bool {
        switch self {
        case .rowCount: true
        case .server(let error, _): error.kind == .server && error.retry == .operatorNeeded
        case .refused(let error): error.disposition == .operator
        case .fenced, .cancelled: false
        }
    }
}
