import CLibPQ

extension PGConnection {
    /// Runs one or several statements by the simple protocol and returns the last result.
    ///
    /// Throws the server's error of the first statement that failed. A statement that starts a COPY returns at that
    /// point with a COPY status.
    /// - Parameters:
    ///   - operation: what the statement is for, in errors; the statement itself is never quoted.
    ///   - deadline: when nil, the settings' `answerTimeout` from now.
    public borrowing func query(
        _ sql: String, operation: String = "query", deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) -> PGResult {
        try checkText(sql, operation)
        guard unsafe PQsendQuery(handle, sql) == 1 else { throw connectionError(operation) }
        return try lastResult(operation, self.deadline(deadline))
    }

    /// Runs a statement with values bound as text; nil is NULL.
    public borrowing func query(
        _ sql: String, _ values: [String?], operation: String = "query", deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) -> PGResult {
        try checkText(sql, operation)
        for value in values { try checkText(value ?? "", operation) }
        let sent = unsafe CStrings.with(values) { pointers in
            unsafe PQsendQueryParams(handle, sql, Int32(values.count), nil, pointers, nil, nil, 0)
        }
        guard sent == 1 else { throw connectionError(operation) }
        return try lastResult(operation, self.deadline(deadline))
    }

    /// Runs statements whose result does not matter.
    public borrowing func execute(
        _ sql: String, operation: String = "query", deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) {
        _ = try query(sql, operation: operation, deadline: deadline)
    }

    /// Prepares a statement. Types are OIDs; 0 or a missing entry lets the server infer the type.
    public borrowing func prepare(
        _ name: String, _ sql: String, types: [UInt32] = [], deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) {
        try sendPrepare(name, sql, types: types)
        _ = try lastResult("prepare", self.deadline(deadline))
    }

    /// Runs a prepared statement with values bound as text; nil is NULL.
    public borrowing func queryPrepared(
        _ name: String, _ values: [String?], operation: String = "query", deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) -> PGResult {
        for value in values { try checkText(value ?? "", operation) }
        let sent = unsafe CStrings.with(values) { pointers in
            unsafe PQsendQueryPrepared(handle, name, Int32(values.count), pointers, nil, nil, 0)
        }
        guard sent == 1 else { throw connectionError(operation) }
        return try lastResult(operation, self.deadline(deadline))
    }

    /// Sends everything queued in libpq, reading meanwhile what the server sends (else both sides could wait for
    /// each other for ever).
    public borrowing func flush(operation: String = "send", deadline: ContinuousClock.Instant? = nil) throws(PGError) {
        while true {
            switch unsafe PQflush(handle) {
            case 0: return
            case 1:
                let ready = try waitOrThrow(forOutput: true, until: deadline, operation)
                if ready.contains(.readable) { try consumeInput(operation) }
            default: throw connectionError(operation)
            }
        }
    }

    /// Reads what has arrived, without waiting.
    public borrowing func consumeInput(_ operation: String = "receive") throws(PGError) {
        guard unsafe PQconsumeInput(handle) == 1 else { throw connectionError(operation) }
    }

    /// Bytes in the socket that were not read yet, encrypted ones where TLS is on; negative when that cannot be told.
    borrowing func bytesWaiting() -> Int { unsafe Int(weir_bytes_waiting(PQsocket(handle))) }

    /// Looks, without waiting, whether the server closed an idle connection; throws the loss.
    public borrowing func checkAlive() throws(PGError) {
        // The first read takes the server's farewell, the second one finds the end behind it.
        for _ in 0..<2 where wait(until: .now).contains(.readable) {
            try consumeInput("watch")
            _ = unsafe PQisBusy(handle)
        }
        if unsafe PQstatus(handle) != CONNECTION_OK { throw connectionError("watch") }
    }

    /// The next result of what was sent; nil when the statement (or the part of a pipeline) is finished.
    ///
    /// Unlike `query` this returns failed results as values: look at `PGResult.error`.
    public borrowing func nextResult(
        operation: String = "query", deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) -> PGResult? {
        try flush(operation: operation, deadline: deadline)
        while unsafe PQisBusy(handle) != 0 {
            _ = try waitOrThrow(forOutput: false, until: deadline, operation)
            try consumeInput(operation)
        }
        guard let result = unsafe PQgetResult(handle) else { return nil }
        return unsafe PGResult(owning: result)
    }

    /// Reads results to the end; returns the last one or throws the first error.
    func lastResult(_ operation: String, _ deadline: ContinuousClock.Instant?) throws(PGError) -> PGResult {
        var last: PGResult?
        var failure: PGError?
        while let result = try nextResult(operation: operation, deadline: deadline) {
            if let error = result.error(operation: operation) {
                failure = failure ?? error
                // A lost connection reports itself once more at the next call; there is nothing more to read.
                if error.kind == .connection { throw failure ?? error }
                continue
            }
            let status = result.status
            if status == .copyIn || status == .copyOut || status == .copyBoth { return result }
            last = consume result
        }
        if let failure { throw failure }
        guard let last else { throw PGError(.protocolViolation, operation, "the server sent no result") }
        return last
    }

    /// C strings end at the first NUL: refuse a text that would be cut short.
    func checkText(_ text: String, _ operation: String) throws(PGError) {
        if text.utf8.contains(0) { throw PGError(.usage, operation, "a statement or value contains a NUL byte") }
    }
}

/// Text forms of names and strings in SQL and in replication commands.
///
/// For sessions of this module only: they have `client_encoding` UTF-8 and `standard_conforming_strings` on.
public enum SQLText {
    /// A quoted identifier: `"a""b"`.
    public static func identifier(_ name: String) -> String { quoted(name, "\"") }

    /// A string literal: `'it''s'`.
    public static func literal(_ text: String) -> String { quoted(text, "'") }

    /// Doubles the mark scalar by scalar: as a Character, a mark followed by a combining mark is another one.
    private static func quoted(_ text: String, _ mark: Unicode.Scalar) -> String {
        var quoted = String.UnicodeScalarView([mark])
        for scalar in text.unicodeScalars {
            if scalar == mark { quoted.append(mark) }
            quoted.append(scalar)
        }
        quoted.append(mark)
        return String(quoted)
    }
}

extension PGConnection {
    /// The database's encoding is SQL_ASCII: its server knows no characters and checks none.
    public var hasUncheckedText: Bool { parameterStatus("server_encoding") == "SQL_ASCII" }

    /// Takes text as a database in SQL_ASCII holds it, in place of an error for what is not UTF-8: the caller checks.
    public func takeAnyText() throws(PGError) {
        _ = try query("SET client_encoding = 'SQL_ASCII'", operation: "connect")
    }
}
