/// A certificate of a test's own for 127.0.0.1 and for no name, signed by itself, with its key.
public struct SelfSignedCertificate: Sendable {
    /// The certificate, PEM.
    public let file: String
    /// Its key without a passphrase, PEM.
    public let keyFile: String
    /// Both in one file.
    public let bothFile: String

    /// Makes it; needs `openssl` in `PATH`. The files live as long as the directory.
    ///
    /// - Parameter forServers: whether the key belongs to the account that servers run as; PostgreSQL takes no other.
    public init(_ name: String, in directory: TemporaryDirectory, forServers: Bool = false) throws {
        keyFile = directory.file("\(name).key.pem")
        file = directory.file("\(name).pem")
        let result = try runCommand(
            "openssl",
            [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", keyFile, "-out", file,
                "-subj", "/CN=\(name)", "-addext", "subjectAltName=IP:127.0.0.1",
            ], in: directory.path, as: forServers ? ServerUser.current : nil)
        guard result.exit == .status(0) else { throw TestKitError("openssl: \(result.errors.joined(separator: "\n"))") }
        let both = try directory.read("\(name).key.pem") + directory.read("\(name).pem")
        bothFile = try directory.write(both, to: "\(name).both.pem")
    }
}
