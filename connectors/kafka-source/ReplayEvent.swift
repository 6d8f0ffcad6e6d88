internal import WeirCore

/// Where an event stands in the order of its source: transactions by commit, events by place in theirs.
struct EventOrder: Comparable, Hashable {
    /// The transaction: its commit LSN, or for Debezium's events that of the one before it.
    var commit: UInt64
    /// The place within it: the ordinal, or for Debezium's events the change's LSN.
    var place: UInt64
    /// The part of a change that made several events.
    var part: UInt64 = 0

    static let first = EventOrder(commit: 0, place: 0)

    static func < (left: EventOrder, right: EventOrder) -> Bool {
        (left.commit, left.place, left.part) < (right.commit, right.place, right.part)
    }
}

/// An event as it was read, not yet a row.
struct ReplayEvent {
    /// The envelope; the key's JSON.
    var value = JSONTree()
    var key = JSONTree()
    var hasKey = false
    /// Old and new row in `value`, key columns in `key`; nil when there are none.
    var before: JSONTree.Index?
    var after: JSONTree.Index?
    var keyFields: JSONTree.Index?
    /// Prefix and content of a logical message in `value`.
    var message: JSONTree.Index?

    var operation = Operation.insert
    var table = TableName(schema: "", name: "")
    var order = EventOrder.first
    /// Whether `order` is Weir's own event id, by which a repeated event is known.
    var isIdentified = false
    var systemIdentifier: UInt64 = 0
    var database = ""
    var xid: UInt32 = 0
    /// Microseconds since 1970.
    var commitTime: Int64 = 0
    var lsn = LSN.zero
    /// The other half of a moved key: the new key's JSON at a delete, the old one's at a create.
    var newKey: JSONTree?
    var oldKey: JSONTree?
}
