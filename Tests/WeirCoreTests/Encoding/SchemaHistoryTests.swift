import Testing

@testable import WeirCore

/// Changes of tables as events: exact bytes, and their places among the rows.
@Suite struct SchemaHistoryTests {
    private static let int4 = ColumnType(oid: 23, name: "integer", kind: .int4)
    private static let int8 = ColumnType(oid: 20, name: "bigint", kind: .int8)
    private static let varchar9 = ColumnType(oid: 1043, modifier: 13, name: "character varying(9)", kind: .varchar)
    private static let numeric = ColumnType(
        oid: 1700, modifier: 12 << 16 | 2 + 4, name: "numeric(12,2)", kind: .numeric)
    private static let mood = ColumnType(oid: 70_000, name: "zoo.\"my mood\"", kind: .enumeration(["sad", "o\"k"]))

    /// A table with the primary key `id`.
    private static func table(
        _ others: [Column], named name: String = "t", oid: UInt32 = 16_500, details: RelationDetails? = nil
    ) -> Relation {
        let id = Column(name: "id", type: int4, isIdentity: true, isNotNull: true)
        return Relation(
            oid: oid, table: TableName(schema: "public", name: name), columns: [id] + others, identity: .default,
            primaryKey: [0], details: details)
    }

    private func bench(_ change: (inout DebeziumOptions) -> Void = { _ in }) -> EncodingBench {
        var settings = EncoderSettings(prefix: "weir", version: "1.0")
        settings.debezium.includeSchemaChanges = true
        change(&settings.debezium)
        return EncodingBench(settings)
    }

    private static func insert(_ relation: Relation, _ id: Int, _ builder: inout BatchBuilder) {
        let cells = builder.cellCount
        builder.appendText("\(id)".utf8)
        for _ in relation.columns.dropFirst() { builder.appendCell(.null) }
        builder.addRow(.insert, relation: relation, lsn: LSN(200), cells: cells)
    }

    private static let source = """
        "source":{"version":"1.0","connector":"postgresql","name":"weir","ts_ms":1559033904863,"snapshot":"false",\
        "db":"shop","sequence":"[\\"23803648\\",\\"100\\"]","ts_us":1559033904863123,"ts_ns":1559033904863123000,\
        "schema":"public","table":"t","txId":555,"lsn":100,"xmin":null,"origin":null,"origin_lsn":null}
        """
    private static let id = """
        {"name":"id","jdbcType":4,"nativeType":23,"typeName":"int4","typeExpression":"int4","charsetName":null,\
        "length":10,"scale":0,"position":1,"optional":false,"autoIncremented":false,"generated":false,"comment":null,\
        "defaultValueExpression":null,"enumValues":null}
        """

    private static func value(_ ddl: String, _ change: String) -> String {
        "{\(source),\"ts_ms\":1704164645678,\"databaseName\":\"shop\",\"schemaName\":\"public\",\"ddl\":\(ddl),"
            + "\"tableChanges\":[\(change)]}"
    }

    private static func change(_ type: String, _ name: String = "t", _ columns: String...) -> String {
        "{\"type\":\"\(type)\",\"id\":\"\\\"public\\\".\\\"\(name)\\\"\",\"table\":{\"defaultCharsetName\":null,"
            + "\"primaryKeyColumnNames\":[\"id\"],\"columns\":[\(columns.joined(separator: ","))],\"comment\":null}}"
    }

    private static func events(
        _ bench: EncodingBench, _ fill: (inout BatchBuilder) -> Void
    ) throws -> [EncodingBench.Event] {
        try bench.events(EncodingBench.batch(fill))
    }

    @Test func anAddedColumn() throws {
        let old = Self.table([])
        let new = Self.table([Column(name: "b", type: Self.varchar9)])
        let events = try Self.events(bench()) { builder in
            builder.addSchemaChange(
                .altered, relation: new, previous: old, lsn: LSN(100),
                command: SchemaChange.Command(tag: "ALTER TABLE", statement: "ALTER TABLE t ADD \"b\" varchar(9)"))
        }
        let event = try #require(events.first)
        #expect(events.count == 1 && event.role == .schemaChange)
        #expect(event.topic == "weir")
        #expect(event.key == "{\"databaseName\":\"shop\"}")
        #expect(event.headers.isEmpty)
        let column = """
            {"name":"b","jdbcType":12,"nativeType":1043,"typeName":"varchar","typeExpression":"varchar(9,0)",\
            "charsetName":null,"length":9,"scale":0,"position":2,"optional":true,"autoIncremented":false,\
            "generated":false,"comment":null,"defaultValueExpression":null,"enumValues":null}
            """
        #expect(
            event.value
                == Self.value(
                    "\"ALTER TABLE t ADD \\\"b\\\" varchar(9)\"", Self.change("ALTER", "t", Self.id, column)))
    }

    @Test func aChangedTypeWithDefaultAndComment() throws {
        let details = RelationDetails(
            comment: "all of them",
            attributes: [SourceAttribute(number: 2, name: "n", typeOID: 1700, isGenerated: true)])
        let column = Column(
            name: "n", type: Self.numeric, isNotNull: true,
            details: ColumnDetails(
                name: "n", number: 2, defaultExpression: "nextval('public.s'::regclass)", comment: "it's"))
        let new = Self.table([column], details: details)
        let written = """
            {"name":"n","jdbcType":2,"nativeType":1700,"typeName":"numeric","typeExpression":"numeric(12,2)",\
            "charsetName":null,"length":12,"scale":2,"position":2,"optional":false,"autoIncremented":true,\
            "generated":true,"comment":null,"defaultValueExpression":"nextval('public.s'::regclass)","enumValues":null}
            """
        func value(_ bench: EncodingBench) throws -> String? {
            try Self.events(bench) { $0.addSchemaChange(.altered, relation: new, lsn: LSN(100)) }.first?.value
        }
        #expect(try value(bench()) == Self.value("null", Self.change("ALTER", "t", Self.id, written)))
        let commented =
            Self.change(
                "ALTER", "t", Self.id,
                written.replacing(
                    "\"comment\":null", with: "\"comment\":\"it's\"")
            ).dropLast("null}}".count) + "\"all of them\"}}"
        #expect(try value(bench { $0.includeSchemaComments = true }) == Self.value("null", String(commented)))
    }

    @Test func aNewTableAndADroppedOne() throws {
        let made = Self.table([Column(name: "m", type: Self.mood)])
        let unknown = Relation(oid: 9, table: TableName(schema: "public", name: "t"), columns: [], identity: .default)
        // Of a dropped table maybe nothing is known; a configured key is no reason to stop then.
        let tables = try TablePattern("public.t")
        let bench = bench { $0.keyColumns = [EventKeyColumns(tables: tables, columns: ["id"])] }
        let events = try Self.events(bench) { builder in
            builder.addSchemaChange(
                .created, relation: made, lsn: LSN(100), command: SchemaChange.Command(tag: "CREATE TABLE"))
            builder.addSchemaChange(
                .dropped, relation: unknown, lsn: LSN(100),
                command: SchemaChange.Command(tag: "DROP TABLE", statement: "DROP TABLE t"))
        }
        let column = """
            {"name":"m","jdbcType":12,"nativeType":70000,"typeName":"my mood","typeExpression":"my mood",\
            "charsetName":null,"length":2147483647,"scale":0,"position":2,"optional":true,"autoIncremented":false,\
            "generated":false,"comment":null,"defaultValueExpression":null,"enumValues":["sad","o\\"k"]}
            """
        let drop = "{\"type\":\"DROP\",\"id\":\"\\\"public\\\".\\\"t\\\"\",\"table\":null}"
        #expect(
            events.map(\.value) == [
                Self.value("null", Self.change("CREATE", "t", Self.id, column)), Self.value("\"DROP TABLE t\"", drop),
            ])
    }

    @Test func aRenamedTableHasItsNewName() throws {
        let old = Self.table([])
        let new = Self.table([], named: "Odd\"t")
        let events = try Self.events(bench()) { builder in
            builder.addSchemaChange(.altered, relation: new, previous: old, lsn: LSN(100))
        }
        let expected = Self.value("null", Self.change("ALTER", "Odd\\\"\\\"t", Self.id))
            .replacing("\"table\":\"t\"", with: "\"table\":\"Odd\\\"t\"")
        #expect(events.map(\.value) == [expected])
    }

    /// Changes stand where they take effect, also where no row follows, and rows keep their ids.
    @Test func changesStandBetweenTheRows() throws {
        let old = Self.table([])
        let new = Self.table([Column(name: "b", type: Self.int8)])
        func fill(_ builder: inout BatchBuilder) {
            Self.insert(old, 1, &builder)
            builder.addSchemaChange(.altered, relation: new, previous: old, lsn: LSN(201))
            Self.insert(new, 2, &builder)
            builder.skipChange()
            builder.addSchemaChange(.altered, relation: old, previous: new, lsn: LSN(202))
        }
        let events = try Self.events(bench { $0.transactionMetadata = true }, fill)
        #expect(
            events.map(\.role) == [
                .transactionBegin, .change, .schemaChange, .change, .schemaChange, .transactionEnd,
            ])
        #expect(events[5].value?.contains("\"event_count\":2,") == true)
        let silent = try Self.events(
            bench {
                $0.includeSchemaChanges = false
                $0.transactionMetadata = true
            }, fill)
        #expect(silent == events.filter { $0.role != .schemaChange })
        var flat = bench()
        flat.settings.format = .flat
        #expect(try Self.events(flat, fill).map(\.role) == [.change, .change])
    }

    /// BEGIN comes before a change that no row follows; the END of the transaction before it, too.
    @Test func transactionsBeginBeforeTheirChanges() throws {
        let (old, new) = (Self.table([]), Self.table([Column(name: "b", type: Self.int8)]))
        var builder = BatchBuilder()
        for (number, commit) in [UInt64(1000), 2000, 3000].enumerated() {
            var transaction = TransactionInfo(
                xid: UInt32(number), commitLSN: LSN(commit), commitTime: 0, rows: 0..<0, begins: true, ends: false)
            transaction.xid += 7
            transaction.beginLSN = LSN(commit - 10)
            builder.begin(transaction)
            if number == 0 { Self.insert(old, 1, &builder) }
            if number == 1 {
                builder.addSchemaChange(.altered, relation: new, previous: old, lsn: LSN(commit - 5))
            }
            if number == 2 { Self.insert(new, 2, &builder) }
            builder.commit(endLSN: LSN(commit + 8))
        }
        let events = try bench { $0.transactionMetadata = true }.events(builder.seal(at: 0))
        #expect(
            events.map(\.role) == [
                .transactionBegin, .change, .transactionEnd, .transactionBegin, .schemaChange, .transactionEnd,
                .transactionBegin, .change, .transactionEnd,
            ])
    }

    /// What was said is not said again, unless there is a statement to tell or the source is opened anew.
    @Test func nothingIsSaidTwice() throws {
        let (first, other) = (Self.table([]), Self.table([], named: "u", oid: 16_501))
        let bench = bench()
        let encoder = bench.makeEncoder()
        func said(_ kind: SchemaChange.Kind, _ relation: Relation, statement: String? = nil) throws -> Bool {
            let batch = EncodingBench.batch { builder in
                builder.addSchemaChange(
                    kind, relation: relation, lsn: LSN(100),
                    command: statement.map { SchemaChange.Command(tag: "ALTER TABLE", statement: $0) })
            }
            return try !bench.events(batch, encoder).isEmpty
        }
        #expect(try said(.described, first))
        #expect(try said(.described, other))
        #expect(try !said(.described, Self.table([])))
        #expect(try !said(.altered, first))
        #expect(try said(.altered, first, statement: "ALTER TABLE t SET (fillfactor = 50)"))
        #expect(try said(.altered, Self.table([Column(name: "b", type: Self.int8)])))
        #expect(try said(.altered, first))
        #expect(try said(.dropped, first))
        #expect(try said(.described, first))
        encoder.begin(bench.source)
        #expect(try said(.described, first))
    }

    @Test func aMissedChangeIsNoEvent() throws {
        let batch = EncodingBench.batch { builder in
            builder.addSchemaChange(.missed, relation: nil, lsn: LSN(90), command: .init(tag: "DROP TABLE"))
            builder.addSchemaChange(.created, relation: Self.table([]), lsn: LSN(100))
            builder.addSchemaChange(.missed, relation: nil, lsn: LSN(110))
        }
        let bench = bench { $0.transactionMetadata = true }
        let roles = try bench.events(batch).map(\.role)
        #expect(roles == [.transactionBegin, .schemaChange, .transactionEnd])
    }

    @Test func aSnapshotTellsOfEachTableFirst() throws {
        let relation = Self.table([])
        let bench = bench()
        let encoder = bench.makeEncoder()
        func events(_ part: SnapshotPart, rows: Int) throws -> [EncodingBench.Event] {
            var builder = BatchBuilder()
            builder.begin(
                TransactionInfo(
                    xid: 9, commitLSN: LSN(99), commitTime: 5_000_000, rows: 0..<0, begins: true, ends: false))
            builder.register(relation)
            for row in 0..<rows {
                let cells = builder.cellCount
                builder.appendText("\(row)".utf8)
                builder.addRow(.read, relation: relation, lsn: LSN(100), cells: cells)
            }
            let batch = builder.seal(at: 7_000_000)
            return try bench.events(rows > 0 ? batch.marking(part, endLSN: nil) : Self.empty(relation, part), encoder)
        }
        var part = SnapshotPart(consistentPoint: LSN(100), isFirst: true, isFirstOfTable: true)
        let first = try events(part, rows: 2)
        #expect(first.map(\.role) == [.schemaChange, .change, .change])
        #expect(
            first[0].value?.contains(#""ts_ms":5000,"snapshot":"true","db":"shop","sequence":"[null,\"100\"]""#) == true
        )
        #expect(first[0].value?.contains(#""ddl":null,"tableChanges":[{"type":"CREATE","id""#) == true)
        part.isFirstOfTable = false
        #expect(try events(part, rows: 1).map(\.role) == [.change])
        // An empty table has no transaction to take the time of.
        part.isFirstOfTable = true
        encoder.begin(bench.source)
        let empty = try events(part, rows: 0)
        #expect(empty.map(\.role) == [.schemaChange])
        #expect(empty[0].value?.contains(#""ts_ms":7000,"snapshot":"true""#) == true)
        #expect(empty[0].value?.contains(#""txId":null,"lsn":100,"#) == true)
        encoder.begin(bench.source)
        part.purpose = .addition
        #expect(try events(part, rows: 1)[0].value?.contains(#""snapshot":"incremental""#) == true)
        encoder.begin(bench.source)
        part.purpose = .backfill
        #expect(try events(part, rows: 1).map(\.role) == [.change])
        // The stream's first description says nothing new then.
        encoder.begin(bench.source)
        part.purpose = .initial
        #expect(try events(part, rows: 0).map(\.role) == [.schemaChange])
        let streamed = EncodingBench.batch { builder in
            builder.addSchemaChange(.described, relation: Self.table([]), lsn: LSN(300))
            Self.insert(relation, 1, &builder)
        }
        #expect(try bench.events(streamed, encoder).map(\.role) == [.change])
    }

    private static func empty(_ relation: Relation, _ part: SnapshotPart) -> ChangeBatch {
        ChangeBatch(
            arena: [], rows: [], cells: [], relations: [relation], transactions: [], snapshot: part, endLSN: nil,
            sealedAt: 7_000_000)
    }

    /// The schemas are those that Debezium 3.6.3 makes for its PostgreSQL connector.
    @Test func schemasAreDebeziums() throws {
        let recorded = try #require(RecordedChanges.lines("tables/tables.jsonl").first)
        let relation = Self.table([])
        func event(_ bench: EncodingBench) throws -> EncodingBench.Event {
            try #require(
                try Self.events(bench) { $0.addSchemaChange(.created, relation: relation, lsn: LSN(100)) }.first)
        }
        let plain = try event(bench())
        let wrapped = try event(
            bench {
                $0.keySchemas = true
                $0.valueSchemas = true
            })
        let suffixes = (key: ",\"payload\":\(plain.key ?? "")}", value: ",\"payload\":\(plain.value ?? "")}")
        let key = try #require(wrapped.key), value = try #require(wrapped.value)
        #expect(key.hasPrefix("{\"schema\":") && key.hasSuffix(suffixes.key))
        #expect(value.hasPrefix("{\"schema\":") && value.hasSuffix(suffixes.value))
        let schemas = (
            key: key.dropFirst(10).dropLast(suffixes.key.count),
            value: value.dropFirst(10).dropLast(suffixes.value.count)
        )
        #expect(recorded == "{\"key\":\(schemas.key),\"value\":\(schemas.value)}")
    }

    @Test(arguments: [
        ("integer", "integer"), ("public.mood", "mood"), ("\"S x\".\"Odd(3)\"", "Odd(3)"), ("vector(3)", "vector"),
        ("\"a.b\"", "a.b"), ("\"q\"\"q\".\"r\"\"\"", "r\""), ("", ""), ("\"open", "open"),
    ]) func namesOfTypesAreReadFromTheirForm(_ formatted: String, _ name: String) {
        #expect(HistoryType.lastName(formatted) == name)
    }
}
