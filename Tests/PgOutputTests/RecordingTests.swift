import PgOutput
import Testing

@Suite struct RecordingTests {
    @Test func everyRecordedMessageDecodesToWhatTheServerSent() throws {
        let recording = try Recording.load()
        try #require(recording.messages.count == recording.rendered.count && recording.messages.count > 100)
        var decoder = PgOutputDecoder()
        var state = StreamState()
        for (message, expected) in zip(recording.messages, recording.rendered) {
            let found = try decoder.decode(message.bytes.span.bytes)
            try state.accept(found, decoder)
            let renderer = Renderer(
                bytes: message.bytes, columns: decoder.columns, relation: decoder.relation, type: decoder.type,
                truncated: decoder.truncated)
            let rendered = renderer.render(found)
            #expect(rendered == expected)
        }
        #expect(state.phase == .idle)
    }

    @Test func theRecordingHoldsEveryKindOfMessage() throws {
        let tags = Set(try Recording.load().messages.compactMap { $0.bytes.first })
        #expect(tags == Set("BCORYIUDTM".utf8))
    }
}
