import LibRdKafka
import Testing
import WeirCore
import WeirTestKit

@testable import KafkaSource

@Suite("Replay from topics", .timeLimit(.minutes(1)))
struct ReplayTests {
    private let table = Relation.test("t", ["id": .int4, "v": .text])

    private func cluster(_ topics: [String: Int]) throws -> (MockCluster, TopicFiller) {
        let cluster = try MockCluster()
        for (topic, partitions) in topics { cluster.createTopic(topic, partitions: partitions) }
        return (cluster, try TopicFiller(cluster))
    }

    @Test("changes of several partitions and topics come in the order of their commits, transactions whole")
    func merge() throws {
        let (cluster, filler) = try cluster(["a": 2, "b": 1])
        // Transaction 0/100 has rows in all three partitions, 0/200 in two.
        try filler.put("a", key: #"{"id":1}"#, value: envelope("c", after: #"{"id":1,"v":"x"}"#), id: "5/0/100/1")
        try filler.put("b", key: #"{"id":9}"#, value: envelope("c", after: #"{"id":9}"#, table: "u"), id: "5/0/100/2")
        try filler.put(
            "a", partition: 1, key: #"{"id":2}"#, value: envelope("c", after: #"{"id":2,"v":"y"}"#), id: "5/0/100/3")
        try filler.put(
            "a", partition: 1, key: #"{"id":2}"#, value: envelope("u", after: #"{"id":2,"v":"z"}"#), id: "5/0/200/1")
        try filler.put("a", key: #"{"id":1}"#, value: envelope("d", before: #"{"id":1,"v":""}"#), id: "5/0/200/2")
        try filler.put("a", key: #"{"id":1}"#, value: nil, id: "5/0/200/2/1")
        try filler.flush()
        var replay = Replay(cluster.bootstrapServers, ["a", "b"])
        replay.schema = Schema([table, Relation.test("u", ["id": .int8])])
        #expect(try replay.run() == nil)
        #expect(
            replay.target.lines == [
                "insert public.t id=1 v=x", "insert public.u id=9", "insert public.t id=2 v=y",
                "update public.t id=2 v=z", "delete public.t key id=1 v=NULL",
            ])
        #expect(
            replay.target.identities == [
                EventIdentity(commit: LSN(0x100), ordinal: 1), EventIdentity(commit: LSN(0x100), ordinal: 2),
                EventIdentity(commit: LSN(0x100), ordinal: 3), EventIdentity(commit: LSN(0x200), ordinal: 1),
                EventIdentity(commit: LSN(0x200), ordinal: 2),
            ])
        #expect(replay.token == "a[0]=3,a[1]=2,b[0]=1")
    }

    @Test("an event that repeats after a crash of the writer is applied once")
    func repeated() throws {
        let (cluster, filler) = try cluster(["a": 1])
        for (id, value) in [("1/1", "a"), ("1/2", "b"), ("2/1", "c"), ("1/2", "b"), ("2/1", "c"), ("3/1", "d")] {
            try filler.put(
                "a", key: #"{"id":1}"#, value: envelope("c", after: #"{"id":1,"v":"\#(value)"}"#), id: "5/0/\(id)")
        }
        try filler.flush()
        let replay = Replay(cluster.bootstrapServers, ["a"])
        #expect(try replay.run() == nil)
        #expect(replay.target.lines.map { $0.suffix(1) } == ["a", "b", "c", "d"])
    }

    @Test("rows of a later backfill are no repetition, whatever their position")
    func backfill() throws {
        let (cluster, filler) = try cluster(["a": 1])
        try filler.put("a", key: #"{"id":1}"#, value: envelope("c", after: #"{"id":1,"v":"new"}"#), id: "5/0/900/1")
        try filler.put("a", key: #"{"id":2}"#, value: envelope("r", after: #"{"id":2,"v":"old"}"#), id: "5/0/7FF/1")
        try filler.put("a", key: #"{"id":3}"#, value: envelope("c", after: #"{"id":3,"v":"x"}"#), id: "5/0/A00/1")
        try filler.flush()
        let replay = Replay(cluster.bootstrapServers, ["a"])
        #expect(try replay.run() == nil)
        #expect(
            replay.target.lines == [
                "insert public.t id=1 v=new", "read public.t id=2 v=old", "insert public.t id=3 v=x",
            ])
    }

    @Test("a key that moved becomes one update, and a value that was not sent stays unsent")
    func movedKey() throws {
        let (cluster, filler) = try cluster(["a": 1])
        try filler.put(
            "a", key: #"{"id":1}"#, value: envelope("d", before: #"{"id":1,"v":""}"#), id: "5/0/1/1",
            headers: [("__debezium.newkey", #"{"id":2}"#)])
        try filler.put("a", key: #"{"id":1}"#, value: nil, id: "5/0/1/1/1")
        try filler.put(
            "a", key: #"{"id":2}"#, value: envelope("c", after: #"{"id":2,"v":"__debezium_unavailable_value"}"#),
            id: "5/0/1/1/2", headers: [("__debezium.oldkey", #"{"id":1}"#)])
        try filler.flush()
        var replay = Replay(cluster.bootstrapServers, ["a"])
        replay.schema = Schema([table])
        #expect(try replay.run() == nil)
        #expect(replay.target.lines == ["update public.t id=2 v=~ key id=1 v=NULL"])
    }

    @Test("Debezium's own events: transactions by their sequence, keys from the key, whole rows without one")
    func debezium() throws {
        let (cluster, filler) = try cluster(["a": 2])
        let first = ("null", 100), second = ("150", 90), third = ("300", 310)
        try filler.put(
            "a", key: #"{"id":1}"#, value: envelope("c", after: #"{"id":1,"v":"1"}"#, txID: 1, sequence: first))
        // Its rows were written before, but it committed after.
        try filler.put(
            "a", partition: 1, key: #"{"id":2}"#,
            value: envelope("u", before: #"{"id":2,"v":"0"}"#, after: #"{"id":2,"v":"2"}"#, txID: 2, sequence: second))
        try filler.put(
            "a", partition: 1, key: nil,
            value: envelope("u", before: #"{"a":1}"#, after: #"{"a":2}"#, table: "nokey", txID: 2, sequence: second))
        try filler.put(
            "a", key: #"{"id":1}"#, value: envelope("d", before: #"{"id":1,"v":""}"#, txID: 3, sequence: third))
        try filler.put("a", key: nil, value: envelope("t", table: "t", txID: 3, sequence: third))
        try filler.flush()
        let replay = Replay(cluster.bootstrapServers, ["a"])
        #expect(try replay.run() == nil)
        #expect(
            replay.target.lines == [
                "insert public.t id=1 v=1", "update public.t id=2 v=2 key id=2 v=NULL",
                "update public.nokey a=2 was a=1", "delete public.t key id=1 v=NULL", "truncate public.t",
            ])
        #expect(replay.target.identities.map(\.commit) == [LSN(0), LSN(150), LSN(150), LSN(300), LSN(300)])
    }

    @Test("events with schemas as the encoder writes them; columns named schema and payload are columns")
    func schemas() throws {
        let (cluster, filler) = try cluster(["a": 1])
        let odd = Relation.test("odd", ["schema": .text, "payload": .int4])
        var settings = EncoderSettings(prefix: "p")
        (settings.debezium.keySchemas, settings.debezium.valueSchemas) = (true, true)
        settings.debezium.headerSchemas = true
        var records: [(key: String?, value: String?, headers: [(StaticString, String)])] = []
        for isWrapped in [true, false] {
            if !isWrapped { settings.debezium = DebeziumOptions() }
            var batch = TestBatch()
            batch.begin(isWrapped ? 0x100 : 0x200)
            batch.insert(table, ["1", "x"])
            batch.update(table, ["2", "y"], key: ["1", .null])
            batch.insert(odd, ["s", "7"])
            batch.delete(odd, key: ["s", .null])
            batch.commit()
            let encoder = EventEncoder(settings: settings)
            encoder.begin(SourceDescription(systemIdentifier: 5, database: "shop", start: .zero))
            var buffer = ByteBuffer()
            try encoder.encode(batch.seal(), into: &buffer) { (event, bytes) throws(WeirError) in
                var headers: [(StaticString, String)] = []
                for index in 0..<event.headerCount {
                    let header = event.header(index)
                    headers.append((header.name.text, header.value.range.map { bytes.text($0) } ?? ""))
                }
                let key = event.key.range.map { bytes.text($0) }
                let value = event.value.range.map { bytes.text($0) }
                records.append((key, value, headers))
            }
        }
        for record in records { try filler.put("a", key: record.key, value: record.value, headers: record.headers) }
        try filler.flush()
        var replay = Replay(cluster.bootstrapServers, ["a"])
        replay.schema = Schema([table, odd])
        #expect(try replay.run() == nil)
        let lines = [
            "insert public.t id=1 v=x", "update public.t id=2 v=y key id=1 v=NULL",
            "insert public.odd schema=s payload=7", "delete public.odd key schema=s payload=NULL",
        ]
        #expect(replay.target.lines == lines + lines)
    }

    @Test("converters with schemas, logical messages, heartbeats, transaction metadata, changes of tables")
    func otherRecords() throws {
        let (cluster, filler) = try cluster(["a": 1])
        let wrapped = #"{"schema":{"type":"struct"},"payload":\#(envelope("c", after: #"{"id":1,"v":"x"}"#))}"#
        try filler.put("a", key: #"{"schema":{},"payload":{"id":1}}"#, value: wrapped)
        try filler.put("a", key: #"{"serverName":"p"}"#, value: #"{"ts_ms":1559033904863}"#)
        try filler.put("a", key: #"{"id":"571:5"}"#, value: #"{"status":"BEGIN","id":"571:5","event_count":null}"#)
        try filler.put(
            "a", key: #"{"prefix":"foo"}"#,
            value: #"{"op":"m","ts_ms":1,"source":{"schema":"","table":"","db":"shop","txId":7,"lsn":200,"#
                + #""sequence":"[\"150\",\"200\"]"},"message":{"prefix":"foo","content":"YmFy"}}"#)
        try filler.put(
            "a", key: #"{"databaseName":"shop"}"#,
            value: #"{"source":{"db":"shop"},"ts_ms":1,"databaseName":"shop","schemaName":"public","ddl":null,"#
                + #""tableChanges":[{"type":"CREATE","id":"\"public\".\"t\"","table":{}}]}"#)
        try filler.flush()
        var replay = Replay(cluster.bootstrapServers, ["a"])
        replay.schema = Schema([table])
        #expect(try replay.run() == nil)
        #expect(replay.target.lines == ["insert public.t id=1 v=x", "message foo bar"])
        #expect(replay.token == "a[0]=5")
    }

    @Test("without types, values are carried as JSON has them; a column widens when it must")
    func untyped() throws {
        let (cluster, filler) = try cluster(["a": 1])
        for row in [
            #"{"id":1,"v":null}"#, #"{"id":2,"v":7}"#, #"{"id":3,"v":7.5}"#, #"{"id":4,"v":"x"}"#,
            #"{"id":5,"v":{"a":[1]}}"#,
        ] {
            try filler.put("a", key: #"{"id":1}"#, value: envelope("c", after: row))
        }
        try filler.flush()
        let replay = Replay(cluster.bootstrapServers, ["a"])
        #expect(try replay.run() == nil)
        #expect(
            replay.target.lines == [
                "insert public.t id=1 v=NULL", "insert public.t id=2 v=7", "insert public.t id=3 v=7.5",
                "insert public.t id=4 v=x", #"insert public.t id=5 v={"a":[1]}"#,
            ])
    }

    @Test("a part of the topics: offsets, log positions, and from where the last replay stopped")
    func ranges() throws {
        let (cluster, filler) = try cluster(["a": 1])
        for id in 1...6 {
            try filler.put(
                "a", key: #"{"id":\#(id)}"#, value: envelope("c", after: #"{"id":\#(id)}"#), id: "5/0/\(id)0/1")
        }
        try filler.flush()
        func ids(_ from: String?, _ to: String?) throws -> [String] {
            var replay = Replay(cluster.bootstrapServers, ["a"])
            replay.range = ReplayRange(from: from.flatMap { ReplayPosition($0) }, to: to.flatMap { ReplayPosition($0) })
            #expect(try replay.run() == nil)
            return replay.target.lines.map { String($0.suffix(1)) }
        }
        #expect(try ids("0=2", "a[0]=5") == ["3", "4", "5"])
        #expect(try ids("0/20", "0/50") == ["2", "3", "4"])
        #expect(try ids("0=6", nil) == [])
        #expect(try ids("earliest", "0=1") == ["1"])

        var replay = Replay(cluster.bootstrapServers, ["a"])
        replay.range = ReplayRange(to: ReplayPosition("0=2"))
        #expect(try replay.run() == nil)
        #expect(replay.token == "a[0]=2")
        replay.range = ReplayRange()
        #expect(try replay.run() == nil)
        #expect(replay.target.lines.map { $0.suffix(1) } == ["1", "2", "3", "4", "5", "6"])
        replay.range = ReplayRange(from: .earliest)
        #expect(try replay.run() == nil)
        #expect(replay.target.lines.count == 12)
    }

    @Test(
        "offsets that do not exist are refused, never jumped over",
        arguments: [
            ("0=99", WeirError.Code.positionMismatch), ("3=0", .usage), ("b[0]=0", .usage),
        ])
    func badRanges(_ from: String, _ code: WeirError.Code) throws {
        let (cluster, filler) = try cluster(["a": 1])
        try filler.put("a", key: nil, value: envelope("c", after: #"{"id":1}"#))
        try filler.flush()
        var replay = Replay(cluster.bootstrapServers, ["a"])
        replay.range = ReplayRange(from: ReplayPosition(from))
        let error = try #require(try replay.run())
        #expect(error.code == code)
        #expect(replay.target.lines.isEmpty)
    }

    @Test(
        "what is no event stops the replay with the record's place and nothing of its text",
        arguments: [
            (#"{"secret":"canary"}"#, "no Debezium envelope"), ("canary", "JSON is broken"),
            ("[\"canary\"]", "no Debezium envelope"),
            (#"{"op":"x","source":{"table":"canary"}}"#, "operation is unknown"), (#"{"op":"c"}"#, "no source block"),
            (#"{"op":"c","source":{"table":"t"},"after":null}"#, "no new row"),
            (#"{"op":"d","source":{"table":"t"}}"#, "neither old row nor key"),
            (#"{"op":"c","source":{"table":""},"after":{"a":"canary"}}"#, "names no table"),
        ])
    func malformed(_ value: String, _ reason: String) throws {
        let (cluster, filler) = try cluster(["a": 1])
        try filler.put("a", key: nil, value: envelope("c", after: #"{"id":1}"#))
        try filler.put("a", key: nil, value: value)
        try filler.flush()
        let error = try #require(try Replay(cluster.bootstrapServers, ["a"]).run())
        #expect(error.code == .valueRejected)
        #expect(error.message.contains("offset 1 of a[0]"))
        #expect(error.cause?.contains(reason) == true, "\(error)")
        #expect(!error.description.contains("canary"))
    }

    @Test("a value that is none of its column's type stops the replay with table and column")
    func badValue() throws {
        let (cluster, filler) = try cluster(["a": 1])
        try filler.put("a", key: nil, value: envelope("c", after: #"{"id":1,"d":"canary"}"#))
        try filler.flush()
        var replay = Replay(cluster.bootstrapServers, ["a"])
        replay.schema = Schema([Relation.test("t", ["id": .int4, "d": .date])])
        let error = try #require(try replay.run())
        #expect(error.code == .valueRejected)
        #expect(error.table == table.table)
        #expect(error.message.contains("\"d\""))
        #expect(!error.description.contains("canary"))
    }

    @Test("topics of two clusters are not mixed")
    func twoClusters() throws {
        let (cluster, filler) = try cluster(["a": 1])
        try filler.put("a", key: nil, value: envelope("c", after: #"{"id":1}"#), id: "5/0/1/1")
        try filler.put("a", key: nil, value: envelope("c", after: #"{"id":1}"#), id: "6/0/2/1")
        try filler.flush()
        let error = try #require(try Replay(cluster.bootstrapServers, ["a"]).run())
        #expect(error.code == .positionMismatch)
        #expect(error.cause == "system identifiers 5 and 6")
    }

    @Test("topics by pattern; one that matches nothing is named")
    func patterns() throws {
        let (cluster, filler) = try cluster(["shop.public.a": 1, "shop.public.b": 1, "other": 1])
        for topic in ["shop.public.a", "shop.public.b", "other"] {
            try filler.put(topic, key: nil, value: envelope("c", after: #"{"id":1}"#, table: topic))
        }
        try filler.flush()
        let replay = Replay(cluster.bootstrapServers, ["shop.*"])
        #expect(try replay.run() == nil)
        #expect(replay.target.lines.count == 2)
        let error = try #require(try Replay(cluster.bootstrapServers, ["nothing.*"]).run())
        #expect(error.code == .topicMissing)
        #expect(error.message.contains("nothing.*"))
    }

    @Test("the broker goes away in the middle: the replay goes on where it was durable")
    func outage() throws {
        let (cluster, filler) = try cluster(["a": 1])
        for id in 1...2000 {
            try filler.put(
                "a", key: #"{"id":\#(id)}"#, value: envelope("c", after: #"{"id":\#(id)}"#),
                id: "5/0/\(String(id * 16, radix: 16))/1")
        }
        try filler.flush()
        cluster.fail(.fetch, with: [.none, .transport, .transport])
        let replay = Replay(cluster.bootstrapServers, ["a"])
        #expect(try replay.run() == nil)
        #expect(replay.target.lines.count == 2000)
        #expect(Set(replay.target.identities).count == 2000)
    }

    @Test("an unreachable broker is trouble that passes")
    func unreachable() throws {
        let error = try #require(try Replay("127.0.0.1:1", ["a"]).run())
        #expect(error.code == .brokerUnavailable)
        #expect(error.message.contains("127.0.0.1:1"))
    }
}

@Suite("Positions of a replay")
struct ReplayPositionTests {
    @Test(
        "every form is read",
        arguments: [
            ("earliest", ReplayPosition.earliest), ("0/16B3748", .lsn(LSN(0x16B3748))),
            ("0=5", .offsets([.init(topic: nil, partition: 0, offset: 5)])),
            (
                "a.b[2]=7,1=9",
                .offsets([.init(topic: "a.b", partition: 2, offset: 7), .init(topic: nil, partition: 1, offset: 9)])
            ),
            ("1970-01-01T00:00:00Z", .time(0)), ("2026-11-01T00:00:00Z", .time(1_793_491_200_000)),
            ("2026-11-01T01:30:00.5+01:30", .time(1_793_491_200_500)), ("1969-12-31T23:59:59.999Z", .time(-1)),
            ("2024-02-29T00:00:00Z", .time(1_709_164_800_000)),
        ])
    func forms(_ text: String, _ position: ReplayPosition) {
        #expect(ReplayPosition(text) == position)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", "latest", "5", "0=", "=5", "0=-1", "-1=5", "0=5,", "a[x]=5", "[0]=5", "2026-11-01",
            "2026-11-01T00:00:00",
            "2026-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-01T24:00:00Z",
            "2026-11-01T00:00:00+1", "2026-11-01T00:00:00.Z",
        ])
    func refused(_ text: String) {
        #expect(ReplayPosition(text) == nil)
    }

    @Test("offsets survive their text form")
    func offsets() {
        var offsets = Offsets()
        offsets[KafkaPartition(topic: "b", id: 0)] = 7
        offsets[KafkaPartition(topic: "a.x", id: 11)] = 1 << 40
        #expect(offsets.text == "a.x[11]=1099511627776,b[0]=7")
        #expect(Offsets(offsets.text) == offsets)
        #expect(Offsets("") == Offsets())
        #expect(Offsets("a=1") == nil)
    }
}

@Suite("Properties of a Kafka source")
struct SourcePropertyTests {
    @Test("what a replay depends on, unknown names and bad values are refused by name, secrets not shown")
    func problems() {
        let problems = KafkaSource.problems(of: [
            SettingsProperty(name: "fetch.max.bytes", value: "1000000"),
            SettingsProperty(name: "group.id", value: "x"),
            SettingsProperty(name: "auto.offset.reset", value: "latest"),
            SettingsProperty(name: "fetch.max.byte", value: "1"),
            SettingsProperty(name: "fetch.wait.max.ms", value: "-7"),
            SettingsProperty(name: "sasl.password", value: "canary"),
        ])
        #expect(problems.map(\.name) == ["group.id", "auto.offset.reset", "fetch.max.byte", "fetch.wait.max.ms"])
        #expect(problems[2].nearest == "fetch.max.bytes")
    }

    @Test("a replay is not begun with properties that librdkafka refuses")
    func refused() throws {
        var request = ReplayRequest(settings: try Replay.settings("127.0.0.1:1", ["a"], ["group.id": "x"]))
        request.logger = .silent
        let pipeline = Pipeline(
            source: KafkaSource.factory(request), sinks: [MemoryTarget().factory], store: MemoryStore())
        do throws(WeirError) {
            try pipeline.run()
            Issue.record("group.id was accepted")
        } catch {
            #expect(error.disposition == .usage)
            #expect(error.message.contains("group.id"))
        }
    }
}
