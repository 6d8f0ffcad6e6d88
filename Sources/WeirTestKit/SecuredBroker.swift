/// A broker of the test's own with a listener for passwords and one for TLS.
public final class SecuredBroker: Sendable {
    /// The broker; its `bootstrap` is the listener without either.
    public let broker: KafkaBroker
    /// Bootstrap servers of the listener for SASL PLAIN; it knows `user` with `password`.
    public let passwordBootstrap: String
    /// Port of the TLS listener. Its certificate is for 127.0.0.1 and for no name.
    public let tlsPort: Int
    /// File with the certificate that signed the broker's: its own.
    public let certificate: String
    /// File with a certificate that signed nothing of the broker's.
    public let otherCertificate: String

    /// The one who may log in.
    public static let user = "weir"
    /// Its password.
    public static let password = "right-canary-4711"

    private let directory: TemporaryDirectory

    /// Starts it (about 5 s); needs `openssl` in `PATH`.
    public init() throws {
        directory = try TemporaryDirectory(forServers: true)
        let own = try SelfSignedCertificate("broker", in: directory)
        certificate = own.file
        otherCertificate = try SelfSignedCertificate("other", in: directory).file
        let (plain, sasl, tls, controller) = (
            try LoopbackPort.next(), try LoopbackPort.next(), try LoopbackPort.next(), try LoopbackPort.next()
        )
        passwordBootstrap = "127.0.0.1:\(sasl)"
        tlsPort = tls
        let clients = "PLAINTEXT://127.0.0.1:\(plain),SASL://127.0.0.1:\(sasl),TLS://127.0.0.1:\(tls)"
        let login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        broker = try KafkaBroker(
            [
                "controller.quorum.bootstrap.servers": "127.0.0.1:\(controller)",
                "listeners": "\(clients),CONTROLLER://127.0.0.1:\(controller)",
                "advertised.listeners": clients,
                "listener.security.protocol.map":
                    "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL",
                "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
                "listener.name.sasl.plain.sasl.jaas.config": "\(login) user_\(Self.user)=\"\(Self.password)\";",
                "listener.name.tls.ssl.keystore.type": "PEM",
                "listener.name.tls.ssl.keystore.location": own.bothFile,
            ], port: plain)
    }
}
