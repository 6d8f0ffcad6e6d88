extension TransformChain {
    /// What can be told about the steps before a row is seen, from the tables they will meet: refusals that would stop
    /// the pipeline as errors, and patterns and names that match nothing as warnings, because a mask that is misspelt
    /// hides nothing.
    ///
    /// `relations` are the source's tables as of now. Pure.
    public static func check(
        _ settings: [TransformSettings], relations: [Relation], pipeline: String, digest: SaltedDigestFactory
    ) -> [Finding] {
        let chain: [any Transform]
        do throws(WeirError) {
            chain = try make(settings, pipeline: pipeline, digest: digest)
        } catch {
            return [Finding(error, subject: "transforms")]
        }
        var findings: [Finding] = []
        var current = relations
        for (index, step) in settings.enumerated() {
            let subject = "transforms[\(index)]"
            findings += step.idle(over: current).map { what in
                Finding(
                    .warning, subject, "\(what) of the source's tables",
                    remedy: "Check the spelling; steps before this one may have changed the name.")
            }
            for place in current.indices {
                do throws(WeirError) {
                    current[place] = try derived(current[place], by: chain[index])
                } catch {
                    findings.append(Finding(error, subject: "\(subject) table \(current[place].table)"))
                }
            }
        }
        return findings.isEmpty && !settings.isEmpty
            ? [Finding(.ok, "transforms", "All \(settings.count) steps fit the source's tables")] : findings
    }

    /// What a transform makes of a relation, by a batch without rows.
    private static func derived(_ relation: Relation, by transform: any Transform) throws(WeirError) -> Relation {
        let empty = ChangeBatch(
            arena: [], rows: [], cells: [], relations: [relation], transactions: [], endLSN: nil, sealedAt: 0)
        return try transform.apply(empty).relations.first ?? relation
    }
}

extension TransformSettings {
    /// What of this step concerns nothing, each the beginning of a sentence about the tables.
    fileprivate func idle(over relations: [Relation]) -> [String] {
        switch self {
        case .filter(let settings): Self.idle(settings.table ?? "*.*", columns: [], relations)
        case .select(let settings): Self.idle(settings.table, columns: settings.columns, relations)
        case .drop(let settings): Self.idle(settings.table, columns: settings.columns, relations)
        case .rename(let settings): Self.idle(settings.table, columns: settings.columns.keys.sorted(), relations)
        case .route(let settings): Self.idle(settings.table, columns: [], relations)
        case .mask(let settings): settings.columns.compactMap { Self.idle(pattern: $0, relations) }
        }
    }

    private static func idle(_ pattern: String, columns: [String], _ relations: [Relation]) -> [String] {
        guard let tables = try? TransformChain.selection(pattern) else { return [] }
        let matching = relations.filter { tables.contains($0.table) }
        guard !matching.isEmpty else { return ["The table pattern \(pattern) matches none"] }
        return columns.filter { name in matching.allSatisfy { $0.columnIndex(name) == nil } }
            .map { "The column \($0) is in none" }
    }

    private static func idle(pattern text: String, _ relations: [Relation]) -> String? {
        guard let pattern = try? ColumnPattern(text) else { return nil }
        let matches = relations.contains { relation in
            relation.columns.indices.contains { pattern.matches(relation, column: $0) }
        }
        return matches ? nil : "The column pattern \(text) matches a column in none"
    }
}
