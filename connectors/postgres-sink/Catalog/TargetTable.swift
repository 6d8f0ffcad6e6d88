import WeirCore

/// A table of the target database as its catalog describes it.
struct TargetTable: Sendable, Equatable {
    struct Column: Sendable, Equatable {
        var name: String
        var type: ColumnType
        var isNotNull: Bool
        var hasDefault: Bool
        /// GENERATED ALWAYS AS (...) STORED.
        var isGenerated: Bool
        /// GENERATED ALWAYS AS IDENTITY: UPDATE may not set it.
        var isAlwaysIdentity: Bool
        var equality: Equality
        var defaultExpression: String?
        /// What a generated column is computed from.
        var generatedFrom: String?
        var comment: String?
    }

    struct UniqueKey: Sendable, Equatable {
        var columns: [String]
        var isPrimary: Bool
        /// Not deferrable: usable by ON CONFLICT.
        var isImmediate: Bool
        /// The index's name; a constraint's as well.
        var name = ""
    }

    /// Rights of the session's role, by the names of GRANT.
    struct Privileges: OptionSet, Sendable {
        let rawValue: UInt8
        static let select = Privileges(rawValue: 1)
        static let insert = Privileges(rawValue: 2)
        static let update = Privileges(rawValue: 4)
        static let delete = Privileges(rawValue: 8)
        static let truncate = Privileges(rawValue: 16)

        static let names: [(Privileges, String)] = [
            (.select, "SELECT"), (.insert, "INSERT"), (.update, "UPDATE"), (.delete, "DELETE"),
            (.truncate, "TRUNCATE"),
        ]
    }

    var name: TableName
    var oid: UInt32
    /// `pg_class.relkind`.
    var kind: Character
    var columns: [Column]
    /// Unique indexes on plain columns of all rows.
    var uniqueKeys: [UniqueKey]
    /// Columns of the index that REPLICA IDENTITY USING INDEX names; empty without one.
    var identityIndex: [String]
    /// Row-level security applies to the session's role.
    var rowSecurity: Bool
    /// Row-level security may hide rows of the table from the role: no policy says plainly that it sees all of them.
    var hidesRows = false
    /// A foreign key of another table points here.
    var isReferenced: Bool
    /// Tables inherit from this one, whose rows a statement without ONLY would meet as well.
    var hasHeirs = false
    var privileges: Privileges
    var comment: String?
    /// The session's role may alter the table: it, or a role it is a member of, owns it.
    var isOwned = true

    var isPartitioned: Bool { kind == "p" }
    var primaryKey: [String] { uniqueKeys.first { $0.isPrimary }?.columns ?? [] }
    var primaryKeyName: String? { uniqueKeys.first { $0.isPrimary }?.name }
    var hasImmediatePrimaryKey: Bool { uniqueKeys.contains { $0.isPrimary && $0.isImmediate } }

    /// What the table is when it is none that rows can be written to; nil for tables.
    var unusableKind: String? {
        switch kind {
        case "r", "p": nil
        case "v": "a view"
        case "m": "a materialized view"
        case "f": "a foreign table"
        default: "no table"
        }
    }

    func columnIndex(_ name: String) -> Int? { columns.firstIndex { $0.name == name } }

    /// The columns of a unique index that ON CONFLICT can name: the wanted one, else the primary key, else the
    /// first whose columns all are among `available`. It takes none whose columns have a deferrable key as well.
    func conflictKey(wanted: [String], available: Set<String>) -> [String] {
        let late = uniqueKeys.filter { !$0.isImmediate }.map { Set($0.columns) }
        let usable = uniqueKeys.filter {
            $0.isImmediate && Set($0.columns).isSubset(of: available) && !late.contains(Set($0.columns))
        }
        let chosen = usable.first { Set($0.columns) == Set(wanted) } ?? usable.first { $0.isPrimary } ?? usable.first
        return chosen?.columns ?? []
    }
}
