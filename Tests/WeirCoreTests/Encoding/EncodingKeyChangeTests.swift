import Testing

@testable import WeirCore

/// Keys, key changes and transactions as Debezium 3.6.3 has them where the old values lack the key.
@Suite struct EncodingKeyChangeTests {
    /// Key `id`, replica identity: an index of `u`.
    private let byIndex = Relation(
        oid: 1, table: TableName(schema: "public", name: "t"),
        columns: [
            Column(name: "id", type: .int4, isNotNull: true),
            Column(name: "u", type: .text, isIdentity: true, isNotNull: true), Column(name: "v", type: .int4),
        ],
        identity: .index, primaryKey: [0], keyColumns: [1])
    private let plain = Relation(
        oid: 2, table: TableName(schema: "public", name: "p"),
        columns: [Column(name: "id", type: .int4, isIdentity: true, isNotNull: true), Column(name: "v", type: .int4)],
        identity: .default, primaryKey: [0])

    private func bench(strict: Bool = false, _ change: (inout DebeziumOptions) -> Void = { _ in }) -> EncodingBench {
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.strict = strict
        change(&settings.debezium)
        return EncodingBench(settings)
    }

    private static func add(
        _ operation: Operation, _ relation: Relation, old: [String?]? = nil, new: [String?]? = nil,
        _ builder: inout BatchBuilder
    ) {
        func append(_ values: [String?]?) -> Int {
            guard let values else { return -1 }
            let first = builder.cellCount
            for value in values {
                if let value { builder.appendText(value.utf8) } else { builder.appendCell(.null) }
            }
            return first
        }
        let oldCells = append(old)
        let cells = append(new)
        builder.addRow(
            operation, relation: relation, lsn: LSN(7), cells: cells, oldCells: oldCells,
            oldTuple: old == nil ? .none : .key)
    }

    private func batch(
        _ operation: Operation, _ relation: Relation, old: [String?]? = nil, new: [String?]? = nil
    ) -> ChangeBatch {
        EncodingBench.batch { Self.add(operation, relation, old: old, new: new, &$0) }
    }

    // MARK: Keys

    @Test func theIndexIsTheKeyWhereADeleteHasNothingElse() throws {
        let bench = bench()
        let insert = try bench.events(batch(.insert, byIndex, new: ["1", "a", nil]))
        let change = try bench.events(batch(.update, byIndex, old: [nil, "a", nil], new: ["1", "b", nil]))
        let delete = try bench.events(batch(.delete, byIndex, old: [nil, "b", nil]))
        #expect((insert + change + delete).map(\.key) == ["a", "a", "a", "b", "b", "b"].map { #"{"u":"\#($0)"}"# })
        #expect(change[0].headers["__debezium.newkey"] == #"{"u":"b"}"#)
    }

    @Test func strictKeepsThePrimaryKeyAndWhatStandsForIt() throws {
        let bench = bench(strict: true)
        let insert = try bench.events(batch(.insert, byIndex, new: ["1", "a", nil]))
        let plainUpdate = try bench.events(batch(.update, byIndex, new: ["7", "a", nil]))
        #expect((insert + plainUpdate).map(\.key) == [#"{"id":1}"#, #"{"id":7}"#])
        let change = try bench.events(batch(.update, byIndex, old: [nil, "a", nil], new: ["7", "b", nil]))
        #expect(change.map(\.key) == [#"{"id":0}"#, #"{"id":0}"#, #"{"id":7}"#])
        #expect(change.map { $0.headers["__debezium.newkey"] } == [#"{"id":7}"#, #"{"id":7}"#, nil])
        #expect(change[2].headers["__debezium.oldkey"] == #"{"id":0}"#)
        // A key that is what stands for a missing one does not change.
        let same = try bench.events(batch(.update, byIndex, old: [nil, "a", nil], new: ["0", "b", nil]))
        #expect(same.map(\.role) == [.change] && same[0].key == #"{"id":0}"#)
        let delete = try bench.events(batch(.delete, byIndex, old: [nil, "b", nil]))
        #expect(delete.map(\.key) == [#"{"id":0}"#, #"{"id":0}"#])
        #expect(delete[0].value?.hasPrefix(#"{"before":{"id":0,"u":"b","v":null},"after":null"#) == true)
    }

    @Test func aUniqueIndexMakesTheKeyOfATableWithoutPrimaryKey() throws {
        func relation(_ identity: ReplicaIdentity) -> Relation {
            Relation(
                oid: 3, table: TableName(schema: "public", name: "k"),
                columns: [
                    Column(name: "a", type: .int4), Column(name: "b", type: .int4, isIdentity: true, isNotNull: true),
                    Column(name: "c", type: .text),
                ],
                identity: identity, uniqueKey: [2, 0])
        }
        func keys(_ identity: ReplicaIdentity, strict: Bool) throws -> [String?] {
            try bench(strict: strict).events(batch(.insert, relation(identity), new: [nil, "2", "x"])).map(\.key)
        }
        for strict in [true, false] {
            #expect(try keys(.full, strict: strict) == [#"{"c":"x","a":null}"#])
            #expect(try keys(.nothing, strict: strict) == [#"{"c":"x","a":null}"#])
        }
        // A delete has the columns of the replica identity only.
        #expect(try keys(.index, strict: true) == [#"{"c":"x","a":null}"#])
        #expect(try keys(.index, strict: false) == [#"{"b":2}"#])
    }

    /// Two values that are written the same are the same key.
    @Test func aKeyChangesWhenItsTextDoes() throws {
        let relation = Relation(
            oid: 3, table: TableName(schema: "public", name: "k"),
            columns: [Column(name: "at", type: .type(.timestamp), isIdentity: true, isNotNull: true)],
            identity: .default, primaryKey: [0])
        let old = "2020-01-01 00:00:00.000001", new = "2020-01-01 00:00:00.000002"
        let change = batch(.update, relation, old: [old], new: [new])
        #expect(try bench().events(change).count == 3)
        #expect(try bench { $0.timePrecision = .connect }.events(change).map(\.role) == [.change])
    }

    // MARK: Key changes

    @Test func theTombstoneOfAKeyChangeNamesTheNewKey() throws {
        let events = try bench().events(batch(.update, plain, old: ["1", nil], new: ["2", nil]))
        #expect(events.map(\.role) == [.keyChangeDelete, .tombstone, .keyChangeCreate])
        #expect(events[1].headers["__debezium.newkey"] == #"{"id":2}"#)
        let delete = try bench().events(batch(.delete, plain, old: ["1", nil]))
        #expect(delete[1].headers["__debezium.newkey"] == nil)
    }

    @Test(
        arguments: [
            ([Operation.update], [EncodedEvent.Role.keyChangeDelete, .tombstone, .keyChangeCreate]),
            ([.delete], [.keyChangeCreate]), ([.insert], [.keyChangeDelete, .tombstone]), ([.insert, .delete], []),
        ] as [(Set<Operation>, [EncodedEvent.Role])])
    func aKeyChangeIsSkippedAsDeleteAndCreate(_ skipped: Set<Operation>, _ roles: [EncodedEvent.Role]) throws {
        let skipping = bench { $0.skippedOperations = skipped }
        let change = batch(.update, plain, old: ["1", nil], new: ["2", nil])
        let events = try skipping.events(change)
        #expect(events.map(\.role) == roles)
        // What is left keeps its identity.
        let all = try bench().events(change)
        for event in events {
            #expect(all.contains { $0.role == event.role && $0.headers["weir-id"] == event.headers["weir-id"] })
        }
        let update = try skipping.events(batch(.update, plain, new: ["1", "5"]))
        #expect(update.isEmpty == skipped.contains(.update))
    }

    // MARK: Transactions

    private func transaction(
        xid: UInt32 = 5, commit: UInt64, begin: UInt64? = nil, origin: String? = nil
    ) -> TransactionInfo {
        var transaction = TransactionInfo(
            xid: xid, commitLSN: LSN(commit), previousEndLSN: nil, commitTime: 0, rows: 0..<0, begins: true,
            ends: false,
            originName: origin)
        transaction.beginLSN = begin.map { LSN($0) }
        if origin != nil { transaction.originLSN = LSN(171) }
        return transaction
    }

    private func field(_ name: String, of events: [EncodingBench.Event]) -> [String] {
        events.compactMap { event in
            let value = event.value ?? ""
            guard let start = value.firstRange(of: "\"\(name)\":")?.upperBound else { return nil }
            return String(value[start...].prefix { !",}".contains($0) })
        }
    }

    @Test func aTransactionWithoutEventsBeginsAndEnds() throws {
        let encoder = bench { options in
            options.transactionMetadata = true
            options.skippedOperations = [.insert]
        }.makeEncoder()
        var builder = BatchBuilder()
        builder.begin(transaction(xid: 5, commit: 100, begin: 90))
        Self.add(.insert, plain, new: ["1", nil], &builder)
        builder.commit(endLSN: LSN(110))
        // All its rows were left out before.
        builder.begin(transaction(xid: 6, commit: 200, begin: 190))
        builder.commit(endLSN: LSN(210))
        let events = try bench().events(builder.seal(at: 0), encoder)
        #expect(events.map(\.role) == [.transactionBegin, .transactionEnd, .transactionBegin, .transactionEnd])
        #expect(field("id", of: events) == ["\"5:90\"", "\"5:110\"", "\"6:190\"", "\"6:210\""])
        #expect(events[1].value?.contains(#""event_count":0,"data_collections":[],"#) == true)
    }

    @Test func theBeginOfAForeignTransactionHasNoPosition() throws {
        let bench = bench { $0.transactionMetadata = true }
        var builder = BatchBuilder()
        builder.begin(transaction(commit: 100, begin: 0, origin: "east"))
        Self.add(.insert, plain, new: ["1", nil], &builder)
        let first = builder.seal(at: 0)
        Self.add(.insert, plain, new: ["2", nil], &builder)
        builder.commit(endLSN: LSN(110))
        let encoder = bench.makeEncoder()
        let events = try bench.events(first, encoder) + bench.events(builder.seal(at: 0), encoder)
        #expect(events.map(\.role) == [.transactionBegin, .change, .change, .transactionEnd])
        #expect(field("id", of: events).first == "\"5:0\"")
        #expect(field("origin", of: events) == ["\"east\"", "\"east\""])
        #expect(field("origin_lsn", of: events) == ["171", "171"])
    }

    /// Debezium forgets an origin when the next transaction begins; a message of its own has none.
    @Test func messagesAfterAForeignTransaction() throws {
        func addMessage(_ builder: inout BatchBuilder, at lsn: UInt64) {
            builder.begin(transaction(xid: 0, commit: lsn))
            let cells = builder.cellCount
            builder.appendText("m".utf8)
            builder.appendText("".utf8)
            builder.addRow(.message, relation: nil, lsn: LSN(lsn), cells: cells)
            builder.commit(endLSN: LSN(lsn + 1))
        }
        for strict in [true, false] {
            let bench = bench(strict: strict)
            let encoder = bench.makeEncoder()
            var builder = BatchBuilder()
            builder.begin(transaction(commit: 100, origin: "east"))
            builder.commit(endLSN: LSN(110))
            addMessage(&builder, at: 120)
            let first = builder.seal(at: 0)
            addMessage(&builder, at: 130)
            builder.begin(transaction(commit: 140))
            builder.commit(endLSN: LSN(150))
            addMessage(&builder, at: 160)
            let events = try bench.events(first, encoder) + bench.events(builder.seal(at: 0), encoder)
            let stale = strict ? "\"east\"" : "null"
            #expect(field("origin", of: events) == [stale, stale, "null"])
            #expect(field("origin_lsn", of: events) == [strict ? "171" : "null", strict ? "171" : "null", "null"])
        }
    }
}
