import CLibPQ
import Glibc
import Synchronization

/// A plain connection for a test's own statements: text in, text out.
///
/// Straight on libpq and not on Weir's own owners of it, so that a test looks at the database with other eyes than the
/// code it tests. Blocking; one statement at a time, from any thread.
public final class TestConnection: Sendable {
    private let handle: Mutex<OpaquePointer?>

    /// Connects.
    ///
    /// - Parameter url: anything libpq takes.
    public init(_ url: String) throws {
        let connection = PQconnectdb(url)
        guard PQstatus(connection) == CONNECTION_OK else {
            let message = PQerrorMessage(connection).map { String(cString: $0) } ?? "out of memory"
            PQfinish(connection)
            throw TestKitError("connect: \(message)")
        }
        // Notices would go to the standard error of the tests.
        PQsetNoticeProcessor(connection, { _, _ in }, nil)
        handle = Mutex(connection)
    }

    deinit { handle.withLock { PQfinish($0) } }

    /// Runs one or more statements and forgets their rows. Several in one string are one transaction.
    public func exec(_ sql: String) throws {
        try handle.withLock { connection in
            let result = PQexec(connection, sql)
            defer { PQclear(result) }
            try Self.check(result, connection, sql)
        }
    }

    /// Runs one statement.
    ///
    /// - Parameters:
    ///   - sql: the statement, with `$1` and so on for parameters.
    ///   - parameters: their values as text; nil is NULL.
    /// - Returns: the rows, each value as PostgreSQL prints it; nil is NULL.
    public func query(_ sql: String, _ parameters: [String?] = []) throws -> [[String?]] {
        try handle.withLock { connection in
            let texts = parameters.map { $0.map { strdup($0) } ?? nil }
            defer { for text in texts { free(text) } }
            let values = texts.map { UnsafePointer($0) }
            let result = PQexecParams(connection, sql, CInt(values.count), nil, values, nil, nil, 0)
            defer { PQclear(result) }
            try Self.check(result, connection, sql)
            return (0..<PQntuples(result)).map { row in
                (0..<PQnfields(result)).map { column in
                    PQgetisnull(result, row, column) == 1 ? nil : String(cString: PQgetvalue(result, row, column))
                }
            }
        }
    }

    /// The first column of the first row; nil when that is NULL or there is no row.
    public func value(_ sql: String, _ parameters: [String?] = []) throws -> String? {
        try query(sql, parameters).first?.first ?? nil
    }

    /// The first column of the first row as a number; nil when that is none.
    public func number(_ sql: String, _ parameters: [String?] = []) throws -> Int? {
        try value(sql, parameters).flatMap { Int($0) }
    }

    /// Sends `COPY ... FROM STDIN` and its data: the fast way to many rows.
    ///
    /// - Parameters:
    ///   - sql: the COPY statement.
    ///   - data: lines in COPY's text form, each with its newline.
    public func copy(_ sql: String, _ data: String) throws {
        try handle.withLock { connection in
            let start = PQexec(connection, sql)
            let status = PQresultStatus(start)
            if status != PGRES_COPY_IN {
                defer { PQclear(start) }
                try Self.check(start, connection, sql)
                throw TestKitError("not a COPY FROM STDIN: \(sql)")
            }
            PQclear(start)
            let bytes = Array(data.utf8)
            let sent = bytes.withUnsafeBytes { buffer in
                PQputCopyData(connection, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), CInt(buffer.count))
            }
            guard sent == 1, PQputCopyEnd(connection, nil) == 1 else { throw TestKitError("COPY could not be sent") }
            while let result = PQgetResult(connection) {
                defer { PQclear(result) }
                try Self.check(result, connection, sql)
            }
        }
    }

    private static func check(_ result: OpaquePointer?, _ connection: OpaquePointer?, _ sql: String) throws {
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE, PGRES_EMPTY_QUERY: return
        default:
            // SQLSTATE: PG_DIAG_SQLSTATE is the character 'C'.
            let state = PQresultErrorField(result, CInt(UInt8(ascii: "C"))).map { String(cString: $0) }
            let message = PQerrorMessage(connection).map { String(cString: $0) } ?? "no message"
            throw TestKitError("\(message)in: \(sql.prefix(200))", sqlState: state)
        }
    }
}

/// An identifier as SQL takes it whatever it holds.
public func quotedIdentifier(_ name: String) -> String {
    "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
}

/// A text as an SQL literal, with `standard_conforming_strings` on.
public func quotedLiteral(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
}
