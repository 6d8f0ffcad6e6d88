import Testing

@testable import WeirCore

@Suite struct EncodingEventTests {
    private let orders = Relation(
        oid: 1, table: TableName(schema: "public", name: "orders"),
        columns: [
            Column(name: "id", type: .text, isIdentity: true, isNotNull: true), Column(name: "n", type: .int4),
            Column(name: "big", type: .text),
        ],
        identity: .default, primaryKey: [0])

    /// A value, NULL (nil) or an unchanged TOASTed value.
    private enum Value: ExpressibleByStringLiteral, ExpressibleByNilLiteral {
        case text(String), null, unchanged
        init(stringLiteral value: String) { self = .text(value) }
        init(nilLiteral: ()) { self = .null }
    }

    private func batch(
        _ operation: Operation, old: [Value]? = nil, tuple: Row.OldTuple = .none, new: [Value]? = nil,
        relation: Relation? = nil, xid: UInt32 = 555
    ) -> ChangeBatch {
        EncodingBench.batch(xid: xid) { builder in
            func append(_ values: [Value]?) -> Int {
                guard let values else { return -1 }
                let first = builder.cellCount
                for value in values {
                    switch value {
                    case .text(let text): builder.appendText(text.utf8)
                    case .null: builder.appendCell(.null)
                    case .unchanged: builder.appendCell(.unchanged)
                    }
                }
                return first
            }
            let oldCells = append(old)
            let cells = append(new)
            builder.addRow(
                operation, relation: relation ?? orders, lsn: LSN(7), cells: cells, oldCells: oldCells, oldTuple: tuple)
        }
    }

    private func rows(_ value: String?) -> String? {
        value.flatMap { value in value.firstRange(of: ",\"source\":").map { String(value[..<$0.lowerBound]) + "}" } }
    }

    @Test func aDeleteIsFollowedByATombstone() throws {
        let events = try EncodingBench().events(batch(.delete, old: ["a", nil, nil], tuple: .key))
        #expect(events.map(\.role) == [.change, .tombstone])
        #expect(events.map(\.key) == [#"{"id":"a"}"#, #"{"id":"a"}"#])
        #expect(rows(events[0].value) == #"{"before":{"id":"a","n":null,"big":null},"after":null}"#)
        #expect(events[1].value == nil)
        #expect(
            events.map { $0.headers["weir-id"] ?? "" }.map { $0.split(separator: "/", maxSplits: 1)[1] } == [
                "0/16B3748/1", "0/16B3748/1/1",
            ])
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.tombstones = false
        #expect(try EncodingBench(settings).events(batch(.delete, old: ["a", nil, nil], tuple: .key)).count == 1)
    }

    @Test func aKeyChangeIsADeleteATombstoneAndACreate() throws {
        let events = try EncodingBench().events(
            batch(.update, old: ["a", nil, nil], tuple: .key, new: ["b", "1", .unchanged]))
        #expect(events.map(\.role) == [.keyChangeDelete, .tombstone, .keyChangeCreate])
        #expect(events.map(\.key) == [#"{"id":"a"}"#, #"{"id":"a"}"#, #"{"id":"b"}"#])
        #expect(events[0].headers["__debezium.newkey"] == #"{"id":"b"}"#)
        #expect(events[2].headers["__debezium.oldkey"] == #"{"id":"a"}"#)
        #expect(rows(events[0].value) == #"{"before":{"id":"a","n":null,"big":null},"after":null}"#)
        #expect(
            rows(events[2].value)
                == #"{"before":null,"after":{"id":"b","n":1,"big":"__debezium_unavailable_value"}}"#)
        #expect(events[0].value?.contains(#""op":"d""#) == true && events[2].value?.contains(#""op":"c""#) == true)
        #expect(Set(events.compactMap { $0.headers["weir-id"] }).count == 3)
    }

    /// Debezium knows the placeholder of an array by the type's name, which a domain over it has not.
    @Test(arguments: [true, false], [true, false])
    func anUnchangedArrayIsAListOfThePlaceholder(isDomain: Bool, isStrict: Bool) throws {
        let texts = ColumnType(
            oid: isDomain ? 20_000 : 1009, baseOID: 1009, name: isDomain ? "words" : "text[]",
            kind: .array(ColumnType(oid: 25, name: "text", kind: .text)))
        var columns = orders.columns
        columns[2] = Column(name: "big", type: texts, isIdentity: false, isNotNull: false)
        let relation = Relation(
            oid: 3, table: TableName(schema: "public", name: "lists"), columns: columns, identity: .default,
            primaryKey: [0])
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.strict = isStrict
        let events = try EncodingBench(settings).events(
            batch(.update, new: ["a", "2", .unchanged], relation: relation))
        let expected = isDomain && isStrict ? "null" : #"["__debezium_unavailable_value"]"#
        #expect(rows(events[0].value)?.hasSuffix(#""big":\#(expected)}}"#) == true, "\(events)")
    }

    @Test func aToastedKeyThatDidNotChangeIsTakenFromTheOldTuple() throws {
        let events = try EncodingBench().events(
            batch(.update, old: ["long", nil, nil], tuple: .key, new: [.unchanged, "2", "x"]))
        #expect(events.map(\.role) == [.change])
        #expect(events[0].key == #"{"id":"long"}"#)
        #expect(rows(events[0].value)?.hasSuffix(#""after":{"id":"long","n":2,"big":"x"}}"#) == true)
    }

    @Test func aWholeOldTupleFillsWhatWasNotSent() throws {
        let events = try EncodingBench().events(
            batch(.update, old: ["a", "1", "big value"], tuple: .full, new: ["a", "2", .unchanged]))
        #expect(
            rows(events[0].value)
                == #"{"before":{"id":"a","n":1,"big":"big value"},"after":{"id":"a","n":2,"big":"big value"}}"#)
    }

    @Test func aTableWithoutKeyHasNullKeysAndNoTombstones() throws {
        let relation = Relation(
            oid: 2, table: TableName(schema: "public", name: "log"), columns: orders.columns, identity: .full)
        let events = try EncodingBench().events(
            batch(.delete, old: ["a", "1", "x"], tuple: .full, relation: relation))
        #expect(events.map(\.role) == [.change])
        #expect(events[0].key == nil)
    }

    @Test func configuredColumnsMakeTheKey() throws {
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.keyColumns = [EventKeyColumns(tables: try TablePattern("*.ord*"), columns: ["n", "id"])]
        let events = try EncodingBench(settings).events(batch(.insert, new: ["a", "1", nil]))
        #expect(events[0].key == #"{"n":1,"id":"a"}"#)
        // The column beside the identity is not in the old tuple: no key change is made up from that.
        let update = try EncodingBench(settings).events(
            batch(.update, old: ["a", nil, nil], tuple: .key, new: ["a", "2", nil]))
        #expect(update.map(\.role) == [.change])
        settings.debezium.keyColumns[0].columns = ["nope"]
        let bench = EncodingBench(settings)
        let error = #expect(throws: WeirError.self) { try bench.events(batch(.insert, new: ["a", "1", nil])) }
        #expect(error?.code == .tableUnusable && error?.table == orders.table)
    }

    /// What Debezium 3.6.3 wrote for it: NULL is another key than the default that it writes in its place.
    @Test func aMissingKeyColumnWithADefaultIsAnotherKeyInStrictMode() throws {
        let columns = [
            Column(name: "c", type: orders.columns[2].type, defaultText: "ab"),
            Column(name: "id", type: orders.columns[0].type, isIdentity: true, isNotNull: true),
        ]
        let relation = Relation(
            oid: 3, table: TableName(schema: "public", name: "t"), columns: columns, identity: .default, primaryKey: [1]
        )
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.strict = true
        settings.debezium.keyColumns = [EventKeyColumns(tables: try TablePattern("*.t"), columns: ["c"])]
        let update = batch(.update, old: [nil, "1"], tuple: .key, new: ["ab", "2"], relation: relation)
        let strict = try EncodingBench(settings).events(update)
        #expect(strict.map(\.role) == [.keyChangeDelete, .tombstone, .keyChangeCreate])
        #expect(strict.map(\.key) == Array(repeating: #"{"c":"ab"}"#, count: 3))
        settings.debezium.strict = false
        #expect(try EncodingBench(settings).events(update).map(\.role) == [.change])
    }

    @Test func skippedOperationsMakeNoEvent() throws {
        let truncate = batch(.truncate)
        #expect(try EncodingBench().events(truncate).isEmpty)
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.skippedOperations = [.insert]
        let events = try EncodingBench(settings).events(truncate)
        #expect(events.map(\.role) == [.truncate])
        #expect(events[0].key == nil && rows(events[0].value) == #"{"before":null,"after":null}"#)
        #expect(try EncodingBench(settings).events(batch(.insert, new: ["a", "1", nil])).isEmpty)
    }

    @Test func aRefusedValueNamesTableAndColumnButNotItself() throws {
        let bench = EncodingBench()
        let error = #expect(throws: WeirError.self) { try bench.events(batch(.insert, new: ["a", "sec ret", nil])) }
        #expect(error?.code == .valueRejected && error?.table == orders.table && error?.position == LSN(0x16B_3748))
        #expect(error?.message.contains("\"n\"") == true && error?.description.contains("sec ret") == false)
    }

    @Test func anEventInTheFlatFormatIsTheNewRow() throws {
        let bench = EncodingBench(EncoderSettings(prefix: "weir", format: .flat))
        let insert = try bench.events(batch(.insert, new: ["a", "1", nil]))
        #expect(insert.map(\.value) == [#"{"id":"a","n":1,"big":null}"#])
        #expect(
            insert[0].headers == [
                "weir-id": "7300000000000000001/0/16B3748/1", "weir-txid": "555", "weir-ts-us": "1559033904863123",
                "weir-op": "c", "weir-lsn": "0/7", "weir-table": "public.orders",
            ])
        let change = try bench.events(batch(.update, old: ["a", nil, nil], tuple: .key, new: ["b", "1", nil]))
        #expect(change.map(\.value) == [nil, #"{"id":"b","n":1,"big":null}"#])
        #expect(change.map(\.key) == [#"{"id":"a"}"#, #"{"id":"b"}"#])
        #expect(change.map { $0.headers["weir-op"] } == ["d", "c"])
        let delete = try bench.events(batch(.delete, old: ["a", nil, nil], tuple: .key))
        #expect(delete.map(\.value) == [nil] && delete.map(\.key) == [#"{"id":"a"}"#])
    }

    @Test func messagesGoToTheirOwnTopic() throws {
        let batch = EncodingBench.batch(xid: 0) { builder in
            let cells = builder.cellCount
            builder.appendText("pre\"fix".utf8)
            builder.appendText([0, 255])
            builder.addRow(.message, relation: nil, lsn: LSN(99), cells: cells)
        }
        let events = try EncodingBench().events(batch)
        #expect(events.map(\.topic) == ["weir.message"] && events[0].key == #"{"prefix":"pre\"fix"}"#)
        let value = events[0].value ?? ""
        #expect(value.hasPrefix(#"{"op":"m","ts_ms":1704164645678,"source":{"#))
        #expect(value.contains(#""sequence":"[\"99\",\"99\"]""#) && value.contains(#""txId":null"#))
        #expect(value.hasSuffix(#","transaction":null,"message":{"prefix":"pre\"fix","content":"AP8="}}"#))
        #expect(events[0].headers["weir-txid"] == nil)
        let flat = try EncodingBench(EncoderSettings(prefix: "weir", format: .flat)).events(batch)
        #expect(flat[0].value == #"{"prefix":"pre\"fix","content":"AP8="}"# && flat[0].headers["weir-op"] == "m")
    }

    @Test func aHeartbeatHasDebeziumsTopicAndKey() {
        let encoder = EncodingBench().makeEncoder()
        var buffer = ByteBuffer()
        let event = encoder.encodeHeartbeat(at: 1_559_033_904_863, into: &buffer)
        #expect(encoder.topics[event.topic] == "__debezium-heartbeat.weir")
        #expect(event.key.range.map { buffer.text($0) } == #"{"serverName":"weir"}"#)
        #expect(event.value.range.map { buffer.text($0) } == #"{"ts_ms":1559033904863}"#)
    }

    @Test func aHeartbeatComesBehindTheRowsOfItsBatch() throws {
        for format in [EncoderSettings.Format.debezium, .flat] {
            let rows = batch(.insert, new: ["a", "1", nil]).beating(at: 5)
            let events = try EncodingBench(EncoderSettings(prefix: "weir", format: format)).events(rows)
            #expect(events.map(\.role) == [.change, .heartbeat])
            #expect(events[1].topic == "__debezium-heartbeat.weir" && events[1].value == #"{"ts_ms":5}"#)
            #expect(events[1].headers.isEmpty)
        }
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.heartbeatTopicPrefix = "beat"
        let alone = ChangeBatch(
            arena: [], rows: [], cells: [], relations: [], transactions: [], endLSN: nil, sealedAt: 0, heartbeat: 6)
        #expect(try EncodingBench(settings).events(alone).map(\.topic) == ["beat.weir"])
    }

    /// Consumers of a Debezium connector keep its topics and names, whatever the pipeline is called.
    @Test func aTopicPrefixStandsForThePipelinesName() throws {
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.topicPrefix = "cdc.My-Server"
        settings.debezium.transactionMetadata = true
        settings.debezium.valueSchemas = true
        let events = try EncodingBench(settings).events(batch(.insert, new: ["a", "1", nil]).beating(at: 5))
        #expect(
            events.map(\.topic).filter { !$0.hasSuffix(".transaction") } == [
                "cdc.My-Server.public.orders", "__debezium-heartbeat.cdc.My-Server",
            ])
        #expect(events[0].topic == "cdc.My-Server.transaction")
        let change = try #require(events.first { $0.role == .change }?.value)
        #expect(change.contains(#""connector":"postgresql","name":"cdc.My-Server""#))
        #expect(change.contains(#""name":"cdc.My-Server.public.orders.Envelope""#) && !change.contains("weir"))
        #expect(events.last?.key == #"{"serverName":"cdc.My-Server"}"#)
    }

    @Test func rangesHoldAfterwardsWhenEventsAreRetained() throws {
        let encoder = EncodingBench().makeEncoder()
        var buffer = ByteBuffer(capacity: 64)
        var events: [EncodedEvent] = []
        var during: [String] = []
        for _ in 0..<3 {
            try encoder.encode(batch(.insert, new: ["a", "1", nil]), into: &buffer, retain: .untilCleared) {
                (event, bytes) throws(WeirError) in
                events.append(event)
                during.append(event.value.range.map { bytes.text($0) } ?? "")
            }
        }
        #expect(events.map { $0.value.range.map { buffer.text($0) } ?? "" } == during)
        #expect(events.count == 3 && buffer.count > 900)
    }

    @Test(arguments: [
        ("public", "orders", nil as String?, "weir.public.orders"), ("zoo", "Odd Näme", nil, "weir.zoo.Odd_N_me"),
        ("public", "o", "chosen/topic", "chosen_topic"), ("public", "a😀b", nil, "weir.public.a__b"),
    ])
    func topics(_ schema: String, _ table: String, _ route: String?, _ expected: String) throws {
        let relation = Relation(
            oid: 1, table: TableName(schema: schema, name: table), columns: orders.columns, identity: .default,
            route: route)
        #expect(try EncodingBench().makeEncoder().topic(of: relation) == expected)
    }

    @Test func topicTemplatesAndLengths() {
        func topic(_ template: String) -> String {
            TopicName.topic(of: orders, template: template, pipeline: "shop", database: "db")
        }
        #expect(topic("{database}-{table}") == "db-orders")
        #expect(topic("all") == "all")
        #expect(topic("{nope}.{table}") == "_nope_.orders")
        #expect(topic("{table") == "_table")
        #expect(TopicName.sanitized(String(repeating: "x", count: 300)).count == 249)
        #expect(TopicName.sanitized("..") == "__")
    }

    @Test func eventIDsAreReadBack() throws {
        let events = try EncodingBench().events(batch(.delete, old: ["a", nil, nil], tuple: .key))
        let ids = events.compactMap { $0.headers["weir-id"].flatMap { EventID($0) } }
        #expect(ids.map(\.part) == [0, 1])
        #expect(ids.allSatisfy { $0.identity == EventIdentity(commit: LSN(0x16B_3748), ordinal: 1) })
        #expect(ids.map(\.description) == events.map { $0.headers["weir-id"] ?? "" })
        for text in ["", "1/0/0", "1/0/X/1", "a/0/0/1", "1/0/0/1/-1", "1/0/0/1/1/1", "1/0/0/"] {
            #expect(EventID(text) == nil, "\(text)")
        }
    }
}
