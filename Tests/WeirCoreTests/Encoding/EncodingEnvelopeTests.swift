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
}
