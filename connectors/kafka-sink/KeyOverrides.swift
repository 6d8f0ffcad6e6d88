internal import WeirCore

/// Puts configured key columns in place of relations' own, one new relation for each old one.
struct KeyOverrides {
    private let choices: [(tables: TablePattern, columns: [String])]
    /// By the original's identity, which is kept alive beside it.
    private var changed: [ObjectIdentifier: (original: Relation, changed: Relation)] = [:]

    /// Throws `configuration-invalid` for a pattern that is none.
    init(_ settings: [KafkaKeyColumns]) throws(WeirError) {
        var choices: [(tables: TablePattern, columns: [String])] = []
        for choice in settings {
            do throws(TablePattern.Problem) {
                choices.append((try TablePattern(choice.table), choice.columns))
            } catch {
                throw WeirError(
                    .configurationInvalid, stage: .configuration,
                    "`key.columns` of the Kafka sink: \"\(choice.table)\" names no tables", cause: error.description)
            }
        }
        self.choices = choices
    }

    /// The batch with the keys as configured. Throws `table-unusable` when a table lacks a key column.
    mutating func apply(to batch: ChangeBatch) throws(WeirError) -> ChangeBatch {
        guard !choices.isEmpty else { return batch }
        var relations: [Relation] = []
        for relation in batch.relations { relations.append(try override(relation)) }
        return batch.replacing(rows: batch.rows, relations: relations)
    }

    private mutating func override(_ relation: Relation) throws(WeirError) -> Relation {
        if let known = changed[ObjectIdentifier(relation)] { return known.changed }
        guard let choice = choices.first(where: { $0.tables.matches(relation.table) }) else { return relation }
        var key: [Int] = []
        for name in choice.columns {
            guard let index = relation.columnIndex(name) else {
                throw WeirError(
                    .tableUnusable, stage: .sink, "Key column \"\(name)\" does not exist",
                    advice: "Correct `key.columns` of the Kafka sink."
                ).at(table: relation.table)
            }
            key.append(index)
        }
        let copy = Relation(
            oid: relation.oid, table: relation.table, origin: relation.origin, columns: relation.columns,
            identity: relation.identity, primaryKey: key, keyColumns: key, route: relation.route,
            details: relation.details)
        changed[ObjectIdentifier(relation)] = (relation, copy)
        return copy
    }
}
