import Testing
import WeirCore

@testable import SettingsFile

private func read(
    _ text: String, _ variables: [String: String] = [:], files: [String: SettingsDecoding.FileContent] = [:],
    set: [String] = []
) throws -> (settings: WeirSettings?, decoding: SettingsDecoding, problems: [String]) {
    let overrides = try set.map { try SettingsOverride(parsing: $0) }
    let (tree, problems) = SettingsLoader { variables[$0] }.load(text: Array(text.utf8), overrides: overrides)
    let decoding = SettingsDecoding { files[$0] ?? .failure("No such file or directory") }
    problems.forEach(decoding.add)
    let settings = WeirSettings.read(tree, decoding: decoding)
    let lines = SettingsProblems(decoding.problems)?.list.map { $0.description(file: "weir.yaml") } ?? []
    #expect((settings == nil) == !lines.isEmpty)
    return (settings, decoding, lines)
}

@Suite struct WeirSettingsTests {
    @Test(arguments: [
        "source: {url: postgresql://h/db}\nsinks: [{type: \"postgresql://u:hush@h/db\"}]\n",
        "source: {url: postgresql://h/db, snapshot: \"host=h password=hush\"}\nsinks: [{type: stdout}]\n",
        "source: {url: postgresql://h/db}\nsinks: [{type: stdout}]\nlimits: {memory: \"postgres://u:hush@h\"}\n",
    ])
    func aConnectionStringInTheWrongPlaceIsNotShown(text: String) throws {
        let problems = try read(text).problems
        #expect(!problems.isEmpty)
        #expect(!problems.joined().contains("hush"))
    }

    @Test func onlyASourceURLAndASinkAreNeeded() throws {
        let (settings, _, problems) = try read("source: {url: postgresql://h/db}\nsinks: [{type: stdout}]\n")
        #expect(problems.isEmpty)
        let source = try #require(settings?.source as? PostgresSourceSettings)
        #expect(
            source == PostgresSourceSettings(url: "postgresql://h/db", slot: "weir_main", publication: "weir_main"))
        #expect(settings?.pipeline == "main")
        #expect(settings?.statePath == "./weir-state")
        #expect(settings?.sinks.map(\.name) == ["stdout"])
        #expect(settings?.limits == PipelineSettings())
    }

    @Test func aHeartbeatsStatementNeedsAnInterval() throws {
        let (_, _, problems) = try read(
            "source: {url: postgresql://h/db, heartbeat.query: SELECT 1}\nsinks: [{type: stdout}]\n")
        #expect(problems.count == 1)
        #expect(problems.first?.contains("source.heartbeat.query") == true)
        #expect(problems.first?.contains("heartbeat.interval") == true)
    }

    @Test func aFullConfigurationIsRead() throws {
        let text = """
            pipeline: shop
            source:
              type: postgres
              url: postgresql://weir@127.0.0.1:5432/shop
              tables: ["public.*", "!public.audit_*"]
              slot: other
              snapshot: never
              status.interval: 5s
              heartbeat.interval: 30s
              heartbeat.query: "UPDATE pulse SET n = n + 1"
            transforms:
              - filter: {table: public.orders, operations: [insert, update], where: {column: status, equals: paid}}
              - filter: {where: [{column: a, not: [x, y]}, {column: b, null: false}, {column: c, min: "10"}]}
              - select: {table: public.users, columns: [id, name], keys: true}
              - drop: {table: public.users, columns: [notes]}
              - mask: {columns: ["public.users.email"], with: sha256, salt: "${SALT}"}
              - mask: {columns: ["*.*.phone"], with: fixed, value: ""}
              - mask: {columns: ["*.*.fax"], with: null}
              - rename: {table: public.orders, to: orders_v2, columns: {amt: amount}}
              - route: {table: "public.orders_*", topic: orders}
            sinks:
              - type: kafka
                brokers: 127.0.0.1:9092
                topics: {partitions: 3, properties: {cleanup.policy: compact}}
                key.columns: {public.orders: [customer]}
                properties: {compression.type: lz4, sasl: {password: "file:/run/sasl"}}
                debezium: {time.precision: connect}
              - {type: postgres, name: replica, url: "host=h password=pw2"}
            state: {path: /var/lib/weir}
            debezium:
              {strict: true, decimal: string, skipped.operations: [t, update], message.key.columns: {"shop.*": [a, b]}}
            limits: {queue: {bytes: 1MiB}, drain: 10s}
            http: {listen: "[::1]:0"}
            """
        let files: [String: SettingsDecoding.FileContent] = ["/run/sasl": .text("pw1\n", readableByOthers: true)]
        let (settings, decoding, problems) = try read(text, ["SALT": "pepper"], files: files)
        #expect(problems.isEmpty)
        let source = try #require(settings?.source as? PostgresSourceSettings)
        #expect(source.tables == ["public.*", "!public.audit_*"])
        #expect(source.slot == "other" && source.publication == "weir_shop")
        #expect(source.snapshot == .never && source.statusInterval == .seconds(5))
        #expect(
            source.heartbeat
                == PostgresSourceSettings.Heartbeat(interval: .seconds(30), query: "UPDATE pulse SET n = n + 1"))
        #expect(settings?.transforms == expectedTransforms)
        let kafka = try #require(settings?.sinks.first?.settings as? KafkaSinkSettings)
        #expect(kafka.partitions == 3 && kafka.topic == "{pipeline}.{schema}.{table}")
        #expect(kafka.topicProperties == [SettingsProperty(name: "cleanup.policy", value: "compact")])
        #expect(kafka.keyColumns == [KafkaKeyColumns(table: "public.orders", columns: ["customer"])])
        #expect(kafka.properties.map(\.name) == ["compression.type", "sasl.password"])
        #expect(kafka.properties.map(\.value) == ["lz4", "pw1"])
        #expect(kafka.debezium.timePrecision == .connect && kafka.debezium.strict)
        #expect(settings?.debezium.skippedOperations == [.truncate, .update])
        #expect(settings?.debezium.keyColumns.map(\.tables.description) == ["shop.*"])
        #expect(settings?.debezium.keyColumns.map(\.columns) == [["a", "b"]])
        #expect(settings?.sinks.map(\.name) == ["kafka", "replica"])
        #expect(settings?.statePath == "/var/lib/weir")
        #expect(settings?.limits.queueBytesMax == 1 << 20 && settings?.limits.drainLimit == .seconds(10))
        #expect(settings?.http == SocketPlace(host: "::1", port: 0))
        #expect(decoding.secrets == ["pepper", "pw1", "pw2"])
        #expect(
            decoding.warnings.map { $0.description(file: "f") } == [
                "f:26:58: sinks[0].properties.sasl.password: the secret's file /run/sasl can be read by every account; "
                    + "chmod o-r /run/sasl"
            ])
    }

    private var expectedTransforms: [TransformSettings] {
        [
            .filter(
                FilterSettings(
                    table: "public.orders", operations: [.insert, .update],
                    conditions: [ColumnCondition(column: "status", test: .any(["paid"]))])),
            .filter(
                FilterSettings(conditions: [
                    ColumnCondition(column: "a", test: .none(["x", "y"])),
                    ColumnCondition(column: "b", test: .null(false)),
                    ColumnCondition(column: "c", test: .atLeast("10")),
                ])),
            .select(SelectSettings(table: "public.users", columns: ["id", "name"], allowsKeyLoss: true)),
            .drop(DropSettings(table: "public.users", columns: ["notes"])),
            .mask(MaskSettings(columns: ["public.users.email"], method: .sha256(salt: "pepper"))),
            .mask(MaskSettings(columns: ["*.*.phone"], method: .fixed(""))),
            .mask(MaskSettings(columns: ["*.*.fax"], method: .null)),
            .rename(RenameSettings(table: "public.orders", to: "orders_v2", columns: ["amt": "amount"])),
            .route(RouteSettings(table: "public.orders_*", topic: "orders")),
        ]
    }

    private static let faulty = """
        pipeline: Shop
        source:
          url: [postgresql://h/db]
          tabels: public.*
          snapshot: initially
          status.interval: 10
        transforms:
          - filter: {table: public.orders, operations: [insrt]}
          - maks: {}
          - mask: {columns: [a.b.c], with: sha256, value: x}
          - rename: {table: t}
          - filter: {where: {column: c, equals: null}}
          - filter: {where: {equals: 1}}
          - filter: {where: {column: c, equals: 1, min: 2}}
          - route: {table: t, topic: "{tabel}"}
        sinks:
          - type: kafka
            topic: a/b
            broker: localhost
            delivery: exactly-once
            topics: {partitions: 0}
          - {type: kafak}
          - {brokers: x}
          - {type: stdout, debezium: {time.precison: x, message.key.columns: {"a.b.c": x}}}
          - {type: stdout}
        journal: {path: x}
        limits: {drain: 2 days, queue.bytes: 1kB, retry.delay: {min: 10s, max: 1s}}
        http: {listen: localhost}
        extra: 1
        """

    private static let faults = [
        "1:11: pipeline: a pipeline's name has only lower-case letters, digits and \"_\"",
        "3:8: source.url: expected a text, found a list",
        "4:3: source.tabels: unknown key; did you mean \"tables\"?",
        "5:13: source.snapshot: \"initially\" is not one of initial, never, always, only; did you mean "
            + "\"initial\"?",
        "6:20: source.status.interval: expected a duration, found \"10\"; "
            + "write a whole number with a unit, such as 500ms, 10s or 2m",
        "8:48: transforms[0].filter.operations: \"insrt\" is not one of "
            + "insert, update, delete, truncate, message, read; did you mean \"insert\"?",
        "9:5: transforms[1].maks: unknown step; did you mean \"mask\"?",
        "10:11: transforms[2].mask.salt: \"with: sha256\" needs a salt; such as salt: ${SALT}",
        "10:51: transforms[2].mask.value: this key goes with \"with: fixed\" only",
        "11:13: transforms[3].rename: rename needs \"to\" or \"columns\"",
        "12:41: transforms[4].filter.where.equals: expected a value, found nothing; to test for NULL "
            + "write null: true",
        "13:21: transforms[5].filter.where: a condition needs \"column\"",
        "14:21: transforms[6].filter.where: a condition needs exactly one test; "
            + "tests are equals, not, in, null, prefix, below, max, above, min",
        "15:30: transforms[7].route.topic: a template's placeholders are {pipeline}, {schema}, {table}",
        "17:5: sinks[0].brokers: this setting is required; "
            + "Bootstrap servers, such as `127.0.0.1:9092`; several are separated by commas.",
        "18:12: sinks[0].topic: a topic's name has only letters, digits, \".\", \"_\" and \"-\"",
        "19:5: sinks[0].broker: unknown key; did you mean \"brokers\"?",
        "20:15: sinks[0].delivery: exactly-once is not in this version",
        "21:26: sinks[0].topics.partitions: \"0\" is out of range, which is 1 to 100000",
        "22:12: sinks[1].type: \"kafak\" is not one of kafka, postgres, stdout; did you mean \"kafka\"?",
        "23:5: sinks[2].type: this setting is required; types are kafka, postgres, stdout",
        "24:31: sinks[3].debezium.time.precison: unknown key; did you mean \"time.precision\"?",
        "24:71: sinks[3].debezium.message.key.columns.a.b.c: \"a.b.c\" is no table pattern: the table pattern has more "
            + "than two parts; quote a name that contains a dot",
        "25:5: sinks[4].name: two sinks have the name \"stdout\"; "
            + "give each a name of its own; it is the key of its position",
        "26:10: journal: the journal is not in this version; remove the key",
        "27:17: limits.drain: expected a duration, found \"2 days\"; "
            + "write a whole number with a unit, such as 500ms, 10s or 2m",
        "27:38: limits.queue.bytes: \"1kB\" is out of range, which is 64KiB to 4GiB",
        "27:72: limits.retry.delay.max: it is less than retry.delay.min",
        "28:16: http.listen: expected an address and a port, found \"localhost\"; such as "
            + "127.0.0.1:8070 or [::1]:8070",
        "29:1: extra: unknown key; known here: "
            + "pipeline, source, transforms, sinks, state, journal, http, debezium, limits",
    ]

    @Test func allProblemsAreReportedInOrder() throws {
        let (_, _, problems) = try read(Self.faulty, set: ["state.pth=/x"])
        let last = "--set: state.pth: unknown key; did you mean \"path\"?"
        #expect(problems == Self.faults.map { "weir.yaml:" + $0 } + [last])
    }

    @Test func anEmptyFileNamesWhatIsNeeded() throws {
        let (_, _, problems) = try read("")
        #expect(
            problems == [
                "weir.yaml: source.url: this setting is required; "
                    + "The source database: any libpq connection string, several hosts and TLS included.",
                "weir.yaml: sinks: at least one sink is needed; such as sinks: [{type: stdout}]",
            ])
    }

    @Test(
        arguments: [
            (
                "source: 1\nsinks: x\n",
                [
                    "weir.yaml:1:9: source: expected a map, found a value",
                    "weir.yaml:1:9: source.url: this setting is required; "
                        + "The source database: any libpq connection string, several hosts and TLS included.",
                    "weir.yaml:2:8: sinks: expected a list of sinks, found a value; begin each with \"- type:\"",
                ]
            ),
            (
                "source: {type: journal}\nsinks: [{type: stdout}]\n",
                [
                    "weir.yaml:1:16: source.type: the journal is not in this version"
                ]
            ),
            (
                "source: {type: kafka, brokers: b, topics: t, format: flat}\nsinks: [{type: postgres, url: h, "
                    + "schema: full}]\n",
                [
                    "weir.yaml:1:54: source.format: only debezium can be read in this version"
                ]
            ),
        ] as [(String, [String])])
    func otherShapes(text: String, expected: [String]) throws {
        #expect(try read(text).problems == expected)
    }

    @Test func secretsAreReadFromFilesAndNeverQuoted() throws {
        let text = """
            pipeline: ${CANARY}
            source: {url: "file:/run/url", status.interval: "${CANARY}", snapshot: "${CANARY}"}
            sinks:
              - {type: kafka, brokers: b, properties: {sasl.password: "file:/gone", ssl.key.password: "file:"}}
              - {type: postgres, url: "postgresql://u:${CANARY}@h/db"}
            """
        let url = "postgresql://u:canary-in-file@h/db"
        let (_, decoding, problems) = try read(
            text, ["CANARY": "Canary/In-Env"], files: ["/run/url": .text(url + "\r\n", readableByOthers: false)])
        #expect(
            problems == [
                "weir.yaml:1:11: pipeline: a pipeline's name has only lower-case letters, digits and \"_\"",
                "weir.yaml:2:49: source.status.interval: expected a duration, found the value; "
                    + "write a whole number with a unit, such as 500ms, 10s or 2m",
                "weir.yaml:2:72: source.snapshot: the value is not one of initial, never, always, only",
                "weir.yaml:4:59: sinks[0].properties.sasl.password: "
                    + "the secret's file /gone cannot be read: No such file or directory",
                "weir.yaml:4:91: sinks[0].properties.ssl.key.password: \"file:\" names no file; write "
                    + "file:/path/to/secret",
            ])
        #expect(decoding.secrets == ["canary-in-file", "Canary/In-Env"])
    }

    @Test func referenceNamesEveryKeyOnce() {
        let text = SettingsReference.markdown()
        for key in [
            "`source.url` | connection string | **required**", "`sinks[].brokers`", "`limits.drain` | duration | `30s`",
        ] {
            #expect(text.contains(key))
        }
        for block in text.split(separator: "### ") {
            let names = block.split(separator: "\n").compactMap { line in
                line.hasPrefix("| `") ? line.split(separator: "`").dropFirst().first : nil
            }
            #expect(!names.isEmpty && names.count == Set(names).count)
        }
    }

    @Test func aTopicPrefixIsTakenOrRefused() throws {
        func prefix(_ text: String) throws -> (WeirSettings?, [String]) {
            let result = try read(
                """
                pipeline: p
                source: {url: "postgresql://h/d"}
                sinks: [{type: stdout}]
                debezium: {topic.prefix: \(text)}

                """)
            return (result.settings, result.problems)
        }
        #expect(try prefix("cdc.My-Server").0?.topicPrefix == "cdc.My-Server")
        let problem = "a prefix of topics has only letters, digits, \".\", \"_\" and \"-\""
        for text in ["a/b", "é"] {
            #expect(try prefix(text).1 == ["weir.yaml:4:26: debezium.topic.prefix: \(problem)"])
        }
    }

    /// A key of no columns would spread a table's rows over all partitions.
    @Test func keysHaveColumns() throws {
        let text = """
            pipeline: p
            source: {url: "postgresql://h/d"}
            sinks: [{type: kafka, brokers: b, key.columns: {public.a: []}}]
            debezium: {message.key.columns: {public.b: []}}

            """
        #expect(
            try read(text).problems.sorted() == [
                "weir.yaml:3:59: sinks[0].key.columns.public.a: the list is empty; remove the entry",
                "weir.yaml:4:44: debezium.message.key.columns.public.b: the list is empty; remove the entry",
            ])
    }

    /// One switch for all of an event's parts; each part's own has the last word.
    @Test func schemasOfParts() throws {
        func options(_ block: String) throws -> DebeziumOptions? {
            let text = """
                pipeline: p
                source: {url: "postgresql://h/d"}
                sinks: [{type: stdout}]
                debezium: {\(block)}

                """
            let result = try read(text)
            #expect(result.problems == [])
            return result.settings?.debezium
        }
        let all = try options("value.schemas.enable: false, schemas.enable: true")
        #expect(all?.keySchemas == true && all?.valueSchemas == false && all?.headerSchemas == true)
        let one = try options("key: {schemas.enable: true}")
        #expect(one?.keySchemas == true && one?.valueSchemas == false && one?.headerSchemas == false)
    }
}

@Suite struct HostileConfigurationTests {
    private static let whole = """
        pipeline: shop
        source: {url: "postgresql://u:p@h/db", tables: ["public.*", "!public.a"], status.interval: 5s}
        transforms:
          - filter: {table: public.o, operations: [insert], where: [{column: a, not: [x]}, {column: b, min: "1"}]}
          - mask: {columns: ["a.b.c"], with: sha256, salt: "${SALT}"}
          - rename: {table: public.o, to: "s.{table}", columns: {a: b}}
        sinks:
          - &k {type: kafka, brokers: "b:1", topics: {partitions: 3}, key.columns: {public.o: [a]},
                properties: {a.b: c}}
          - {type: postgres, name: two, url: "host=h password='x y'"}
        debezium: {skipped.operations: [t], decimal: string}
        limits: {queue.bytes: 1MiB, retry: {delay: {max: 10s}}}
        http: {listen: "127.0.0.1:0"}

        """

    /// A generator whose numbers are the same in every run.
    private struct Numbers {
        var state: UInt64

        mutating func next(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(truncatingIfNeeded: state >> 33) % bound
        }
    }

    @Test func everyDamagedFileIsReadOrRefused() throws {
        #expect(try read(Self.whole, ["SALT": "s"]).problems == [])
        let bytes = Array(Self.whole.utf8)
        let signs = Array("{}[]:,&*!|>%@`'\"#-?$~ \n\t0aZ.\0".utf8) + [0xFF, 0xC3, 0x80]
        var numbers = Numbers(state: 42)
        var refused = 0
        for _ in 0..<1500 {
            var damaged = bytes
            for _ in 0...numbers.next(below: 3) {
                let place = numbers.next(below: damaged.count)
                switch numbers.next(below: 4) {
                case 0: damaged[place] = signs[numbers.next(below: signs.count)]
                case 1: damaged.insert(signs[numbers.next(below: signs.count)], at: place)
                case 2: damaged.removeSubrange(place..<min(damaged.count, place + 1 + numbers.next(below: 20)))
                default:
                    let from = numbers.next(below: damaged.count)
                    let piece = damaged[from..<min(damaged.count, from + 1 + numbers.next(below: 30))]
                    damaged.insert(contentsOf: piece, at: place)
                }
            }
            let (tree, problems) = SettingsLoader { _ in "s" }.load(text: damaged)
            let decoding = SettingsDecoding()
            problems.forEach(decoding.add)
            let settings = WeirSettings.read(tree, decoding: decoding)
            #expect((settings == nil) == !decoding.problems.isEmpty)
            for problem in decoding.problems { #expect(!problem.message.isEmpty) }
            refused += settings == nil ? 1 : 0
        }
        #expect(refused > 1000)
    }
}
