import CSSL
import Glibc
import WeirCore

/// TLS in front of a PostgreSQL server that has none, as a pooler or a load balancer gives: what the server sends is
/// gathered and cut into records of random sizes up to what TLS allows (16 KiB). PostgreSQL's own hold at most 8 KiB up
/// to version 16.
///
/// A thread for each connection; they end with the relay. Speaks the start of PostgreSQL's protocol: SSLRequest,
/// GSSENCRequest (refused) and CancelRequest (passed on); a client that asks for no TLS is sent away.
public final class TLSRelay: Sendable {
    /// The port that clients connect to, on 127.0.0.1.
    public let port: Int

    private let wakeEnd: CInt

    /// Starts a relay to a port on 127.0.0.1.
    public init(to serverPort: Int, certificate: SelfSignedCertificate) throws {
        port = try LoopbackPort.next()
        let listener = socket(AF_INET, TLSRelay.stream, 0)
        guard listener >= 0, SocketAddress.loopback(port).bind(listener), listen(listener, 64) == 0 else {
            throw TestKitError.system("listen on port \(port)")
        }
        let context = try RelayContext(certificate)
        let wake = try Spawner.pipe()
        wakeEnd = wake.write
        let thread = WorkerThread(name: "tls relay") {
            defer {
                close(listener)
                close(wake.read)
            }
            while TLSRelay.poll([listener, wake.read], -1) == [true, false] {
                let client = accept(listener, nil, nil)
                let end = dup(wake.read)
                guard client >= 0, end >= 0 else { continue }
                let started = WorkerThread(name: "tls connection") {
                    RelayedConnection(client: client, end: end, serverPort: serverPort).run(context)
                }
                if started == nil { close(client) }
            }
        }
        guard thread != nil else { throw TestKitError("no thread could be started") }
    }

    /// The threads see the end of the pipe, close their connections and end.
    deinit { close(wakeEnd) }

    fileprivate static let stream = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)

    /// Which descriptors have something to read, or an end; all false after the time is over.
    fileprivate static func poll(_ descriptors: [CInt], _ milliseconds: CInt) -> [Bool] {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while Glibc.poll(&entries, nfds_t(entries.count), milliseconds) < 0 && errno == EINTR {}
        return entries.map { $0.revents != 0 }
    }
}

/// The relay's certificate and key. `@unchecked Sendable`: OpenSSL counts the references to a context, and connections
/// only read it.
private final class RelayContext: @unchecked Sendable {
    let handle: OpaquePointer

    init(_ certificate: SelfSignedCertificate) throws {
        guard let handle = SSL_CTX_new(TLS_server_method()) else { throw TestKitError("no TLS context") }
        self.handle = handle
        guard SSL_CTX_use_certificate_file(handle, certificate.file, SSL_FILETYPE_PEM) == 1,
            SSL_CTX_use_PrivateKey_file(handle, certificate.keyFile, SSL_FILETYPE_PEM) == 1
        else { throw TestKitError("the relay's certificate cannot be used") }
    }

    deinit { SSL_CTX_free(handle) }
}

/// One connection, on its own thread, which owns all of it.
private struct RelayedConnection {
    let client: CInt
    let end: CInt
    let serverPort: Int

    /// What a record of TLS holds at most.
    private static let recordMax = 16_384
    /// What is gathered of the server's answer before it is cut into records.
    private static let gatheredMax = 65_536

    func run(_ context: RelayContext) {
        let server = socket(AF_INET, TLSRelay.stream, 0)
        defer {
            for descriptor in [client, end, server] where descriptor >= 0 { close(descriptor) }
        }
        guard server >= 0, SocketAddress.loopback(serverPort).connect(server), asksForTLS(server) else { return }
        guard let session = SSL_new(context.handle) else { return }
        defer { SSL_free(session) }
        guard SSL_set_fd(session, client) == 1, SSL_accept(session) == 1 else { return }
        relay(session, server)
        SSL_shutdown(session)
    }

    /// The start of the protocol, in the clear; false when the connection ends with it.
    private func asksForTLS(_ server: CInt) -> Bool {
        while true {
            var request = [UInt8](repeating: 0, count: 8)
            guard recv(client, &request, 8, CInt(MSG_WAITALL)) == 8 else { return false }
            let code = request[4...].reduce(0) { $0 << 8 | Int($1) }
            switch code {
            case 80_877_103: return send(client, "S", 1, 0) == 1
            case 80_877_104: guard send(client, "N", 1, 0) == 1 else { return false }
            case 80_877_102:
                var rest = [UInt8](repeating: 0, count: 8)
                guard recv(client, &rest, 8, CInt(MSG_WAITALL)) == 8 else { return false }
                _ = Self.write(request + rest, to: server)
                return false
            default: return false
            }
        }
    }

    private func relay(_ session: OpaquePointer, _ server: CInt) {
        var buffer = [UInt8](repeating: 0, count: Self.gatheredMax)
        while true {
            let ready = SSL_pending(session) > 0 ? [true, false, false] : TLSRelay.poll([client, server, end], -1)
            if ready[2] { return }
            if ready[0] {
                let count = SSL_read(session, &buffer, CInt(buffer.count))
                guard count > 0, Self.write(Array(buffer[..<Int(count)]), to: server) else { return }
            }
            guard ready[1] else { continue }
            let count = gather(server, &buffer)
            guard count > 0, writeRecords(session, buffer[..<count]) else { return }
        }
    }

    private func writeRecords(_ session: OpaquePointer, _ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let record = Array(rest.prefix(Int.random(in: 1...Self.recordMax)))
            guard SSL_write(session, record, CInt(record.count)) == record.count else { return false }
            rest = rest.dropFirst(record.count)
        }
        return true
    }

    /// Reads until the buffer is full or the server is silent for a moment; 0 at its end.
    private func gather(_ server: CInt, _ buffer: inout [UInt8]) -> Int {
        var count = 0
        while count < buffer.count {
            if count > 0, !TLSRelay.poll([server], 3)[0] { break }
            let size = buffer.count - count
            let got = buffer.withUnsafeMutableBytes { recv(server, $0.baseAddress! + count, size, 0) }
            guard got > 0 else { break }
            count += got
        }
        return count
    }

    private static func write(_ bytes: [UInt8], to descriptor: CInt) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}
