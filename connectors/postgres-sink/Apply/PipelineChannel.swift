import LibPQ
import WeirCore

/// A statement the server has prepared.
final class PreparedStatement {
    let name: String
    let shape: StatementShape
    let text: StatementText

    init(name: String, shape: StatementShape, text: StatementText) {
        self.name = name
        self.shape = shape
        self.text = text
    }
}

/// What is expected of one statement that was sent.
struct Expectation {
    enum Rows: UInt8 {
        /// Any number.
        case any
        /// One: everything else is an error.
        case one
        /// None is noted, more than one is an error.
        case atMostOne
    }

    var rows: Rows = .any
    var operation: Operation = .message
    /// A synchronisation point, not a statement.
    var isSync = false
    /// Index of the table's plan; -1 when the statement is for no row.
    var plan: Int32 = -1
    /// The statement moves the position: no row means that another agent has taken over.
    var isPosition = false
    /// Bytes it takes in the buffers.
    var bytes: Int32 = 0
    /// The source transaction's commit LSN.
    var commitLSN: LSN = .zero
}

/// Sends statements without waiting for each answer, and matches the answers to what was sent.
///
/// Bytes between two synchronisation points and bytes whose answers are outstanding are bounded: libpq moves all that
/// is unsent at each partial send, and a server whose answers nobody reads stops reading. Used on the sink's thread.
final class PipelineChannel {
    private let session: TargetSession
    private let syncBytes: Int
    private let inFlightBytesMax: Int
    private var expected: [Expectation] = []
    private var head = 0
    private var inFlightBytes = 0
    private var unsyncedBytes = 0
    private var isOpen = false
    /// The statement at hand has had its result; the mark that ends its results comes next.
    private var awaitsEnd = false
    private var noValues = ParameterBuffer()
    private var prepared = 0
    /// Rows that were not found where that is no error.
    private(set) var missingRows: UInt64 = 0
    /// Tells which change a statement was for; only called for errors.
    var context: (Expectation) -> RowContext? = { _ in nil }

    init(_ session: TargetSession, syncBytes: Int, inFlightBytesMax: Int) {
        self.session = session
        self.syncBytes = syncBytes
        self.inFlightBytesMax = inFlightBytesMax
    }

    /// Number of statements prepared since the last `forgetStatements`.
    var preparedCount: Int { prepared }

    // MARK: - Sending

    /// Queues a statement without values.
    func send(_ sql: String, _ expectation: Expectation = Expectation()) throws(TargetFailure) {
        try send(sql, &noValues, expectation)
    }

    /// Queues a statement with values.
    func send(
        _ sql: String, _ values: inout ParameterBuffer, _ expectation: Expectation
    ) throws(TargetFailure) {
        try enter()
        do throws(PGError) {
            try session.connection.send(sql, &values)
        } catch {
            throw .server(error, nil)
        }
        try added(expectation, bytes: sql.utf8.count + values.byteCount + 64)
    }

    /// Queues a prepared statement with values.
    @inline(__always)
    func send(
        _ statement: PreparedStatement, _ values: inout ParameterBuffer, _ expectation: Expectation
    ) throws(TargetFailure) {
        try enter()
        do throws(PGError) {
            try session.connection.sendPrepared(statement.name, &values)
        } catch {
            throw .server(error, nil)
        }
        try added(expectation, bytes: values.byteCount + 48)
    }

    /// Queues the preparation of a statement; a failure is reported with the change it was first needed for.
    func prepare(
        _ shape: StatementShape, _ text: StatementText, for expectation: Expectation
    ) throws(TargetFailure) -> PreparedStatement {
        try enter()
        prepared += 1
        let statement = PreparedStatement(name: "w\(prepared)", shape: shape, text: text)
        var expectation = expectation
        expectation.rows = .any
        do throws(PGError) {
            try session.connection.sendPrepare(statement.name, text.sql, types: text.types)
        } catch {
            throw .server(error, nil)
        }
        try added(expectation, bytes: text.sql.utf8.count + 64)
        return statement
    }

    private func enter() throws(TargetFailure) {
        guard !isOpen else { return }
        do throws(PGError) {
            try session.connection.enterPipeline()
        } catch {
            throw .server(error, nil)
        }
        isOpen = true
    }

    private func added(_ expectation: Expectation, bytes: Int) throws(TargetFailure) {
        var expectation = expectation
        expectation.bytes = Int32(clamping: bytes)
        expected.append(expectation)
        inFlightBytes += Int(expectation.bytes)
        unsyncedBytes += bytes
        if unsyncedBytes >= syncBytes { try sync() }
        if inFlightBytes >= inFlightBytesMax { try receive(until: inFlightBytesMax / 2) }
    }

    private func sync() throws(TargetFailure) {
        unsyncedBytes = 0
        expected.append(Expectation(isSync: true))
        do throws(PGError) {
            try session.connection.pipelineSync()
        } catch {
            throw .server(error, nil)
        }
        try receiveAvailable()
    }

    /// Gives the server everything queued so far, without waiting for answers; throws a failure that is known already.
    func push() throws(TargetFailure) {
        guard isOpen, unsyncedBytes > 0 else { return }
        try sync()
    }

    // MARK: - Receiving

    /// Waits for every answer and checks it; throws the first failure.
    func drain() throws(TargetFailure) {
        guard isOpen else { return }
        if unsyncedBytes > 0 { try sync() }
        try receive(until: -1)
    }

    /// Drains, then leaves pipeline mode, so that plain statements and COPY are possible.
    func leave() throws(TargetFailure) {
        guard isOpen else { return }
        try drain()
        try exit()
    }

    /// Reads and drops every answer after a failure and leaves pipeline mode. Throws only when the connection is lost.
    func abandon() throws(TargetFailure) {
        guard isOpen else { return }
        if unsyncedBytes > 0 {
            unsyncedBytes = 0
            expected.append(Expectation(isSync: true))
            do throws(PGError) {
                try session.connection.pipelineSync()
            } catch {
                throw .server(error, nil)
            }
        }
        while head < expected.count {
            try session.waitForResult()
            if let failure = takeNext(check: false) { throw failure }
        }
        try exit()
    }

    private func exit() throws(TargetFailure) {
        // After a synchronisation point libpq has one more empty answer when a failure was dropped midway.
        try session.waitForResult()
        while awaitsEnd {
            if session.connection.takeResult() == nil { awaitsEnd = false }
        }
        do throws(PGError) {
            try session.connection.exitPipeline()
        } catch {
            throw .server(error, nil)
        }
        isOpen = false
        expected.removeAll(keepingCapacity: true)
        head = 0
        inFlightBytes = 0
        unsyncedBytes = 0
    }

    /// Drops all prepared statements of the session. Outside of the pipeline.
    func forgetStatements() throws(TargetFailure) {
        _ = try session.run("DEALLOCATE ALL")
        prepared = 0
    }

    /// Waits for answers until no more than so many bytes are in flight; -1 waits for all.
    private func receive(until bytes: Int) throws(TargetFailure) {
        while head < expected.count, inFlightBytes > bytes {
            // Flushed first: else both sides could wait for each other.
            if session.connection.isBusy {
                if try session.flushAvailable(), session.connection.isBusy { try session.wait(forOutput: false) }
            }
            try takeArrived()
        }
    }

    /// Sends and takes what is possible without waiting.
    private func receiveAvailable() throws(TargetFailure) {
        do throws(PGError) {
            _ = try session.connection.flushAvailable()
            try session.connection.consumeInput("apply")
        } catch {
            throw .server(error, nil)
        }
        try takeArrived()
    }

    private func takeArrived() throws(TargetFailure) {
        while head < expected.count, !session.connection.isBusy {
            if let failure = takeNext(check: true) { throw failure }
        }
    }

    /// Takes one answer, or the end of a statement's answers.
    private func takeNext(check: Bool) -> TargetFailure? {
        guard let result = session.connection.takeResult() else {
            guard awaitsEnd else {
                return .server(PGError(.protocolViolation, "apply", "an answer is missing"), nil)
            }
            awaitsEnd = false
            return nil
        }
        // Each statement has one result; were there another before its end mark, the first would count.
        if awaitsEnd { return nil }
        let expectation = expected[head]
        head += 1
        inFlightBytes -= Int(expectation.bytes)
        if head == expected.count {
            expected.removeAll(keepingCapacity: true)
            head = 0
        }
        awaitsEnd = !expectation.isSync
        return check ? verify(result, expectation) : nil
    }

    private func verify(_ result: borrowing PGResult, _ expectation: Expectation) -> TargetFailure? {
        switch result.status {
        case .command, .rows:
            if expectation.rows == .any { return nil }
            let count = result.affectedRows ?? 0
            if count == 1 { return nil }
            if expectation.isPosition { return .fenced }
            if count == 0, expectation.rows == .atMostOne {
                missingRows += 1
                return nil
            }
            return context(expectation).map { .rowCount(count, $0) }
                ?? .server(PGError(.protocolViolation, "apply", "an unexpected count of rows"), nil)
        case .pipelineSync where expectation.isSync:
            return nil
        case .failed:
            let error = result.error(operation: "apply") ?? PGError(.protocolViolation, "apply", "no error fields")
            return .server(error, context(expectation))
        default:
            return .server(PGError(.protocolViolation, "apply", "an answer out of order"), nil)
        }
    }
}
