public import WeirCore

/// SHA-256 with a salt: the digest of the salt's bytes followed by the value's bytes, as
/// `printf '%s%s' SALT VALUE | sha256sum` prints it.
///
/// Not Sendable: make and use it on one thread. Hashing a value allocates nothing.
public final class SHA256: SaltedDigest {
    /// Length of a digest in bytes.
    public static let byteCount = 32

    private let context: DigestContext
    private let salt: [UInt8]

    /// Makes a digest; the salt may be empty. Throws `internal-error` when libcrypto offers no SHA-256.
    public init(salt: [UInt8] = []) throws(WeirError) {
        context = try DigestContext()
        self.salt = salt
    }

    /// Writes the digest of the salt and the value to the first 32 bytes of `output`, which holds at least as many.
    public func digest(_ value: Span<UInt8>, into output: inout MutableSpan<UInt8>) throws(WeirError) {
        try context.restart()
        let salt = self.salt
        try context.update(salt.span)
        try context.update(value)
        try context.finish(into: &output)
    }
}
