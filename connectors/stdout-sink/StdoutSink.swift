public import WeirCore

/// Prints events as lines of JSON: `{"topic":…,"key":…,"headers":{…},"value":…}`.
///
/// The smallest sink that keeps every promise of ``Sink``; copy its shape. A batch is durable when the last byte of it
/// was written (and synchronised, where standard output is a file): what a pipe's reader does with it is its own.
public final class StdoutSink: Sink {
    /// How the sink prints.
    public struct Options: Sendable {
        /// How events look.
        public var encoder: EncoderSettings
        /// Encode everything, print nothing: for measuring what comes before.
        public var discards: Bool

        /// Makes options.
        public init(encoder: EncoderSettings, discards: Bool = false) {
            self.encoder = encoder
            self.discards = discards
        }
    }

    /// Written to the descriptor when the buffer holds this many bytes, or when no batch follows.
    private static let flushBytes = 256 << 10

    private let options: Options
    private let encoder: EventEncoder
    private let output: LineOutput
    private var session: SinkSession?
    private var resume = LSN.zero
    private var encoded = ByteBuffer()
    private var lines = ByteBuffer(capacity: StdoutSink.flushBytes * 2)
    /// Beginnings of lines by topic: `{"topic":"…","key":`.
    private var prefixes: [String] = []
    /// The last batch that is in `lines` or was written.
    private var lastTicket: UInt64 = 0

    /// Makes a sink that prints to an open descriptor, standard output unless told otherwise.
    public init(_ options: Options, descriptor: Int32 = 1) {
        self.options = options
        encoder = EventEncoder(settings: options.encoder)
        output = LineOutput(descriptor: descriptor)
    }

    /// Has no position of its own: the pipeline's store keeps it.
    public func open() throws(WeirError) -> SinkOpening { .positionKeptElsewhere }

    /// Remembers where to report to, and what was printed in an earlier run.
    public func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError) {
        self.session = session
        resume = session.resume?.lsn ?? .zero
        encoder.begin(source)
    }

    /// Adds a batch's lines to the buffer; prints the buffer when it is large or nothing follows.
    public func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError) {
        if let part = batch.snapshot, part.isFirst, part.purpose == .initial { resume = .zero }
        let start = lines.count
        do throws(WeirError) {
            try encoder.encode(batch, into: &encoded) { (event, bytes) throws(WeirError) in
                if isPrinted(event, of: batch) { append(event, bytes) }
            }
        } catch {
            lines.truncate(to: start)
            throw error
        }
        encoded.removeAll()
        session?.accepted(ticket, outstanding: 1)
        lastTicket = ticket
        if !moreFollows || lines.count >= Self.flushBytes { try print() }
    }

    /// Prints what is in the buffer.
    public func flush(deadline: ContinuousClock.Instant) throws(WeirError) { try print() }

    /// Nothing to release.
    public func close() {}

    /// Transactions below the stored position were printed before.
    private func isPrinted(_ event: EncodedEvent, of batch: ChangeBatch) -> Bool {
        event.transaction < 0 || batch.transactions[event.transaction].commitLSN >= resume
    }

    private func append(_ event: EncodedEvent, _ bytes: borrowing ByteBuffer) {
        while prefixes.count <= event.topic {
            var text = ByteBuffer(capacity: 64)
            text.append("{\"topic\":" as StaticString)
            text.appendString(utf8: encoder.topics[prefixes.count])
            text.append(",\"key\":" as StaticString)
            prefixes.append(text.text(0..<text.count))
        }
        lines.append(utf8: prefixes[event.topic])
        append(event.key, bytes)
        lines.append(",\"headers\":{" as StaticString)
        for index in 0..<event.headerCount { append(event.header(index), isFirst: index == 0, bytes) }
        lines.append("},\"value\":" as StaticString)
        append(event.value, bytes)
        lines.append("}\n" as StaticString)
    }

    private func append(_ part: EncodedEvent.Part, _ bytes: borrowing ByteBuffer) {
        if let range = part.range { lines.append(bytes, range) } else { lines.append("null" as StaticString) }
    }

    /// Values of Debezium's two headers are JSON; the others are plain ASCII without anything to escape, except for
    /// table names.
    private func append(_ header: EncodedEvent.Header, isFirst: Bool, _ bytes: borrowing ByteBuffer) {
        if !isFirst { lines.append(UInt8(ascii: ",")) }
        lines.append(UInt8(ascii: "\""))
        lines.append(header.name.text)
        lines.append("\":" as StaticString)
        switch header.name {
        case .newKey, .oldKey: append(header.value, bytes)
        case .table: lines.appendString(utf8: header.value.range.map { bytes.text($0) } ?? "")
        default:
            lines.append(UInt8(ascii: "\""))
            if let range = header.value.range { lines.append(bytes, range) }
            lines.append(UInt8(ascii: "\""))
        }
    }

    private func print() throws(WeirError) {
        if lines.count > 0, !options.discards {
            let isWritten = try unsafe lines.withUnsafeBytes { (bytes) throws(WeirError) in
                try unsafe output.write(bytes) { session?.isCancelled ?? false }
            }
            guard isWritten else { return }
            try output.sync()
        }
        lines.removeAll()
        session?.resolveAll(through: lastTicket)
    }
}
