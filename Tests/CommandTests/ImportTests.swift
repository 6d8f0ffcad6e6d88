import Foundation
import Testing
import WeirCore

@testable import weir

/// What becomes of Debezium's files, without a server.
@Suite struct ImportTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/debezium-3.6.3/offsets")

    private func recorded(_ file: String) throws -> [UInt8] {
        Array(try Data(contentsOf: Self.folder.appending(path: file)))
    }

    private func imported(_ text: String) throws -> DebeziumImport {
        DebeziumImport(try DebeziumProperties(Array(text.utf8)))
    }

    private func yaml(_ settings: DebeziumImport) -> [String] {
        ConfigurationText(settings, file: "f", statePath: "./s").text.split(separator: "\n").map(String.init)
            .filter { !$0.hasPrefix("#") }
    }

    private static let connector = """
        {"name": "shop", "config": {
          "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "plugin.name": "pgoutput",
          "database.hostname": "db", "database.port": 5432, "database.user": "dbz", "database.password": "pa'ss$",
          "database.dbname": "shop", "topic.prefix": "shop", "slot.name": "s", "publication.name": "p",
          "table.include.list": "public\\\\.(orders|lines_.*),inventory.stock", "tombstones.on.delete": false,
          "decimal.handling.mode": "string", "heartbeat.interval.ms": "5000", "snapshot.mode": "no_data",
          "message.key.columns": "public.orders:customer,id", "skipped.operations": "none",
          "column.exclude.list": "public.orders.secret,public.orders.note",
          "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
          "value.converter": "org.apache.kafka.connect.json.JsonConverter",
          "producer.override.compression.type": "lz4", "max.batch.size": "2048"
        }}
        """

    @Test func aConnectorBecomesAConfiguration() throws {
        let settings = try imported(Self.connector)
        #expect(!settings.hasErrors, "\(settings.notes.filter { $0.severity == .error })")
        #expect(
            yaml(settings) == [
                #"pipeline: "shop""#, "source:", "  type: postgres",
                #"  url: "host=db port=5432 user=dbz password='${DATABASE_PASSWORD}' dbname=shop""#,
                #"  slot: "s""#, #"  publication: "p""#, "  snapshot: never", "  heartbeat.interval: 5000ms",
                #"  tables: ["public.orders", "public.lines_*", "inventory.stock"]"#, "transforms:",
                #"  - drop: {table: "public.orders", columns: ["secret", "note"]}"#, "sinks:", "  - type: kafka",
                #"    brokers: "${KAFKA_BROKERS}""#,
                "    properties:",
                #"      compression.type: "lz4""#, "debezium:", "  strict: true",
                #"  message.key.columns: {"public.orders": ["customer", "id"]}"#, "  decimal: string",
                "  tombstones: false", #"  skipped.operations: ["none"]"#, "  key.schemas.enable: false",
                "  value.schemas.enable: true", "  header.schemas.enable: false", "state:", #"  path: "./s""#,
            ])
        #expect(ConfigurationText(settings, file: "f", statePath: "./s").problems() == [])
        let whole = ConfigurationText(settings, file: "f", statePath: "./s").text
        #expect(!whole.contains("pa'ss") && whole.contains("max.batch.size"))
    }

    @Test func changesOfTablesAreSwitchedOnWithAWord() throws {
        func properties(_ value: String) throws -> DebeziumImport {
            try imported(
                Self.connector.replacing(
                    "\"max.batch.size\": \"2048\"",
                    with: "\"include.schema.changes\": \(value), \"include.schema.comments\": \"true\""))
        }
        let on = try properties("true")
        let text = ConfigurationText(on, file: "f", statePath: "./s")
        #expect(text.text.contains("\n  include.schema.changes: true\n"))
        #expect(text.text.contains("\n  include.schema.comments: true\n"))
        #expect(text.problems() == [])
        // Debezium writes no such topic for PostgreSQL, whatever the property says.
        #expect(on.notes.contains { $0.property == "include.schema.changes" && $0.severity == .warning })
        let off = try properties("false")
        #expect(
            ConfigurationText(off, file: "f", statePath: "./s").text.contains("\n  include.schema.changes: false\n"))
        #expect(!off.notes.contains { $0.property == "include.schema.changes" && $0.severity == .warning })
    }

    /// Debezium's prefixes have dots, dashes and capitals, a pipeline's name has none.
    @Test func anyTopicPrefixIsTakenOver() throws {
        let long = String(repeating: "x", count: 80)
        for (prefix, name) in [("cdc.My-Server", "cdc_my_server"), (long, String(long.prefix(58)))] {
            let settings = try imported(
                Self.connector.replacing(#""topic.prefix": "shop""#, with: #""topic.prefix": "\#(prefix)""#))
            let text = ConfigurationText(settings, file: "f", statePath: "./s")
            #expect(text.problems() == [] && !settings.hasErrors)
            let lines = yaml(settings)
            #expect(
                lines.contains(#"pipeline: "\#(name)""#) && lines.contains(#"  topic.prefix: "\#(prefix)""#), "\(lines)"
            )
            #expect(settings.topicPrefix == prefix)
        }
    }

    /// Debezium keeps no column of a table that the list does not name.
    @Test func tablesWithoutIncludedColumnsAreErrors() throws {
        func errors(_ tables: String) throws -> [String] {
            let text = Self.connector
                .replacing("column.exclude.list", with: "column.include.list")
                .replacing(#"public\\.(orders|lines_.*),inventory.stock"#, with: tables)
            return try imported(text).notes.filter { $0.severity == .error }.map(\.message)
        }
        #expect(try errors("public.orders") == [])
        let other = try errors("public.orders,public.users")
        #expect(other.count == 1 && other[0].contains("names no column of public.users"))
        #expect(try errors("").count == 1)
    }

    @Test(arguments: [(nil, Finding.Severity.warning), ("0", .warning), ("1000", .ok), ("often", .error)])
    func aHeartbeatsQueryNeedsHeartbeats(interval: String?, severity: Finding.Severity) throws {
        let own = interval.map { #""heartbeat.interval.ms": "\#($0)", "# } ?? ""
        let settings = try imported(
            Self.connector.replacing(
                #""heartbeat.interval.ms": "5000","#, with: #"\#(own)"heartbeat.action.query": "SELECT 1","#))
        let notes = settings.notes.filter { $0.property.hasPrefix("heartbeat") }
        #expect(notes.contains { $0.severity == severity })
        #expect(ConfigurationText(settings, file: "f", statePath: "./s").problems() == [])
        #expect(yaml(settings).contains(#"  heartbeat.query: "SELECT 1""#) == (interval == "1000"))
    }

    @Test func serverAndEngineFilesAreRead() throws {
        let server = try imported(
            #"""
            # Debezium Server
            debezium.sink.type=kafka
            debezium.sink.kafka.producer.bootstrap.servers=b1:9092,b2:9092
            debezium.sink.kafka.producer.key.serializer=org.apache.kafka.common.serialization.StringSerializer
            debezium.sink.kafka.producer.sasl.password=hush
            debezium.format.value.schemas.enable=false
            debezium.source.connector.class = io.debezium.connector.postgresql.PostgresConnector
            debezium.source.plugin.name: pgoutput
            debezium.source.topic.prefix=tutorial
            debezium.source.database.hostname=${env:PG_HOST}
            debezium.source.database.password=${file:/opt/secrets.properties:pg.password}
            debezium.source.database.dbname=postgres
            debezium.source.table.include.list=public.\
                .*
            quarkus.log.level=INFO
            """#)
        #expect(!server.hasErrors, "\(server.notes.filter { $0.severity == .error })")
        let lines = yaml(server)
        #expect(lines.contains(#"  url: "host='${PG_HOST}' password='${PG_PASSWORD}' dbname=postgres""#))
        #expect(lines.contains(#"    brokers: "b1:9092,b2:9092""#))
        #expect(lines.contains(#"      sasl.password: "${SASL_PASSWORD}""#))
        #expect(lines.contains("  value.schemas.enable: false") && lines.contains("  key.schemas.enable: true"))
        #expect(lines.contains(#"  tables: ["public.*"]"#), "\(lines)")
        #expect(!lines.joined().contains("hush"))
        let engine = try DebeziumImport(DebeziumProperties(recorded("insert.properties")))
        #expect(!engine.hasErrors)
        #expect(yaml(engine).contains("  key.schemas.enable: false"))
    }

    /// What changes events and has no equal is an error that names the property.
    @Test(
        arguments: [
            ("transforms", "unwrap", "transforms.unwrap.type"), ("converters", "isbn", "converters"),
            ("time.precision.mode", "structured", "time.precision.mode"), ("plugin.name", "decoderbufs", "plugin.name"),
            ("table.include.list", #"public\.t\d+"#, "table.include.list"),
            ("column.mask.hash.SHA-256.with.salt.S", "public.a.b", "column.mask.hash.SHA-256.with.salt.S"),
            ("value.converter", "io.confluent.connect.avro.AvroConverter", "value.converter"),
            ("snapshot.mode", "custom", "snapshot.mode"),
            ("field.name.adjustment.mode", "avro", "field.name.adjustment.mode"),
            ("sanitize.field.names", "true", "sanitize.field.names"),
            ("source.struct.version", "v1", "source.struct.version"),
        ])
    func whatChangesEventsIsAnError(name: String, value: String, property: String) throws {
        var lines = try String(decoding: recorded("insert.properties"), as: UTF8.self)
        lines += "\n\(name)=\(value.replacing("\\", with: "\\\\"))\n"
        lines += "transforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState\n"
        let settings = try imported(lines)
        let errors = settings.notes.filter { $0.severity == .error }.map(\.property)
        #expect(errors == [property])
    }

    @Test func unknownPropertiesAreWarnings() throws {
        let text = try String(decoding: recorded("insert.properties"), as: UTF8.self) + "\nno.such.thing=1\n"
        let settings = try imported(text)
        let note = settings.notes.first { $0.property == "no.such.thing" }
        #expect(note?.severity == .warning && !settings.hasErrors)
    }

    @Test(
        arguments: [
            (#"public\.orders"#, ["public.orders"]), ("public.orders", ["public.orders"]),
            (#"public\..*"#, ["public.*"]), ("public.*", ["public*.*"]), (".*", ["*.*"]),
            (#"(a|b)\.(c|d_.+)"#, ["a.c", "a.d_?*", "b.c", "b.d_?*"]), (#"^s\.t.$"#, ["s.t?"]),
            (#"s\.a|s\.b"#, ["s.a", "s.b"]), (#"[ab]\.c"#, []), (#"s\.t\w"#, []), (#"a\.b\.c"#, []), ("orders", []),
            (#"s\.(t)?"#, []), ("s.t{2}", []), ("(", []),
        ])
    func expressionsArePatterns(expression: String, patterns: [String]) {
        #expect(((try? RegexPattern.patterns(expression, parts: 2)) ?? []) == patterns)
    }

    /// What the file store of a real Debezium 3.6.3 holds after an insert inside of a transaction, and after the update
    /// of a key.
    @Test func recordedOffsetsAreRead() throws {
        let inserted = try #require(try DebeziumOffsetFile(recorded("insert.offsets")).entries.first)
        #expect(inserted.connector == "engine3" && inserted.server == "cut3")
        let offset = try DebeziumOffset(inserted.offset)
        #expect(offset.position == LSN(64_895_040))
        #expect(offset.partial == PartialTransaction(xid: 1547, lsn: LSN(64_895_168)))
        #expect(offset.stored.token == "partial 1547 0/3DE38C0")
        let updated = try #require(try DebeziumOffsetFile(recorded("update.offsets")).entries.first)
        let next = try DebeziumOffset(updated.offset)
        #expect(next.position == LSN(64_895_592))
        #expect(next.partial == PartialTransaction(xid: 1548, lsn: LSN(64_895_592)))
    }

    @Test func offsetsOfEachKind() throws {
        func offset(_ text: String) throws -> DebeziumOffset {
            try DebeziumOffset(try JSONValue(Array(text.utf8)))
        }
        let commit = try offset(#"{"lsn":900,"lsn_proc":900,"lsn_commit":900,"txId":7,"messageType":"COMMIT"}"#)
        #expect(commit.position == LSN(900) && commit.partial == nil)
        let begin = try offset(#"{"lsn":700,"lsn_proc":800,"lsn_commit":800,"txId":7,"messageType":"BEGIN"}"#)
        #expect(begin.position == LSN(800) && begin.partial == nil)
        let alone = try offset(#"{"lsn":850,"lsn_proc":850,"lsn_commit":850,"messageType":"MESSAGE"}"#)
        #expect(alone.position == LSN(850) && alone.partial == nil)
        let inside = try offset(#"{"lsn":850,"lsn_proc":820,"lsn_commit":800,"txId":7,"messageType":"MESSAGE"}"#)
        #expect(inside.position == LSN(800) && inside.partial == PartialTransaction(xid: 7, lsn: LSN(850)))
        let truncate = try offset(#"{"lsn":850,"lsn_proc":870,"lsn_commit":870,"txId":7,"messageType":"TRUNCATE"}"#)
        #expect(truncate.position == LSN(870) && truncate.partial == PartialTransaction(xid: 7, lsn: LSN(849)))
        let first = try offset(#"{"lsn":850,"lsn_proc":850,"txId":7,"messageType":"INSERT"}"#)
        #expect(first.position == LSN(850) && first.partial == PartialTransaction(xid: 7, lsn: LSN(850)))
        let copied = try offset(
            #"{"lsn":500,"txId":7,"snapshot":"INITIAL","last_snapshot_record":true,"snapshot_completed":true}"#)
        #expect(copied.position == LSN(500) && copied.partial == nil)
        #expect(throws: DebeziumOffset.Refusal.self) {
            try offset(#"{"lsn":500,"txId":7,"snapshot":"INITIAL","last_snapshot_record":false}"#)
        }
        #expect(throws: DebeziumOffset.Refusal.self) { try offset(#"{"ts_sec":1,"file":"binlog.1","pos":4}"#) }
    }

    @Test func offsetsAsTextAreRead() throws {
        let key = #"["shop",{"server":"shop"}]"#
        let lines = [
            "\(key)\t{\"lsn\":1}\n\(key)\t{\"lsn\":2}\n", "\(key)\n{\"lsn\":2}\n",
            #"{"key":["shop",{"server":"shop"}],"value":{"lsn":2}}"# + "\n",
            #"{"key":"[\"shop\",{\"server\":\"shop\"}]","value":"{\"lsn\":2}"}"#,
            #"{"offsets":[{"partition":{"server":"shop"},"offset":{"lsn":2}}]}"#,
        ]
        for text in lines {
            let entries = try DebeziumOffsetFile(Array(text.utf8)).entries
            #expect(entries.map(\.server) == ["shop"] && entries.first?.offset["lsn"]?.integer == 2, "\(text)")
        }
        for text in ["", "x", key, "{}", "\(key)\t[", "\(key)\tnull"] {
            let entries = (try? DebeziumOffsetFile(Array(text.utf8)).entries) ?? []
            #expect(entries == [], "\(text)")
        }
    }

    /// Every byte of a file may be wrong: it is read or refused.
    @Test func damagedOffsetsAreRefused() throws {
        let bytes = try recorded("insert.offsets")
        var refused = 0
        for place in bytes.indices {
            #expect((try? DebeziumOffsetFile(Array(bytes[..<place])).entries) ?? [] == [])
            for change in [0, 0xFF, bytes[place] ^ 1] {
                var damaged = bytes
                damaged[place] = UInt8(change)
                if (try? DebeziumOffsetFile(damaged)) == nil { refused += 1 }
            }
        }
        #expect(refused > 100)
    }
}
