import Testing
import WeirCore

@testable import weir

@Suite struct OutputTests {
    @Test func jsonEscapesWhatCouldBreakALine() {
        let value = JSONText.object([
            ("a\"b\\", .string("x\ny\u{1B}[31m\u{202E}é😀")), ("n", .integer(-5)), ("l", .array([.bool(true), .null])),
            ("d", .number(1.5)), ("bad", .number(.nan)),
        ])
        #expect(
            value.text
                == #"{"a\"b\\":"x\ny\u001b[31m\u202eé😀","n":-5,"l":[true,null],"d":1.5,"bad":null}"#)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1_795_251_600_123_456, "2026-11-21T09:00:00.123Z"),
            (951_782_399_999_999, "2000-02-28T23:59:59.999Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func timestampsAreWritten(microseconds: Int64, text: String) {
        #expect(Timestamp.text(microseconds) == text)
    }

    @Test func logLinesCannotBeForged() {
        let values = [("table", "a b"), ("name", "x\n2026 error forged\u{1B}[2J"), ("plain", "1/2"), ("empty", "")]
        #expect(
            LogFormat.text.line(.warning, "it\nhappened", values, time: 0)
                == #"1970-01-01T00:00:00.000Z warning it\nhappened table="a b" "#
                + #"name="x\n2026 error forged\u001b[2J" plain=1/2 empty="""#)
        #expect(
            LogFormat.json.line(.info, "m", [("k", "v\n")], time: 0)
                == #"{"time":"1970-01-01T00:00:00.000Z","level":"info","message":"m","k":"v\n"}"#)
    }

    @Test func errorsTellCauseAndRemedy() {
        let error = WeirError(
            .slotBusy, stage: .source, "The slot is used", cause: "PID 5\nx", advice: "Stop it."
        ).at(table: TableName(schema: "public", name: "t"), position: LSN(255))
        #expect(
            LogFormat.text.lines(error) == [
                #"weir: The slot is used (table public.t, position 0/FF): PID 5\nx"#, "weir: Stop it.",
            ])
        #expect(
            LogFormat.json.lines(error, time: 0) == [
                #"{"time":"1970-01-01T00:00:00.000Z","level":"error","message":"The slot is used","code":"slot-busy","#
                    + #""stage":"source","cause":"PID 5\nx","advice":"Stop it.","table":"public.t","position":"0/FF"}"#
            ])
    }
}
