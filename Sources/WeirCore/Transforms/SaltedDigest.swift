/// Hashes values for `mask`. WeirCore knows no C, so whoever builds a chain injects the implementation.
///
/// Not Sendable: made and used on the source's thread.
public protocol SaltedDigest: AnyObject {
    /// Writes SHA-256(salt followed by value) to the first 32 bytes of `output`, which holds at least as many.
    /// Allocates nothing. Throws `internal-error` when the library refuses.
    func digest(_ value: Span<UInt8>, into output: inout MutableSpan<UInt8>) throws(WeirError)
}

/// Makes a digest with this salt, once for each masking transform.
public typealias SaltedDigestFactory = @Sendable (_ salt: [UInt8]) throws(WeirError) -> any SaltedDigest
