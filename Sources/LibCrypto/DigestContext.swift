import CCrypto
import WeirCore

/// Owner of one `EVP_MD_CTX` set to SHA-256, used again and again. Not Sendable: stays on one thread.
///
/// Source: OpenSSL 3.0, EVP_DigestInit(3). After the first start no call allocates: `EVP_DigestInit_ex` without a type
/// resets the context in place.
@safe
struct DigestContext: ~Copyable {
    private let context: OpaquePointer

    /// Makes a context; throws `internal-error` when libcrypto offers no SHA-256 (a crippled provider configuration).
    init() throws(WeirError) {
        guard let made = unsafe EVP_MD_CTX_new() else {
            throw DigestContext.failure("libcrypto could not make a digest context")
        }
        guard unsafe EVP_DigestInit_ex(made, EVP_sha256(), nil) == 1 else {
            unsafe EVP_MD_CTX_free(made)
            throw DigestContext.failure("libcrypto offers no SHA-256")
        }
        unsafe context = made
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    /// Forgets what was hashed.
    func restart() throws(WeirError) {
        try check(unsafe EVP_DigestInit_ex(context, nil, nil))
    }

    /// Adds bytes.
    func update(_ bytes: Span<UInt8>) throws(WeirError) {
        try check(unsafe bytes.withUnsafeBytes { unsafe EVP_DigestUpdate(context, $0.baseAddress, $0.count) })
    }

    /// Writes the digest's 32 bytes; `output` holds at least as many.
    func finish(into output: inout MutableSpan<UInt8>) throws(WeirError) {
        precondition(output.count >= SHA256.byteCount, "the output of a SHA-256 has 32 bytes")
        try check(
            unsafe output.withUnsafeMutableBytes {
                unsafe EVP_DigestFinal_ex(context, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), nil)
            })
    }

    private func check(_ status: Int32) throws(WeirError) {
        guard status == 1 else { throw DigestContext.failure("libcrypto could not compute a SHA-256") }
    }

    private static func failure(_ message: String) -> WeirError {
        var text = [CChar](repeating: 0, count: 256)
        let code = ERR_get_error()
        if code != 0 { unsafe ERR_error_string_n(code, &text, text.count) }
        ERR_clear_error()
        let cause = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return WeirError(
            .internalError, stage: .transform, message, cause: cause.isEmpty ? nil : cause,
            advice: "Check the OpenSSL installation and its configuration (openssl.cnf, providers).")
    }
}
