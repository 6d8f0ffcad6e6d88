import LibPQ
public import PgOutput
import WeirCore

/// Reads a stretch of a replication stream as the agent does, and holds the framing and the decoder to what their
/// consumers rely on.
///
/// The input is a run of CopyData messages as they stand on the wire: `d`, a 32-bit length that counts itself, the
/// message. A length that cannot be makes the rest of the input one message.
public struct StreamCheck: ~Copyable {
    /// A broken promise: a defect of the framing or the decoder, whatever the input was.
    public struct Violation: Error, CustomStringConvertible {
        /// What was promised and did not hold.
        public let promise: String
        /// The payload that shows it.
        public let payload: [UInt8]
        /// One line.
        public var description: String { "\(promise); payload of \(payload.count) bytes: \(payload)" }
    }

    /// Messages decoded, by their first byte.
    public private(set) var decoded: [UInt8: Int] = [:]
    /// Keepalives read.
    public private(set) var keepalives = 0
    /// Messages that were no replication message.
    public private(set) var frameErrors = 0
    /// Payloads that were refused, each with its reason.
    public private(set) var decodeErrors: [DecodeError.Reason] = []
    /// Messages that came where the protocol does not allow them.
    public private(set) var streamErrors: [StreamError] = []

    private var decoder = PgOutputDecoder()
    private var state = StreamState()

    /// Starts at the beginning of a stream.
    public init() {}

    /// Reads the stretch. Throws only for a broken promise: what is wrong with the input is counted.
    public mutating func read(_ input: [UInt8]) throws(Violation) {
        var rest = input[...]
        while let message = Self.next(&rest) { try check(Array(message)) }
    }

    private static func next(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard !rest.isEmpty else { return nil }
        let header = rest.prefix(5)
        let length = header.dropFirst().reduce(0) { $0 << 8 | Int($1) }
        guard header.count == 5, length >= 4, length < rest.count else {
            defer { rest = [] }
            return rest.dropFirst(header.count)
        }
        let message = rest.dropFirst(5).prefix(length - 4)
        rest = rest.dropFirst(length + 1)
        return message
    }

    private mutating func check(_ message: [UInt8]) throws(Violation) {
        let frame: ReplicationFrame
        do throws(PGError) {
            frame = try unsafe message.withUnsafeBytes { bytes in
                Result { () throws(PGError) in try ReplicationFrame(bytes) }
            }.get()
        } catch {
            guard error.kind == .protocolViolation else {
                throw Violation(promise: "a bad frame is a protocol violation", payload: message)
            }
            frameErrors += 1
            return
        }
        switch frame {
        case .data(let start, let walEnd, let payload):
            let header: [UInt8] = [0x77] + bigEndian(start.rawValue) + bigEndian(walEnd.rawValue)
            guard payload == ReplicationFrame.dataHeader, message.starts(with: header) else {
                throw Violation(promise: "XLogData says where its payload begins", payload: message)
            }
            try check(payload: Array(message[payload...]))
        case .keepalive(let walEnd, let replyRequested):
            guard message.starts(with: [0x6B] + bigEndian(walEnd.rawValue)), replyRequested == (message[17] != 0) else {
                throw Violation(promise: "a keepalive's fields are its bytes", payload: message)
            }
            keepalives += 1
        }
    }

    private mutating func check(payload: [UInt8]) throws(Violation) {
        var other = PgOutputDecoder()
        let message: PgOutputMessage
        do throws(DecodeError) {
            message = try decoder.decode(unsafe payload.span.bytes)
        } catch {
            guard error.offset >= 0, error.offset <= payload.count, error.message == payload.first ?? 0 else {
                throw Violation(promise: "an error lies in its message", payload: payload)
            }
            guard Self.refusal(payload, &other) == error else {
                throw Violation(promise: "an error depends on its message only", payload: payload)
            }
            decodeErrors.append(error.reason)
            return
        }
        try check(message, payload)
        try checkEnds(payload, &other)
        decoded[payload[0], default: 0] += 1
        do throws(StreamError) { try state.accept(message, decoder) } catch {
            streamErrors.append(error)
            // As after a reconnect.
            state = StreamState()
        }
    }

    /// The message holds every byte of the payload and no other.
    private func check(_ message: PgOutputMessage, _ payload: [UInt8]) throws(Violation) {
        let copy = PayloadWriter(payload: payload, columns: decoder.columns)
        guard let written = copy.write(message, decoder) else {
            throw Violation(promise: "every range lies inside its message", payload: payload)
        }
        guard written == payload else {
            throw Violation(promise: "written again, a message has the bytes it had", payload: payload)
        }
    }

    /// A message ends where it ends: no byte less, no byte more.
    private func checkEnds(_ payload: [UInt8], _ other: inout PgOutputDecoder) throws(Violation) {
        switch Self.refusal(payload.dropLast(), &other)?.reason {
        case .truncated?, .unterminatedString?: break
        default: throw Violation(promise: "a message without its last byte is refused", payload: payload)
        }
        let long = Self.refusal(payload + [0], &other)
        guard long?.reason == .trailing(1), long?.offset == payload.count else {
            throw Violation(promise: "a byte after a message is refused", payload: payload)
        }
    }

    private static func refusal(_ payload: [UInt8], _ decoder: inout PgOutputDecoder) -> DecodeError? {
        do throws(DecodeError) {
            _ = try decoder.decode(unsafe payload.span.bytes)
            return nil
        } catch { return error }
    }
}

/// The bytes of an integer as the protocol has them.
func bigEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    stride(from: Value.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> Value($0)) }
}
