import CMicroHTTPD
import Glibc
import Synchronization
public import WeirCore

/// What an endpoint answers.
public struct AdminResponse: Sendable, Equatable {
    /// HTTP status code.
    public var status: Int
    /// Media type of the body.
    public var contentType: String
    /// The body.
    public var body: String

    /// Makes an answer.
    public init(status: Int = 200, contentType: String, body: String) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

/// A small read-only HTTP endpoint: GET and HEAD of fixed paths, nothing else.
///
/// Serves on a thread of its own from `init` to the last release. Bounded: 49 connections (one more ends the oldest),
/// 10 s without progress, 32 KiB of request head each. `@unchecked Sendable`: the daemon handle is only used by
/// `deinit`, and libmicrohttpd joins its thread there, so no callback outlives the object; the connections have their
/// lock, and everything else is immutable.
@safe
public final class AdminServer: @unchecked Sendable {
    private final class Context: Sendable {
        let answer: @Sendable (String) -> AdminResponse?
        let connections = Mutex(OpenConnections())
        init(_ answer: @escaping @Sendable (String) -> AdminResponse?) { self.answer = answer }
    }

    private let daemon: OpaquePointer
    private let context: Unmanaged<Context>

    /// The port that is served: the one asked for, or the system's choice for 0.
    public var port: UInt16 { unsafe weir_mhd_port(daemon) }

    /// Listens on a numeric address. `answer` is called on the server's thread with the path (no query) and must not
    /// block; nil means 404. Errors: `configuration-invalid` for the address, `input-output` when it cannot be bound.
    public init(
        host: String, port: UInt16, answer: @escaping @Sendable (String) -> AdminResponse?
    ) throws(WeirError) {
        guard Self.isNumeric(host) else {
            throw WeirError(
                .configurationInvalid, stage: .configuration, "http.listen: \(host) is no numeric IP address",
                advice: "Write an address and a port, for example 127.0.0.1:8070 or [::1]:8070.")
        }
        unsafe context = Unmanaged.passRetained(Context(answer))
        guard let daemon = unsafe weir_mhd_start(host, port, serve, connectionChanged, context.toOpaque()) else {
            let cause = unsafe String(cString: strerror(errno))
            unsafe context.release()
            throw WeirError(
                .inputOutput, stage: .command, "Cannot listen on \(host):\(port) for http.listen", cause: cause,
                advice: "Choose a free port with http.listen, or stop the process that uses it.")
        }
        unsafe self.daemon = daemon
    }

    deinit {
        unsafe MHD_stop_daemon(daemon)
        unsafe context.release()
    }

    private static func isNumeric(_ host: String) -> Bool {
        var room = in6_addr()
        return unsafe inet_pton(AF_INET, host, &room) == 1 || inet_pton(AF_INET6, host, &room) == 1
    }

    /// Called by libmicrohttpd, several times for a request with a body; the body is ignored.
    private static func handle(
        _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ path: UnsafePointer<CChar>?,
        _ method: UnsafePointer<CChar>?
    ) -> MHD_Result {
        guard let context = unsafe context, let path = unsafe path, let method = unsafe method else { return .NO }
        let verb = unsafe String(cString: method)
        guard verb == "GET" || verb == "HEAD" else {
            let refusal = AdminResponse(status: 405, contentType: "text/plain", body: "only GET and HEAD\n")
            return unsafe send(refusal, connection)
        }
        let server = unsafe Unmanaged<Context>.fromOpaque(context).takeUnretainedValue()
        let missing = AdminResponse(status: 404, contentType: "text/plain", body: "no such page\n")
        return unsafe send(server.answer(String(cString: path)) ?? missing, connection)
    }

    /// Called by libmicrohttpd when a connection begins and when it is over.
    private static func notice(
        _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, isOpen: Bool
    ) {
        guard let context = unsafe context, let connection = unsafe connection else { return }
        let server = unsafe Unmanaged<Context>.fromOpaque(context).takeUnretainedValue()
        let descriptor = unsafe weir_mhd_socket(connection)
        let ended = server.connections.withLock { connections in
            if isOpen { return connections.open(descriptor) }
            connections.close(descriptor)
            return []
        }
        // The daemon's thread, this one, sees the end of the input and closes it.
        for descriptor in ended { shutdown(descriptor, CInt(SHUT_RDWR)) }
    }

    private static func send(_ answer: AdminResponse, _ connection: OpaquePointer?) -> MHD_Result {
        var bytes = Array(answer.body.utf8)
        let count = bytes.count
        let response = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe MHD_create_response_from_buffer(count, buffer.baseAddress, .RESPMEM_MUST_COPY)
        }
        guard let response = unsafe response else { return .NO }
        defer { unsafe MHD_destroy_response(response) }
        unsafe MHD_add_response_header(response, "Content-Type", answer.contentType)
        unsafe MHD_add_response_header(response, "Cache-Control", "no-store")
        return unsafe MHD_queue_response(connection, UInt32(answer.status), response)
    }

    fileprivate static let access:
        @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?, UnsafePointer<CChar>?, UnsafePointer<CChar>?) ->
            MHD_Result = { unsafe AdminServer.handle($0, $1, $2, $3) }

    fileprivate static let life: @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?, Bool) -> Void = {
        unsafe AdminServer.notice($0, $1, isOpen: $2)
    }
}

/// The C callback; version, body and per-request state are not used.
private func serve(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ path: UnsafePointer<CChar>?,
    _ method: UnsafePointer<CChar>?, _: UnsafePointer<CChar>?, _: UnsafePointer<CChar>?,
    _: UnsafeMutablePointer<Int>?, _: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    unsafe AdminServer.access(context, connection, path, method)
}

/// The C callback of a connection's begin and end.
private func connectionChanged(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ code: MHD_ConnectionNotificationCode
) {
    unsafe AdminServer.life(context, connection, code == .CONNECTION_NOTIFY_STARTED)
}
