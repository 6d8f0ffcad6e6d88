internal import WeirCore

/// Remembers which table a topic belongs to, and refuses to mix two tables because cleaning made their names equal.
///
/// Tables that a template without their parts, or a route, sends to one topic share it on purpose.
struct TopicOwners {
    private struct Owner {
        let table: TableName
        /// The parts of the table's name that the template keeps apart; nil for a routed table.
        let parts: [String]?
        let route: String?
    }

    private let keepsSchema: Bool
    private let keepsTable: Bool
    private var owners: [String: Owner] = [:]

    /// - Parameter template: of the topics' names, with `{schema}` and `{table}`.
    init(template: String) {
        keepsSchema = template.contains("{schema}")
        keepsTable = template.contains("{table}")
    }

    /// Notes that a relation's events go to a topic. Throws `table-unusable` when another table has it by accident.
    mutating func claim(_ topic: String, for relation: Relation) throws(WeirError) {
        let table = relation.table
        var parts: [String]?
        if relation.route == nil {
            parts = (keepsSchema ? [table.schema] : []) + (keepsTable ? [table.name] : [])
        }
        let owner = Owner(table: table, parts: parts, route: relation.route)
        guard let first = owners[topic] else {
            owners[topic] = owner
            return
        }
        // A routed table may join another one's topic: somebody wrote that down.
        let collides: Bool
        if let one = first.parts, let other = owner.parts {
            collides = one != other
        } else if let one = first.route, let other = owner.route {
            collides = one != other
        } else {
            collides = false
        }
        guard collides else { return }
        throw WeirError(
            .tableUnusable, stage: .sink, "Tables \(first.table) and \(table) would share the topic \(topic)",
            cause: "a topic's name holds only letters, digits, dots, hyphens and underscores, 249 in all",
            advice: "Route one of the two to a topic of another name."
        ).at(table: table)
    }
}
