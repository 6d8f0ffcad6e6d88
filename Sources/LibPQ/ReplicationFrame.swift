public import WeirCore

/// One message of a logical replication stream. Source: PostgreSQL documentation, "Streaming Replication Protocol".
public enum ReplicationFrame: Sendable, Equatable {
    /// XLogData: the payload is the plugin's message, from byte `payload` to the end of the COPY message.
    case data(start: LSN, walEnd: LSN, payload: Int)
    /// Primary keepalive: the server's current end of WAL, and whether it wants an answer at once.
    case keepalive(walEnd: LSN, replyRequested: Bool)

    /// Bytes of an XLogData header: tag, start, end, clock.
    public static let dataHeader = 25

    /// Reads the header of one COPY message. Throws `protocolViolation` for an unknown tag or a wrong length.
    @safe
    public init(_ message: UnsafeRawBufferPointer) throws(PGError) {
        let count = message.count
        guard let tag = unsafe message.first else {
            throw PGError(.protocolViolation, "receive", "empty replication message")
        }
        switch tag {
        case UInt8(ascii: "w"):
            guard count >= Self.dataHeader else {
                throw PGError(.protocolViolation, "receive", "XLogData of \(count) bytes, at least 25 expected")
            }
            self = unsafe .data(
                start: LSN(Self.integer(message, at: 1)), walEnd: LSN(Self.integer(message, at: 9)),
                payload: Self.dataHeader)
        case UInt8(ascii: "k"):
            guard count == 18 else {
                throw PGError(.protocolViolation, "receive", "keepalive of \(count) bytes, 18 expected")
            }
            self = unsafe .keepalive(walEnd: LSN(Self.integer(message, at: 1)), replyRequested: message[17] != 0)
        default:
            throw PGError(.protocolViolation, "receive", "unknown replication message with tag byte \(tag)")
        }
    }

    /// A big-endian integer; the caller has checked the length.
    private static func integer(_ message: UnsafeRawBufferPointer, at offset: Int) -> UInt64 {
        unsafe UInt64(bigEndian: message.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}

/// Standby status update: how far this end has received, made durable and applied.
struct StatusUpdate {
    static let byteCount = 34

    /// Writes the message. `microseconds` is the clock since 2000-01-01 00:00 UTC.
    static func write(
        to buffer: UnsafeMutableRawBufferPointer, received: LSN, durable: LSN, microseconds: Int64, replyRequested: Bool
    ) {
        unsafe buffer[0] = UInt8(ascii: "r")
        unsafe buffer.storeBytes(of: received.rawValue.bigEndian, toByteOffset: 1, as: UInt64.self)
        unsafe buffer.storeBytes(of: durable.rawValue.bigEndian, toByteOffset: 9, as: UInt64.self)
        unsafe buffer.storeBytes(of: durable.rawValue.bigEndian, toByteOffset: 17, as: UInt64.self)
        unsafe buffer.storeBytes(of: microseconds.bigEndian, toByteOffset: 25, as: Int64.self)
        unsafe buffer[33] = replyRequested ? 1 : 0
    }
}
