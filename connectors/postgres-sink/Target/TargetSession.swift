import LibPQ
import WeirCore

/// A session on the target: pinned settings, and waits that end when the attempt does.
///
/// Used on one thread. After a failure of the connection it is good for nothing but being dropped.
final class TargetSession {
    /// The peer's name in errors.
    static let peer = "the target database"
    private static let copyPieceBytes = 128 << 10

    private(set) var connection: PGConnection
    /// Looked at about once a second while waiting.
    var isCancelled: () -> Bool = { false }
    /// Waits end here with an error; nil means never.
    var deadline: ContinuousClock.Instant?
    private var noValues = ParameterBuffer()
    /// The shortest time between a question and its answer when the session began.
    let roundTrip: Duration

    /// Connects. Values have one text form, names resolve in `pg_catalog` only, a commit is on disk when it is
    /// confirmed, row-level security and the isolation level are those of an ordinary session.
    init(_ settings: PostgresTargetSettings) throws(WeirError) {
        var connect = ConnectionSettings(settings.url, applicationName: "weir \(settings.pipeline)")
        connect.connectTimeoutSeconds = settings.connectTimeoutSeconds
        // For the catalog; statements that apply changes wait in `wait` below.
        connect.answerTimeout = .seconds(60)
        connect.sessionSettings = [
            ("default_transaction_isolation", "read committed"), ("default_transaction_deferrable", "off"),
            ("row_security", "on"), ("client_min_messages", "warning"),
        ]
        do throws(PGError) {
            connection = try PGConnection(connect)
            roundTrip = Self.measureRoundTrip(connection)
        } catch {
            throw error.weirError(stage: .sink, peer: Self.peer)
        }
        watchConnection()
    }

    /// How long an answer takes that costs the server nothing.
    private static func measureRoundTrip(_ connection: borrowing PGConnection) -> Duration {
        var shortest = Duration.seconds(1)
        for _ in 0..<3 {
            let began = ContinuousClock.now
            guard (try? connection.execute("", operation: "connect")) != nil else { break }
            shortest = min(shortest, .now - began)
        }
        return shortest
    }

    /// Without this, a session whose agent is gone holds its locks, the agent's among them, for as long as its
    /// statement waits. Since 14, and not on every platform.
    private func watchConnection() {
        guard connection.serverVersion >= 140000 else { return }
        try? connection.execute("SET client_connection_check_interval = '2s'", operation: "connect")
    }

    /// Runs one statement outside of a pipeline and returns its result. A COPY returns at its start.
    func run(_ sql: String, _ values: [String?] = []) throws(TargetFailure) -> PGResult {
        for value in values {
            if let value { noValues.append(text: value) } else { noValues.appendNull() }
        }
        defer { noValues.removeAll() }
        do throws(PGError) {
            try connection.send(sql, &noValues)
        } catch {
            throw .server(error, nil)
        }
        return try result()
    }

    /// Reads results to the end of the statement at hand; returns the last or throws the first error.
    func result() throws(TargetFailure) -> PGResult {
        var last: PGResult?
        var failure: PGError?
        while true {
            try waitForResult()
            guard let result = connection.takeResult() else { break }
            if let error = result.error(operation: "apply") {
                failure = failure ?? error
                if error.kind == .connection { break }
                continue
            }
            let status = result.status
            last = consume result
            if status == .copyIn { break }
        }
        if let failure { throw .server(failure, nil) }
        guard let last else {
            throw .server(PGError(.protocolViolation, "apply", "the server sent no result"), nil)
        }
        return last
    }

    /// Waits until `takeResult` has something to return.
    func waitForResult() throws(TargetFailure) {
        while connection.isBusy {
            if try flushAvailable(), connection.isBusy { try wait(forOutput: false) }
        }
    }

    /// Sends everything queued.
    func flush() throws(TargetFailure) {
        while try !flushAvailable() {}
    }

    /// Sends what the socket takes; when that is not all, waits a while and reads what comes. True when all is sent.
    func flushAvailable() throws(TargetFailure) -> Bool {
        do throws(PGError) {
            if try connection.flushAvailable() { return true }
        } catch {
            throw .server(error, nil)
        }
        try wait(forOutput: true)
        return false
    }

    /// Waits for the socket, at most a second, and reads what has arrived.
    func wait(forOutput: Bool) throws(TargetFailure) {
        let slice = ContinuousClock.now + .seconds(1)
        let ready = connection.wait(forOutput: forOutput, until: deadline.map { min($0, slice) } ?? slice)
        if ready.contains(.readable) {
            do throws(PGError) {
                try connection.consumeInput("apply")
            } catch {
                throw .server(error, nil)
            }
        } else if ready.isEmpty {
            if isCancelled() { throw .cancelled }
            if let deadline, ContinuousClock.now >= deadline {
                throw .server(PGError(.timeout, "apply", "no answer in time"), nil)
            }
        }
    }

    // MARK: - COPY

    /// Starts a COPY FROM STDIN.
    func beginCopy(_ sql: String) throws(TargetFailure) {
        let started = try run(sql)
        guard started.status == .copyIn else {
            throw .server(PGError(.protocolViolation, "COPY FROM", "the server did not start a COPY"), nil)
        }
    }

    /// Sends bytes of the COPY at hand, in pieces: libpq's buffer grows with them and never shrinks.
    func copy(_ bytes: UnsafeRawBufferPointer) throws(TargetFailure) {
        var offset = 0
        while offset < bytes.count {
            let end = min(offset + Self.copyPieceBytes, bytes.count)
            do throws(PGError) {
                try unsafe connection.queueCopyData(UnsafeRawBufferPointer(rebasing: bytes[offset..<end]))
            } catch {
                throw .server(error, nil)
            }
            try flush()
            offset = end
        }
    }

    /// Ends the COPY at hand and returns how many rows it stored.
    func endCopy() throws(TargetFailure) -> Int {
        do throws(PGError) {
            try connection.queueCopyEnd()
        } catch {
            throw .server(error, nil)
        }
        return try result().affectedRows ?? 0
    }
}
