/// One step of a pipeline's `transforms`, as configured. Steps are applied in order; a later step sees the names that
/// an earlier one gave.
///
/// `table` is everywhere a pattern over the table's name at that step (globs and quoted identifiers, as in the
/// source's `tables`). Values are held as written; `TransformChain` checks them.
public enum TransformSettings: Sendable, Equatable {
    /// Keeps some rows.
    case filter(FilterSettings)
    /// Keeps some columns.
    case select(SelectSettings)
    /// Drops some columns.
    case drop(DropSettings)
    /// Renames a table or its columns.
    case rename(RenameSettings)
    /// Hides values.
    case mask(MaskSettings)
    /// Chooses a topic or a target table.
    case route(RouteSettings)
}

/// `filter`: which rows of a table go on. Tables that `table` does not match pass untouched. What becomes of an UPDATE
/// into, out of or within the rows that hold the conditions: see `FilterTransform`.
///
/// ```yaml
/// - filter:
///     table: public.orders                     # optional: every table, and logical messages
///     operations: [insert, update, delete]     # optional: all of them
///     where: {column: status, equals: paid}    # optional; a list of conditions must hold all together
/// ```
public struct FilterSettings: Sendable, Equatable {
    /// Pattern of the tables; nil means all, and logical messages too.
    public var table: String?
    /// Operations that go on, judged after `conditions`; nil means all. `insert` includes the rows of a snapshot
    /// (`read`); `read` alone means only those. Empty drops every row of the tables.
    public var operations: Set<Operation>?
    /// Conditions that must all hold. Key `where`.
    public var conditions: [ColumnCondition]

    /// Makes settings.
    public init(table: String? = nil, operations: Set<Operation>? = nil, conditions: [ColumnCondition] = []) {
        self.table = table
        self.operations = operations
        self.conditions = conditions
    }
}

/// A condition on one column, as in a SQL WHERE: a NULL value holds no test but `null`.
///
/// A map with the key `column` and exactly one of `equals: VALUE`, `not: VALUE or [VALUE, ...]`,
/// `in: [VALUE, ...]`, `null: true or false`, `prefix: TEXT`, `below: VALUE` (<), `max: VALUE` (<=),
/// `above: VALUE` (>), `min: VALUE` (>=). Values are written as PostgreSQL prints them.
public struct ColumnCondition: Sendable, Equatable {
    /// What a value is tested for.
    public enum Test: Sendable, Equatable {
        /// One of these values. `equals: a` is `in: [a]`.
        case any([String])
        /// None of these values, and not NULL. Key `not`.
        case none([String])
        /// NULL when true, not NULL when false. Key `null`.
        case null(Bool)
        /// Begins with this text, byte by byte. Key `prefix`.
        case prefix(String)
        /// Less than this. Key `below`.
        case below(String)
        /// Less than or equal to this. Key `max`.
        case atMost(String)
        /// Greater than this. Key `above`.
        case above(String)
        /// Greater than or equal to this. Key `min`.
        case atLeast(String)
    }

    /// The column's exact name at this step.
    public var column: String
    /// What its value is tested for.
    public var test: Test

    /// Makes a condition.
    public init(column: String, test: Test) {
        self.column = column
        self.test = test
    }
}

/// `select`: the columns that go on; the others are dropped.
///
/// ```yaml
/// - select: {table: public.users, columns: [id, name]}      # keys: true  allows a key column to be lost
/// ```
public struct SelectSettings: Sendable, Equatable {
    /// Pattern of the tables.
    public var table: String
    /// Exact names of the columns to keep. A name that a table does not have is passed over.
    public var columns: [String]
    /// Allows columns of the key or the replica identity to be lost: such rows may end without a key. Key `keys`.
    public var allowsKeyLoss: Bool

    /// Makes settings.
    public init(table: String, columns: [String], allowsKeyLoss: Bool = false) {
        self.table = table
        self.columns = columns
        self.allowsKeyLoss = allowsKeyLoss
    }
}

/// `drop`: columns that do not go on.
///
/// ```yaml
/// - drop: {table: public.users, columns: [password, notes]}  # keys: true  allows a key column to be lost
/// ```
public struct DropSettings: Sendable, Equatable {
    /// Pattern of the tables.
    public var table: String
    /// Exact names of the columns to drop. A name that a table does not have is passed over.
    public var columns: [String]
    /// Allows columns of the key or the replica identity to be lost: such rows may end without a key. Key `keys`.
    public var allowsKeyLoss: Bool

    /// Makes settings.
    public init(table: String, columns: [String], allowsKeyLoss: Bool = false) {
        self.table = table
        self.columns = columns
        self.allowsKeyLoss = allowsKeyLoss
    }
}

/// `rename`: other names for a table and its columns.
///
/// ```yaml
/// - rename: {table: public.orders, to: orders_v2, columns: {amt: amount}}
/// ```
public struct RenameSettings: Sendable, Equatable {
    /// Pattern of the tables.
    public var table: String
    /// The new name: `table` (same schema) or `schema.table`, quoted where SQL needs it; nil keeps the name.
    public var to: String?
    /// New names of columns by their exact old names. A name that a table does not have is passed over.
    public var columns: [String: String]

    /// Makes settings.
    public init(table: String, to: String? = nil, columns: [String: String] = [:]) {
        self.table = table
        self.to = to
        self.columns = columns
    }
}

/// `mask`: hides values of columns, in new and old rows alike. NULL stays NULL.
///
/// ```yaml
/// - mask: {columns: ["public.users.email"], with: sha256, salt: ${SALT}}
/// - mask: {columns: ["public.users.phone", "crm.*.phone"], with: fixed, value: "***"}
/// - mask: {columns: ["public.users.notes"], with: null}
/// ```
public struct MaskSettings: Sendable, Equatable {
    /// What a value is replaced by.
    public enum Method: Sendable, Equatable {
        /// This text. The column keeps its type, so the text must be a value of that type. Key `value`.
        case fixed(String)
        /// NULL.
        case null
        /// The lower-case hexadecimal SHA-256 of the salt's bytes followed by the value's text; the column becomes a
        /// text column. The salt must not be empty. Key `salt`, a secret.
        case sha256(salt: String)
    }

    /// Patterns `schema.table.column` (globs and quoted identifiers in each part).
    public var columns: [String]
    /// What the values are replaced by. Key `with`: `fixed`, `null` or `sha256`.
    public var method: Method

    /// Makes settings.
    public init(columns: [String], method: Method) {
        self.columns = columns
        self.method = method
    }
}

/// `route`: where rows of a table go, by templates with `{pipeline}`, `{schema}` and `{table}`.
///
/// ```yaml
/// - route: {table: "public.orders_*", topic: orders}
/// - route: {table: "public.*", target: "archive.{table}"}
/// ```
public struct RouteSettings: Sendable, Equatable {
    /// Pattern of the tables.
    public var table: String
    /// Template of the topic's name, in place of the sink's own; nil leaves it. Sinks without topics pass over it.
    public var topic: String?
    /// Template of the table's name from here on: `table` or `schema.table`; nil leaves it. The same as `rename` with
    /// placeholders.
    public var target: String?

    /// Makes settings.
    public init(table: String, topic: String? = nil, target: String? = nil) {
        self.table = table
        self.topic = topic
        self.target = target
    }
}
