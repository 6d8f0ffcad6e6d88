import CLibPQ

/// Owner of one `PGconn`. Create it on the thread that uses it: neither copyable nor Sendable.
///
/// The socket is non-blocking; every wait of this module is a `poll` that ends with the deadline or with the
/// interrupt signal given at creation. After an error of kind `timeout`, `interrupted` or `connection` the session is
/// in an unknown state: drop the value and connect again.
@safe
public struct PGConnection: ~Copyable {
    /// State of the session's transaction.
    public enum TransactionStatus: Sendable {
        /// No transaction.
        case idle
        /// A statement is running.
        case active
        /// In a transaction, idle.
        case inTransaction
        /// In a failed transaction: only ROLLBACK works.
        case failed
        /// The connection is bad.
        case unknown
    }

    let handle: OpaquePointer
    private let notices: Unmanaged<NoticeReceiver>
    /// Ends waits when raised; taken away for an orderly end after the interrupt.
    var interrupt: WakeSignal?
    /// Looked at while a call waits; see `init`.
    private let givesUp: (() -> Bool)?
    private let answerTimeout: Duration?

    /// Connects, authenticates and pins the session settings.
    ///
    /// Blocks at most `connectTimeoutSeconds` for each host and address. Throws `settings` for a connection string
    /// that cannot be used and `connection` for everything else, with the server's SQLSTATE when a server answered.
    /// - Parameters:
    ///   - interrupt: ends every later wait of this connection when raised.
    ///   - givesUp: called about twice a second while a statement waits for its answer; true ends the wait with an
    ///     error of kind `interrupted`. May report on what takes so long.
    ///   - onNotice: called on the connection's thread inside other calls, for each notice of the server. Without
    ///     it notices are dropped; libpq never prints them.
    public init(
        _ settings: ConnectionSettings, interrupt: WakeSignal? = nil, givesUp: (() -> Bool)? = nil,
        onNotice: (@Sendable (PGNotice) -> Void)? = nil
    ) throws(PGError) {
        let parameters = try settings.parameters()
        let receiver = NoticeReceiver(onNotice)
        let connection = try unsafe PGConnection.connect(parameters, Unmanaged.passUnretained(receiver).toOpaque())
        unsafe handle = connection
        unsafe notices = Unmanaged.passRetained(receiver)
        self.interrupt = interrupt
        self.givesUp = givesUp
        answerTimeout = settings.answerTimeout
    }

    deinit {
        unsafe PQfinish(handle)
        // The receiver is called by libpq functions on this connection only: after PQfinish there are none.
        unsafe notices.release()
    }

    /// Starts, then resets: only `PQreset` keeps libpq's walk through several hosts and addresses with a time-out for
    /// each, and verbose errors (which carry the SQLSTATE of a refused log-in) can be asked for before it.
    private static func connect(
        _ parameters: [(String, String)], _ notices: UnsafeMutableRawPointer
    ) throws(PGError) -> OpaquePointer {
        let started = unsafe CStrings.with(parameters.map(\.0)) { names in
            unsafe CStrings.with(parameters.map(\.1)) { values in unsafe PQconnectStartParams(names, values, 1) }
        }
        guard let connection = unsafe started else { throw PGError(.connection, "connect", "out of memory") }
        unsafe PQsetNoticeReceiver(connection, receiveNotice, notices)
        unsafe PQsetErrorVerbosity(connection, PQERRORS_VERBOSE)
        let early = unsafe String(cString: PQerrorMessage(connection))
        unsafe PQreset(connection)
        guard unsafe PQstatus(connection) != CONNECTION_OK else {
            unsafe PQsetErrorVerbosity(connection, PQERRORS_DEFAULT)
            do throws(PGError) {
                try unsafe pin(connection)
            } catch {
                unsafe PQfinish(connection)
                throw error
            }
            return unsafe connection
        }
        let text = unsafe String(cString: PQerrorMessage(connection))
        let needsPassword = unsafe PQconnectionNeedsPassword(connection) != 0
        unsafe PQfinish(connection)
        // A bad option stops the start and leaves nothing to reset.
        if text.isEmpty {
            throw PGError(.settings, "connect", ConnectionSettings.withoutEcho(early.trimmedLine))
        }
        var kind = PGError.Kind.connection
        if text.hasPrefix("invalid ") { kind = .settings }
        if ConnectionSettings.isEncryptionRefusal(connectError: text) { kind = .encryption }
        let secrets = ((try? ConnectionSettings.parse(parameters[0].1)) ?? [:])
            .filter { $0.key == "password" || $0.key == "sslpassword" }.map(\.value)
        let states = ConnectionSettings.sqlStates(connectError: text)
        // With several hosts, one that may come back decides.
        var state = states.first { PGError.retry(sqlState: $0) == .later } ?? states.last
        if state == nil && needsPassword { state = "28P01" }
        throw PGError(
            kind, "connect",
            ConnectionSettings.readable(connectError: text, secrets: secrets), sqlState: state)
    }

    /// Pins the settings that are too new for the start-up options, then makes the socket non-blocking.
    private static func pin(_ connection: OpaquePointer) throws(PGError) {
        let version = Int(unsafe PQserverVersion(connection))
        for setting in ConnectionSettings.pinnedSince where version >= setting.version {
            guard let answer = unsafe PQexec(connection, "SET \(setting.name) = '\(setting.value)'") else {
                throw PGError(.connection, "connect", "out of memory")
            }
            if let error = unsafe PGResult(owning: answer).error(operation: "connect") { throw error }
        }
        unsafe PQsetnonblocking(connection, 1)
    }

    /// Version of the server as a number: 150018 for 15.18.
    public var serverVersion: Int { Int(unsafe PQserverVersion(handle)) }

    /// Process ID of the backend that serves this session.
    public var backendPID: Int32 { unsafe PQbackendPID(handle) }

    /// Name of the database connected to.
    public var database: String { unsafe PQdb(handle).map { unsafe String(cString: $0) } ?? "" }

    /// Name of the role connected as.
    public var user: String { unsafe PQuser(handle).map { unsafe String(cString: $0) } ?? "" }

    /// Host connected to, for messages; a socket directory starts with `/`.
    public var host: String { unsafe PQhost(handle).map { unsafe String(cString: $0) } ?? "" }

    /// Port connected to, for messages.
    public var port: String { unsafe PQport(handle).map { unsafe String(cString: $0) } ?? "" }

    /// A parameter the server reports, such as `server_encoding` or `in_hot_standby`; nil when it does not.
    public func parameterStatus(_ name: String) -> String? {
        guard let value = unsafe PQparameterStatus(handle, name) else { return nil }
        return unsafe String(cString: value)
    }

    /// State of the session's transaction, as libpq knows it.
    public var transactionStatus: TransactionStatus {
        switch unsafe PQtransactionStatus(handle) {
        case PQTRANS_IDLE: .idle
        case PQTRANS_ACTIVE: .active
        case PQTRANS_INTRANS: .inTransaction
        case PQTRANS_INERROR: .failed
        default: .unknown
        }
    }

    /// A handle that cancels the running statement from another thread.
    public func canceller() throws(PGError) -> PGCanceller {
        guard let cancel = unsafe PQgetCancel(handle) else {
            throw PGError(.connection, "cancel", "the connection is closed")
        }
        return unsafe PGCanceller(owning: cancel)
    }

    /// The error libpq holds for the connection itself: nearly always a lost connection.
    func connectionError(_ operation: String) -> PGError {
        let text = unsafe String(cString: PQerrorMessage(handle)).trimmedLine
        return PGError(.connection, operation, text.isEmpty ? "the connection was lost" : text)
    }

    /// Waits until the socket has input (or takes output, when asked), a signal is raised or the deadline passes.
    ///
    /// With TLS it relies on libpq to have taken all that was decrypted, as 15.20 does.
    public func wait(
        forOutput: Bool = false, until deadline: ContinuousClock.Instant?, wake: WakeSignal? = nil
    ) -> WaitResult {
        SocketWait.wait(
            socket: unsafe PQsocket(handle), forOutput: forOutput, deadline: deadline, wake: wake, interrupt: interrupt)
    }

    /// The deadline of a statement that begins now.
    func deadline(_ given: ContinuousClock.Instant?) -> ContinuousClock.Instant? {
        given ?? answerTimeout.map { ContinuousClock.now.advanced(by: $0) }
    }

    /// Waits like `wait`, with deadline and interrupt as errors.
    func waitOrThrow(
        forOutput: Bool, until deadline: ContinuousClock.Instant?, _ operation: String
    ) throws(PGError) -> WaitResult {
        while true {
            var end = deadline
            if givesUp != nil {
                let soon = ContinuousClock.now.advanced(by: .milliseconds(500))
                end = deadline.map { min($0, soon) } ?? soon
            }
            let result = wait(forOutput: forOutput, until: end)
            if result.contains(.interrupted) { throw PGError(.interrupted, operation, "interrupted while waiting") }
            if !result.isEmpty { return result }
            if let deadline, ContinuousClock.now >= deadline {
                throw PGError(.timeout, operation, "no answer in time")
            }
            if let givesUp, givesUp() { throw PGError(.interrupted, operation, "given up while waiting") }
        }
    }
}

/// Receives notices for one connection. Only ever called on the thread that uses the connection.
private final class NoticeReceiver {
    let handler: (@Sendable (PGNotice) -> Void)?
    init(_ handler: (@Sendable (PGNotice) -> Void)?) { self.handler = handler }
}

private func receiveNotice(_ context: UnsafeMutableRawPointer?, _ result: OpaquePointer?) {
    guard let context = unsafe context, let result = unsafe result else { return }
    guard let handler = unsafe Unmanaged<NoticeReceiver>.fromOpaque(context).takeUnretainedValue().handler else {
        return
    }
    func field(_ code: Unicode.Scalar) -> String? {
        unsafe PQresultErrorField(result, Int32(code.value)).map { unsafe String(cString: $0) }
    }
    handler(
        PGNotice(
            severity: field("V") ?? field("S") ?? "NOTICE", sqlState: field("C"),
            message: unsafe field("M") ?? String(cString: PQresultErrorMessage(result)).trimmedLine))
}

/// Cancels the statement that runs on a connection. Usable from any thread, also after the connection is closed.
@safe
public final class PGCanceller: @unchecked Sendable {
    // Invariant: PQcancel only reads the handle, and it is freed with the last reference.
    private let handle: OpaquePointer

    init(owning handle: OpaquePointer) { unsafe self.handle = handle }

    deinit { unsafe PQfreeCancel(handle) }

    /// Asks the server to cancel; false when the request could not be sent. The statement may still finish first.
    /// Opens a connection of its own and blocks until the server closed it.
    @discardableResult
    public func cancel() -> Bool {
        var message = [CChar](repeating: 0, count: 256)
        let size = Int32(message.count)
        return unsafe PQcancel(handle, &message, size) == 1
    }
}

/// NULL-terminated arrays of C strings for the length of a call.
enum CStrings {
    static func with<Value>(
        _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Value
    ) -> Value {
        let optional: [String?] = strings
        return unsafe with(optional, body)
    }

    static func with<Value>(
        _ strings: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Value
    ) -> Value {
        var bytes: [CChar] = []
        var offsets: [Int?] = []
        for string in strings {
            guard let string else {
                offsets.append(nil)
                continue
            }
            offsets.append(bytes.count)
            bytes.append(contentsOf: string.utf8.lazy.map { CChar(bitPattern: $0) })
            bytes.append(0)
        }
        return unsafe bytes.withUnsafeBufferPointer { buffer in
            // An array of NULLs only has no bytes and no base address; nothing is added to it then.
            let base = buffer.baseAddress
            let pointers =
                unsafe offsets.map { offset in unsafe offset.flatMap { unsafe base?.advanced(by: $0) } } + [nil]
            return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
        }
    }
}
