/// Why a pgoutput message could not be decoded. Names bytes and offsets, never values of rows.
public struct DecodeError: Error, Sendable, Equatable {
    /// What was wrong.
    public enum Reason: Sendable, Equatable {
        /// The message ends before something that needs this many more bytes.
        case truncated(needed: Int)
        /// This many bytes are left after the end of the message.
        case trailing(Int)
        /// The message begins with a byte that protocol 1 does not know.
        case unknownMessage(UInt8)
        /// A column of a tuple has an unknown kind.
        case unknownColumnKind(UInt8)
        /// A tuple is marked with a byte that may not stand here (`K`, `O` or `N` expected).
        case unknownTupleKind(UInt8)
        /// An unknown replica identity.
        case unknownIdentity(UInt8)
        /// A flag byte has bits that the protocol does not define.
        case unknownFlags(UInt8)
        /// A string without its NUL.
        case unterminatedString
        /// A name that is not UTF-8.
        case invalidUTF8
        /// A length that is negative or larger than any value can be.
        case invalidLength(Int)
        /// A count that is negative or larger than any message can hold.
        case invalidCount(Int)
    }

    /// What was wrong.
    public let reason: Reason
    /// The message's first byte; 0 for an empty message.
    public let message: UInt8
    /// Offset in the message, in bytes, at which it went wrong.
    public let offset: Int

    /// Makes an error.
    public init(_ reason: Reason, message: UInt8, offset: Int) {
        self.reason = reason
        self.message = message
        self.offset = offset
    }
}

extension DecodeError: CustomStringConvertible {
    /// One line, for example `message 'I' at byte 7: 4 more bytes needed`.
    public var description: String {
        "message \(byteName(message)) at byte \(offset): \(reasonText)"
    }

    private var reasonText: String {
        switch reason {
        case .truncated(let needed): "\(needed) more bytes needed"
        case .trailing(let count): "\(count) bytes after the end"
        case .unknownMessage(let byte): "unknown message type \(byteName(byte))"
        case .unknownColumnKind(let byte): "unknown column kind \(byteName(byte))"
        case .unknownTupleKind(let byte): "unknown tuple kind \(byteName(byte))"
        case .unknownIdentity(let byte): "unknown replica identity \(byteName(byte))"
        case .unknownFlags(let byte): "unknown flags \(byte)"
        case .unterminatedString: "string without its end"
        case .invalidUTF8: "name that is not UTF-8"
        case .invalidLength(let length): "impossible length \(length)"
        case .invalidCount(let count): "impossible count \(count)"
        }
    }
}

/// A byte for people: the character when it prints, else its number.
func byteName(_ byte: UInt8) -> String {
    (0x21...0x7E).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "\(byte)"
}
