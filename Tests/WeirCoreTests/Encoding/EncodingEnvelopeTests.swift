import Testing

@testable import WeirCore

@Suite struct EncodingEnvelopeTests {
    private let customers = Relation(
        oid: 16_400, table: TableName(schema: "public", name: "customers"),
        columns: [
            Column(name: "id", type: .int4, isIdentity: true, isNotNull: true),
            Column(name: "email", type: .text),
        ],
        identity: .default, primaryKey: [0])

    @Test func anInsertIsDebeziumsEnvelope() throws {
        let batch = EncodingBench.batch { builder in
            let cells = builder.cellCount
            builder.appendText("1004".utf8)
            builder.appendText("an\"ne@x.org".utf8)
            builder.addRow(.insert, relation: customers, lsn: LSN(24_023_128), cells: cells)
        }
        var bench = EncodingBench()
        bench.settings.version = "3.6.0.Final"
        let events = try bench.events(batch)
        #expect(events.count == 1)
        #expect(events[0].topic == "weir.public.customers")
        #expect(events[0].key == #"{"id":1004}"#)
        let source =
            #""source":{"version":"3.6.0.Final","connector":"postgresql","name":"weir","ts_ms":1559033904863,"#
            + #""snapshot":"false","db":"shop","sequence":"[\"23803648\",\"24023128\"]","ts_us":1559033904863123,"#
            + #""ts_ns":1559033904863123000,"schema":"public","table":"customers","txId":555,"lsn":24023128,"#
            + #""xmin":null,"origin":null,"origin_lsn":null}"#
        #expect(
            events[0].value == #"{"before":null,"after":{"id":1004,"email":"an\"ne@x.org"},"# + source
                + #","transaction":null,"op":"c","ts_ms":1704164645678,"ts_us":1704164645678901,"#
                + #""ts_ns":1704164645678901234}"#)
        #expect(events[0].headers["weir-id"] == "7300000000000000001/0/16B3748/1")
        #expect(events[0].headers["weir-txid"] == "555")
        #expect(events[0].headers["weir-ts-us"] == "1559033904863123")
    }

    /// Debezium's driver does not tell a NOT NULL column from one whose domain is NOT NULL.
    @Test(arguments: [true, false]) func aColumnOfANotNullDomainHasNoNulls(isNotNull: Bool) throws {
        let label = UserType(
            oid: 90_000, name: TableName(schema: "zoo", name: "label"),
            definition: .domain(UserType.Domain(base: "text", isNotNull: isNotNull)))
        let relation = Relation(
            oid: 16_401, table: TableName(schema: "public", name: "labels"),
            columns: [
                Column(name: "id", type: .int4, isIdentity: true, isNotNull: true),
                Column(name: "label", type: ColumnType(oid: 90_000, baseOID: 25, name: "zoo.label", kind: .text)),
            ],
            identity: .default, primaryKey: [0], details: RelationDetails(types: [label]))
        let batch = EncodingBench.batch { builder in
            let cells = builder.cellCount
            builder.appendText("7".utf8)
            builder.appendCell(.null)
            builder.addRow(.delete, relation: relation, lsn: LSN(200), oldCells: cells, oldTuple: .key)
        }
        var bench = EncodingBench()
        #expect(
            try bench.events(batch)[0].value?.hasPrefix(
                "{\"before\":{\"id\":7,\"label\":\(isNotNull ? "\"\"" : "null")},\"after\":null,") == true)
        bench.settings.debezium.valueSchemas = true
        #expect(
            try bench.events(batch)[0].value?.contains(
                "{\"type\":\"string\",\"optional\":\(!isNotNull),\"field\":\"label\"}") == true)
    }
}
