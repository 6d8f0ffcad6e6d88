import CLibPQ
import Glibc
public import WeirCore

/// A walsender session: replication commands, then one logical stream.
///
/// Owned and used by one thread. Life: create, `identifySystem` and slot commands as needed, `start`, then
/// `next`/`wait`/`sendStatus` until `finish`. Plain SQL can be run through `connection` before `start`.
public struct ReplicationSession: ~Copyable {
    /// Answer of IDENTIFY_SYSTEM.
    public struct SystemIdentity: Sendable, Equatable {
        /// The cluster's unique identifier, in decimal.
        public let systemIdentifier: String
        /// The current timeline.
        public let timeline: UInt32
        /// End of the flushed WAL.
        public let walEnd: LSN
        /// The database connected to.
        public let database: String
    }

    /// What happens to the snapshot that a new slot comes with.
    public enum SnapshotAction: Sendable {
        /// Exported under a name, importable until the next command on this session.
        case export
        /// Thrown away.
        case discard
    }

    /// Answer of CREATE_REPLICATION_SLOT.
    public struct CreatedSlot: Sendable, Equatable {
        /// The slot's name.
        public let name: String
        /// Changes committed after this position are streamed; those before are in the snapshot.
        public let consistentPoint: LSN
        /// Name for SET TRANSACTION SNAPSHOT; nil unless exported.
        public let snapshotName: String?
    }

    /// What one read of the stream found.
    public enum Event: ~Copyable {
        /// A plugin message: its COPY message, and where in it the payload starts.
        case data(CopyMessage, start: LSN, payload: Int)
        /// The server's WAL end; whether an answer is wanted at once.
        case keepalive(walEnd: LSN, replyRequested: Bool)
        /// Nothing has arrived.
        case dry
        /// The server ended the stream without an error (it is shutting down).
        case ended
    }

    /// The session's connection, for plain SQL before `start`.
    public private(set) var connection: PGConnection
    private static var never: ContinuousClock.Instant { .now.advanced(by: .seconds(100_000_000)) }
    private var streaming = false
    /// The socket was read since the last wait.
    private var hasRead = false
    private var ended = false
    private var unsent = false

    /// Connects with `replication=database`, whatever mode the settings name.
    public init(
        _ settings: ConnectionSettings, interrupt: WakeSignal? = nil, givesUp: (() -> Bool)? = nil,
        onNotice: (@Sendable (PGNotice) -> Void)? = nil
    ) throws(PGError) {
        var settings = settings
        settings.replication = .database
        connection = try PGConnection(settings, interrupt: interrupt, givesUp: givesUp, onNotice: onNotice)
    }

    /// Runs IDENTIFY_SYSTEM.
    public func identifySystem() throws(PGError) -> SystemIdentity {
        let result = try connection.query("IDENTIFY_SYSTEM", operation: "IDENTIFY_SYSTEM")
        guard let identifier = result.string(row: 0, column: 0),
            let timeline = result.integer(row: 0, column: 1, as: UInt32.self),
            let end = result.string(row: 0, column: 2).flatMap({ LSN($0) })
        else { throw PGError(.protocolViolation, "IDENTIFY_SYSTEM", "unexpected answer") }
        return SystemIdentity(
            systemIdentifier: identifier, timeline: timeline, walEnd: end,
            database: result.string(row: 0, column: 3) ?? "")
    }

    /// Creates a logical slot for pgoutput.
    ///
    /// Waits for every transaction that is running or prepared in the whole cluster, possibly for hours: no deadline
    /// unless given, whatever the settings say; the interrupt signal ends the wait, and the server then drops the
    /// half-made slot.
    public func createSlot(
        _ name: String, temporary: Bool = false, snapshot: SnapshotAction, failover: Bool = false,
        deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) -> CreatedSlot {
        var sql = "CREATE_REPLICATION_SLOT \(SQLText.identifier(name))\(temporary ? " TEMPORARY" : "") LOGICAL pgoutput"
        // The grammar with parentheses came with 15.
        if connection.serverVersion >= 150000 {
            var options = ["SNAPSHOT \(snapshot == .export ? "'export'" : "'nothing'")"]
            if failover && connection.serverVersion >= 170000 { options.append("FAILOVER") }
            sql += " (\(options.joined(separator: ", ")))"
        } else {
            sql += snapshot == .export ? " EXPORT_SNAPSHOT" : " NOEXPORT_SNAPSHOT"
        }
        let result = try connection.query(sql, operation: "CREATE_REPLICATION_SLOT", deadline: deadline ?? Self.never)
        guard let created = result.string(row: 0, column: 0),
            let point = result.string(row: 0, column: 1).flatMap({ LSN($0) })
        else { throw PGError(.protocolViolation, "CREATE_REPLICATION_SLOT", "unexpected answer") }
        return CreatedSlot(name: created, consistentPoint: point, snapshotName: result.string(row: 0, column: 2))
    }

    /// Drops a slot; with `wait` also one that is in use, as soon as it is free.
    public func dropSlot(
        _ name: String, wait: Bool = false, deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) {
        _ = try connection.query(
            "DROP_REPLICATION_SLOT \(SQLText.identifier(name))\(wait ? " WAIT" : "")",
            operation: "DROP_REPLICATION_SLOT", deadline: deadline)
    }

    /// Starts the stream at a position; the server goes on from the slot's confirmed position when that is later.
    /// Options are the plugin's: names are quoted as identifiers, values as literals.
    public mutating func start(
        slot: String, from position: LSN, options: [(name: String, value: String)],
        deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) {
        let list = options.map { "\(SQLText.identifier($0.name)) \(SQLText.literal($0.value))" }
        var sql = "START_REPLICATION SLOT \(SQLText.identifier(slot)) LOGICAL \(position)"
        if !list.isEmpty { sql += " (\(list.joined(separator: ", ")))" }
        let result = try connection.query(sql, operation: "START_REPLICATION", deadline: deadline)
        guard result.status == .copyBoth else {
            throw PGError(.protocolViolation, "START_REPLICATION", "the server did not start a stream")
        }
        streaming = true
    }

    /// Takes the next message. `dry` means that the socket was read since the last wait or pause and that what it gave
    /// is used up: wait, then call again. With `readingOn` the socket is read again while there is something in it.
    ///
    /// Throws the server's error when the stream ends with one, for example when the slot was invalidated or the
    /// publication does not exist.
    public mutating func next(readingOn: Bool = false) throws(PGError) -> Event {
        if ended { return .ended }
        while true {
            switch try connection.nextCopyData(operation: "receive") {
            case .message(let message):
                switch try unsafe ReplicationFrame(message.bytes) {
                case .data(let start, _, let payload): return .data(message, start: start, payload: payload)
                case .keepalive(let walEnd, let wanted): return .keepalive(walEnd: walEnd, replyRequested: wanted)
                }
            case .end:
                ended = true
                try readEnd()
                return .ended
            case .wouldBlock:
                if hasRead, !readingOn || connection.bytesWaiting() <= 0 { return .dry }
                hasRead = true
                try connection.consumeInput("receive")
            }
        }
    }

    /// Waits for input, and for room in the socket while a status update is stuck in it.
    public mutating func wait(until deadline: ContinuousClock.Instant?, wake: WakeSignal? = nil) throws(PGError)
        -> WaitResult
    {
        hasRead = false
        if unsent { unsent = !(try connection.flushAvailable()) }
        let result = connection.wait(forOutput: unsent, until: deadline, wake: wake)
        if result.contains(.writable) && unsent { unsent = !(try connection.flushAvailable()) }
        return result
    }

    /// Lets messages gather for a moment without looking at the socket; a raised wake-up or interrupt ends it early.
    ///
    /// A reader that is faster than the server is woken once a row otherwise, which costs both of them more than the
    /// row's work.
    public mutating func pause(_ duration: Duration, wake: WakeSignal? = nil) -> WaitResult {
        hasRead = false
        return SocketWait.wait(
            socket: -1, forOutput: false, deadline: .now.advanced(by: duration), wake: wake,
            interrupt: connection.interrupt)
    }

    /// Sends a status update: received up to `received`, durable (flushed and applied) up to `durable`.
    ///
    /// Never blocks: what the socket does not take now goes out in later `wait` or `sendStatus` calls.
    public mutating func sendStatus(received: LSN, durable: LSN, replyRequested: Bool = false) throws(PGError) {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        let sincePostgresEpoch = Int64(now.tv_sec) - 946_684_800
        let microseconds = sincePostgresEpoch * 1_000_000 + Int64(now.tv_nsec) / 1000
        let handle = unsafe connection.handle
        let sent = unsafe withUnsafeTemporaryAllocation(byteCount: StatusUpdate.byteCount, alignment: 8) { buffer in
            unsafe StatusUpdate.write(
                to: buffer, received: received, durable: durable, microseconds: microseconds,
                replyRequested: replyRequested)
            return unsafe PQputCopyData(
                handle, buffer.bindMemory(to: CChar.self).baseAddress, Int32(StatusUpdate.byteCount))
        }
        guard sent >= 0 else { throw connection.connectionError("status update") }
        unsent = !(try connection.flushAvailable())
    }

    /// Ends the stream in order: CopyDone, then reads until the server's own, dropping what was still under way.
    ///
    /// After it the slot is free. Throws `timeout` when the server does not end the stream in time, as it may in the
    /// middle of a large transaction; drop the session then, which frees the slot as well.
    public mutating func finish(deadline: ContinuousClock.Instant) throws(PGError) {
        guard streaming else { return }
        streaming = false
        // The interrupt may be what led here; from now on only the deadline ends a wait.
        connection.interrupt = nil
        guard unsafe PQputCopyEnd(connection.handle, nil) == 1 else { throw connection.connectionError("end stream") }
        try connection.flush(operation: "end stream", deadline: deadline)
        while !ended {
            switch try connection.nextCopyData(operation: "end stream") {
            case .message: continue
            case .end: ended = true
            case .wouldBlock:
                let ready = connection.wait(until: deadline)
                if !ready.contains(.readable) { throw PGError(.timeout, "end stream", "no answer in time") }
                try connection.consumeInput("end stream")
            }
        }
        while let result = try connection.nextResult(operation: "end stream", deadline: deadline) {
            if let error = result.error(operation: "end stream") { throw error }
        }
    }

    /// Reads what follows the end of the stream: an error, or the invitation to end our side.
    private func readEnd() throws(PGError) {
        let soon = ContinuousClock.now.advanced(by: .seconds(10))
        guard let result = try connection.nextResult(operation: "receive", deadline: soon) else { return }
        if let error = result.error(operation: "receive") { throw error }
    }
}
