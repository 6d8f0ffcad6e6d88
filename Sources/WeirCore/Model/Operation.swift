/// What happened to a row, a table, or the log.
public enum Operation: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    /// A row was inserted.
    case insert
    /// A row was updated.
    case update
    /// A row was deleted.
    case delete
    /// A table was truncated.
    case truncate
    /// A logical message was written with `pg_logical_emit_message`.
    case message
    /// A row was read by a snapshot.
    case read

    /// The word used in configurations and logs.
    public var name: String {
        switch self {
        case .insert: "insert"
        case .update: "update"
        case .delete: "delete"
        case .truncate: "truncate"
        case .message: "message"
        case .read: "read"
        }
    }
}
