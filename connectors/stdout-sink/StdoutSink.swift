public import WeirCore

/// Prints events as lines of JSON: `{"topic":…,"key":…,"headers":{…},"value":…}`.
///
/// The smallest sink that keeps every promise of ``Sink``; copy its shape. A batch is durable when the last byte of it
/// was written (and synchronised, where standard output is a file): what a pipe's reader does with it is its own.
public final class StdoutSink: Sink {
    /// What becomes of events.
    public enum Output: Sendable {
        /// They are printed.
        case print
        /// They are encoded and dropped: for measuring what comes before.
        case encode
        /// Batches are dropped as they come: for measuring what comes before.
        case discard
    }

    /// How the sink prints.
    public struct Options: Sendable {
        /// How events look.
        public var encoder: EncoderSettings
        /// What becomes of them.
        public var output: Output

        /// Makes options.
        public init(encoder: EncoderSettings, output: Output = .print) {
            self.encoder = encoder
            self.output = output
        }
    }

    /// Lines are written when there are this many bytes of them, or when no batch follows.
    private static let writeBytes = 256 << 10

    private let options: Options
    private let descriptor: Int32
    private let encoder: EventEncoder
    private var printer: LineOutput?
    private var session: SinkSession?
    /// Where the encoder works; it holds one row's events at a time.
    private var encoded = ByteBuffer()
    private var rendering = EventLines()
    private var lines = ByteBuffer(capacity: StdoutSink.writeBytes * 2)
    /// How many bytes of `lines` are written: a write that was cut short goes on there, not in front of half a line.
    private var writtenBytes = 0
    /// The last batch whose lines are in `lines` or were written.
    private var lastTicket: UInt64 = 0

    /// Makes a sink that prints to an open descriptor, standard output unless told otherwise. The descriptor stays the
    /// caller's. The process ignores SIGPIPE.
    public init(_ options: Options, descriptor: Int32 = 1) {
        self.options = options
        self.descriptor = descriptor
        encoder = EventEncoder(settings: options.encoder)
    }

    /// Throws `input-output` when the descriptor is not open. Has no position of its own: the pipeline's store keeps
    /// it.
    public func open() throws(WeirError) -> SinkOpening {
        if options.output == .print { printer = try LineOutput(descriptor: descriptor) }
        return .positionKeptElsewhere
    }

    /// Remembers where to report to.
    public func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError) {
        self.session = session
        encoder.begin(source)
    }

    /// Adds a batch's lines to the buffer, and writes the buffer when it is large or nothing follows.
    public func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError) {
        if options.output != .discard { try render(batch) }
        lastTicket = ticket
        session?.accepted(ticket, outstanding: 1)
        guard !moreFollows || lines.count >= Self.writeBytes else { return }
        let session = self.session
        _ = try writeLines { session?.isCancelled != true }
    }

    /// Writes what is in the buffer.
    public func flush(deadline: ContinuousClock.Instant) throws(WeirError) {
        let session = self.session
        let isWritten = try writeLines { session?.isGivenUp != true && ContinuousClock.now < deadline }
        guard !isWritten, session?.isGivenUp != true else { return }
        throw WeirError(
            .drainTimedOut, stage: .sink, "The program that reads standard output did not take the last lines in time",
            advice: "Whole lines that it did not get come again after the next start.")
    }

    /// Gives back what `open` took.
    public func close() { printer = nil }

    private func render(_ batch: ChangeBatch) throws(WeirError) {
        do throws(WeirError) {
            try appendLines(of: batch)
        } catch {
            // The batches before this one are printed; this one is not, not even its beginning.
            let session = self.session
            _ = try writeLines { session?.isCancelled != true }
            throw error
        }
        encoded.removeAll()
    }

    /// The buffers are locals meanwhile: each access to a class's own property is checked for exclusivity at run time,
    /// several times an event.
    private func appendLines(of batch: ChangeBatch) throws(WeirError) {
        var out = ByteBuffer(capacity: 0)
        swap(&out, &lines)
        var rendering = EventLines()
        swap(&rendering, &self.rendering)
        defer {
            swap(&out, &lines)
            swap(&rendering, &self.rendering)
        }
        let start = out.count
        do throws(WeirError) {
            try encoder.encode(batch, into: &encoded) { (event, bytes) throws(WeirError) in
                rendering.append(event, of: encoder.topics, bytes, to: &out)
            }
        } catch {
            out.truncate(to: start)
            throw error
        }
    }

    /// Writes the buffer and reports its batches as durable; false when there was no room and `mayWait` said no.
    private func writeLines(mayWait: () -> Bool) throws(WeirError) -> Bool {
        if options.output == .print, lines.count > 0 {
            guard try writeRest(mayWait: mayWait) else { return false }
        }
        lines.removeAll()
        writtenBytes = 0
        session?.resolveAll(through: lastTicket)
        return true
    }

    private func writeRest(mayWait: () -> Bool) throws(WeirError) -> Bool {
        let start = writtenBytes
        writtenBytes += try unsafe lines.withUnsafeBytes { (bytes) throws(WeirError) in
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[start...])
            return try unsafe printer?.write(rest, mayWait: mayWait) ?? 0
        }
        guard writtenBytes == lines.count else { return false }
        try printer?.sync()
        return true
    }
}
