import Testing

@testable import WeirCore

/// Replica identities, keys and transactions, encoded, are what a real Debezium 3.6.3 wrote for the same changes.
@Suite struct EncodingKeysTests {
    private func lines(_ change: (inout EncoderSettings) -> Void) throws -> [String] {
        var settings = EncoderSettings(prefix: "weir", version: "3.6.3.Final")
        settings.debezium.strict = true
        settings.debezium.skippedOperations = []
        change(&settings)
        return try GoldenTokens.lines(RecordedChanges.stream("keys/"), settings, database: "keys")
    }

    @Test func identitiesAndKeys() throws {
        try GoldenTokens.compare(lines { _ in }, "keys/default.jsonl") { $0 }
    }

    @Test func configuredKeysAndTransactions() throws {
        let choices = [("zoo.by_index", ["a"]), ("zoo.pair_key", ["n", "b"]), ("zoo.full_nopk", ["a"])]
        let keys = try choices.map { EventKeyColumns(tables: try TablePattern($0.0), columns: $0.1) }
        let lines = try lines { settings in
            settings.debezium.transactionMetadata = true
            settings.debezium.tombstones = false
            settings.debezium.binary = .base64
            settings.debezium.skippedOperations = [.truncate]
            settings.debezium.keyColumns = keys
        }
        // Debezium prints the identity of a Java object as the name of the messages' collection, and orders by it.
        let collection = #"{"data_collection":"message","event_count":1}"#
        try GoldenTokens.compare(
            lines.map { $0.replacing("\(collection),", with: "").replacing(",\(collection)", with: "") },
            "keys/metadata.jsonl"
        ) { $0.replacing(/,?{"data_collection":"io\.debezium[A-Za-z.$]*@[0-9a-f]+","event_count":1}/, with: "") }
    }

    /// Debezium keeps a key of which it knows no column, without fields: all rows of the table in one partition.
    @Test(arguments: [true, false]) func aKeyOfUnknownTypesIsEmptyInStrict(hasSchemas: Bool) throws {
        var bench = EncodingBench()
        bench.settings.debezium.strict = true
        bench.settings.debezium.keySchemas = hasSchemas
        let key = Column(
            name: "k", type: ColumnType(oid: 3220, name: "pg_lsn", kind: .other), isIdentity: true, isNotNull: true)
        let relation = Relation(
            oid: 1, table: TableName(schema: "s", name: "t"), columns: [key, Column(name: "v", type: .text)],
            identity: .default, primaryKey: [0])
        let batch = EncodingBench.batch { builder in
            var cells = builder.cellCount
            builder.appendText("0/1".utf8)
            builder.appendText("a".utf8)
            builder.addRow(.insert, relation: relation, lsn: LSN(100), cells: cells)
            cells = builder.cellCount
            builder.appendText("0/1".utf8)
            builder.appendCell(.null)
            builder.addRow(.delete, relation: relation, lsn: LSN(101), oldCells: cells, oldTuple: .key)
        }
        let schema = #"{"type":"struct","fields":[],"optional":false,"name":"weir.s.t.Key"}"#
        let text = hasSchemas ? #"{"schema":\#(schema),"payload":{}}"# : "{}"
        let events = try bench.events(batch)
        #expect(events.map(\.key) == [text, text, text] && events.map(\.role) == [.change, .change, .tombstone])
    }

    /// One entry for many tables, as Debezium 3.6.3 takes it: `public.*:tenant,gone;public.a:v`.
    @Test func configuredColumnsThatATableLacks() throws {
        var bench = EncodingBench()
        bench.settings.debezium.keyColumns = [
            EventKeyColumns(tables: try TablePattern("public.*"), columns: ["tenant", "gone"]),
            EventKeyColumns(tables: try TablePattern("public.a"), columns: ["v", "tenant"]),
        ]
        func key(_ table: String, _ second: String, _ bench: EncodingBench) throws -> String? {
            let columns = [
                Column(name: "id", type: .int4, isIdentity: true, isNotNull: true), Column(name: second, type: .int4),
                Column(name: "v", type: .text),
            ]
            let relation = Relation(
                oid: 1, table: TableName(schema: "public", name: table), columns: columns, identity: .default,
                primaryKey: [0])
            let batch = EncodingBench.batch { builder in
                let cells = builder.cellCount
                for value in ["1", "7", "x"] { builder.appendText(value.utf8) }
                builder.addRow(.insert, relation: relation, lsn: LSN(100), cells: cells)
            }
            return try bench.events(batch)[0].key
        }
        // Without `strict` what is not there is refused.
        #expect(throws: WeirError.self) { try key("a", "tenant", bench) }
        bench.settings.debezium.strict = true
        #expect(try key("a", "tenant", bench) == #"{"tenant":7,"v":"x"}"#)
        #expect(try key("b", "tenant", bench) == #"{"tenant":7}"#)
        #expect(try key("c", "other", bench) == #"{"id":1}"#)
    }
}
