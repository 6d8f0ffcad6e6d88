import WeirCore

/// One statement that brings a target's definitions closer to a source's.
struct SchemaStep: Sendable, Equatable {
    /// What `schema` has to be for Weir to run it.
    enum Level: Sendable { case additive, full }

    /// Empty: only `gap` and `caution` are looked at.
    var sql: String
    var level: Level
    /// Rows cannot be applied, or not rightly, without it. The others only make definitions alike.
    var isNeeded: Bool
    /// What is wrong without it, for people.
    var reason: String
    /// Runs in a session of its own, before: its effect cannot be used in the transaction that made it.
    var isOutside = false
    /// The enum that it changes.
    var enumeration: TableName?
    /// A failure is logged and stops nothing.
    var isOptional = false
    /// Rows that are there would get values that nobody knows; nil when there can be none.
    var gap: Gap?
    /// What an operator should know about rows that are there; nil when there is nothing to say.
    var caution: Caution?
    /// What to run when the server says that it cannot convert by itself (SQLSTATE 42804).
    var conversion: String?
    /// What to run when the server refuses the statement: the same without what only makes definitions alike.
    var fallback: String?

    /// A step that Weir does not take while the target has rows that it concerns.
    struct Gap: Sendable, Equatable {
        /// Tells whether there are such rows: a query with one boolean.
        var query: String
        var what: String
        var cause: String
        var advice: String
    }

    /// How a generated column comes to be.
    struct Making: Sendable, Equatable {
        /// The step's statement.
        var sql: String
        /// The column that stays when it is refused.
        var before: AppliedTable.Generated?
    }

    /// A warning about rows that are there.
    struct Caution: Sendable, Equatable {
        /// Tells whether there are such rows: a query with one boolean.
        var query: String
        var text: String
    }

    init(
        _ level: Level, needed: Bool = false, _ sql: String, reason: String = "", outside: Bool = false,
        optional: Bool = false
    ) {
        self.sql = sql
        self.level = level
        isNeeded = needed
        self.reason = reason
        isOutside = outside
        isOptional = optional
    }
}

/// What a new version of a source table asks of its target.
struct TargetChange: Sendable, Equatable {
    /// In the order in which they have to run.
    var steps: [SchemaStep] = []
    /// What an operator should know about rows that were there before.
    var notes: [String] = []
    /// Two readings are possible: what is unclear, and the statements of each.
    var doubts: [Doubt] = []
    /// What the map says afterwards; nil for relations that no PostgreSQL described.
    var known: AppliedTable?
    /// Generated columns of `known` that steps make, by number.
    var making: [Int16: SchemaStep.Making] = [:]
    /// What the map of types says afterwards.
    var knownTypes: [AppliedType] = []
    /// Other tables of the map that got another name: OID and name.
    var moved: [(oid: UInt32, table: TableName)] = []
    /// Some facts of the catalog may be ahead of the rows: they are looked at again later.
    var hasOpenFacts = false

    struct Doubt: Sendable, Equatable {
        var what: String
        var readings: [String]
    }

    static func == (left: TargetChange, right: TargetChange) -> Bool {
        left.steps == right.steps && left.notes == right.notes && left.doubts == right.doubts
            && left.known == right.known && left.knownTypes == right.knownTypes
            && left.hasOpenFacts == right.hasOpenFacts
            && left.moved.map(\.oid) == right.moved.map(\.oid) && left.moved.map(\.table) == right.moved.map(\.table)
    }
}

/// Everything a change is told from.
struct SchemaSituation {
    var relation: Relation
    var mode: PostgresTargetSettings.SchemaMode
    /// What the pipeline has applied of this source table; nil when it is met for the first time.
    var known: AppliedTable?
    /// Another source table of the map that has the target's name.
    var occupant: AppliedTable?
    /// The command that made this version converts a column with an expression of its own.
    var hasExpression = false
    /// Several source tables feed the target table.
    var isShared = false
    /// The target under the relation's name, and under the name that the map has, where that is another one.
    var target: TargetTable?
    var previous: TargetTable?
    /// Schemas of the target.
    var schemas: Set<String> = []
    /// The target's types under the names of the relation's.
    var types: [TableName: UserType] = [:]
    /// Collations of the target, as SQL, that the relation names.
    var collations: Set<String> = []
    /// All rows of the table are about to come.
    var isSnapshot = false
    /// The catalog's facts are not ahead of the rows.
    var factsHold = true
    /// The same of users' types.
    var typesHold = true
    /// The columns are those of the version before: the source tells of every change, and told of none.
    var isContinued = false
    /// `AppliedTable.followedFrom` of the version at hand.
    var followedFrom: LSN?
    /// What the pipeline has applied of the relation's types, by OID.
    var knownTypes: [UInt32: AppliedType] = [:]
    /// Rows with labels or attributes that the target does not know were refused.
    var wantsTypes = false
    /// Columns whose NOT NULL refused a row.
    var relaxed: Set<String> = []
    /// Each change finds its row by itself. ON CONFLICT takes no deferrable key.
    var mayDeferKey = true
    /// The target's session is a replica: it looks at no deferrable key.
    var isReplica = true
    var systemIdentifier: UInt64 = 0

    /// When the target's key is looked at: later than with each row only where the source's is, its rows may change
    /// their keys, and no others come into the table, which would not be told from them.
    var keyTiming: KeyTiming {
        guard mayDeferKey, relation.identity == .full, !isShared, relation.table == relation.origin else {
            return .immediate
        }
        let timing = relation.details?.keyTiming ?? .immediate
        // Rows come one by one: the end of a statement is too early.
        return timing == .deferrable && !isReplica ? .deferred : timing
    }
}
