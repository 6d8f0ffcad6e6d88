import Glibc
import Testing
import WeirTestKit

/// A source, a target that Weir fills and shapes by itself, and what differs between them.
struct Mirror {
    let server: PrivatePostgres
    let source: TestConnection
    let target: TestConnection
    let sourceDatabase: String
    let targetDatabase: String
    let directory: TemporaryDirectory
    let config: String
    let ticks: Ticks
    /// Tables that only the target has are no difference: without the event trigger no drop is seen.
    var ignoresDrops = false

    /// Counts the rows that tell how far the target is.
    final class Ticks {
        var count = 0
    }

    /// Where a source's definitions come from.
    enum Definitions: String, CaseIterable {
        /// The catalog of now, and what the stream says itself.
        case inferred
        /// Messages of the event trigger, at their place of the log.
        case trigger
    }

    init(
        _ setup: String, schema: String = "full", definitions: Definitions = .inferred, binary: String = "never",
        extra: String = "", server: PrivatePostgres? = nil
    ) throws {
        let server = try server ?? PrivatePostgres.shared()
        self.server = server
        sourceDatabase = try server.createDatabase("origin")
        targetDatabase = try server.createDatabase("mirror")
        source = try server.connect(sourceDatabase)
        target = try server.connect(targetDatabase)
        ticks = Ticks()
        // Of the tables that come later as well.
        try source.exec("CREATE PUBLICATION weir_\(sourceDatabase) FOR ALL TABLES")
        try source.exec("CREATE TABLE ticks (n int PRIMARY KEY)")
        try source.exec(setup)
        directory = try TemporaryDirectory()
        config = try directory.write(
            """
            pipeline: \(sourceDatabase)
            source:
              url: "\(server.url(database: sourceDatabase))"
              status.interval: 300ms
              ddl: \(definitions.rawValue)
              binary: \(binary)
            sinks:
              - {type: postgres, url: "\(server.url(database: targetDatabase))", schema: \(schema)}
            \(extra)

            """, to: "weir.yaml")
    }

    /// Starts `weir run` and waits until it streams.
    func stream() throws -> WeirProcess {
        let weir = try WeirProcess(["run", config], workingDirectory: directory.path)
        try weir.waitForErrorLine(containing: "streaming")
        return weir
    }

    /// Runs `weir run` until it stops by itself, and returns its last lines.
    func runUntilItStops() throws -> [String] {
        let weir = try WeirProcess(["run", config], workingDirectory: directory.path)
        let exit = try weir.waitForExit(timeout: .seconds(40))
        guard exit == .status(1) else { throw TestKitError("weir ended with \(exit): \(weir.errorLines.suffix(5))") }
        return weir.errorLines
    }

    func stop(_ weir: WeirProcess) throws {
        weir.signal(SIGTERM)
        let exit = try weir.waitForExit()
        guard exit == .status(0) else { throw TestKitError("weir ended with \(exit): \(weir.errorLines.suffix(5))") }
    }

    /// Waits until the target has everything that is committed at the source now.
    func sync(_ weir: WeirProcess) throws {
        ticks.count += 1
        try source.exec("INSERT INTO ticks VALUES (\(ticks.count))")
        let isThere = eventually(timeout: .seconds(30)) {
            try !weir.isRunning || Int(target.value("SELECT max(n) FROM ticks") ?? "0") == ticks.count
        }
        guard isThere, weir.isRunning else {
            throw TestKitError("the target did not follow:\n\(weir.errorLines.suffix(12).joined(separator: "\n"))")
        }
    }

    // MARK: - Changes

    /// Makes changes at the source, one statement after the other.
    func change(_ statements: [String]) throws {
        for statement in statements { try source.exec(statement) }
    }

    /// Runs Weir until the target has what is there, stops it, and makes changes.
    func changeWhileDown(_ changes: [String]) throws {
        try stop(try stream())
        try change(changes)
    }

    /// Starts Weir, makes changes while it streams, expects that the target follows them, and stops Weir.
    ///
    /// - Parameters:
    ///   - changes: statements; none: the target catches up with what was changed before.
    ///   - earlier: statements that the target has followed before the first change; nil: it is not waited for.
    func follow(
        _ changes: [String] = [], behind earlier: [String]? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let weir = try stream()
        if let earlier {
            try change(earlier)
            try expectSame(weir, sourceLocation: sourceLocation)
        }
        try change(changes)
        try expectSame(weir, sourceLocation: sourceLocation)
        try stop(weir)
    }

    /// As `follow`, with changes that are made after Weir was stopped and before it is started again.
    func followWhileDown(_ changes: [String], sourceLocation: SourceLocation = #_sourceLocation) throws {
        try changeWhileDown(changes)
        try follow(sourceLocation: sourceLocation)
    }

    /// Does what the log advises when Weir has stopped: runs statements on the target, lets Weir apply the rows that
    /// wait, stops it, and reads a table again with `weir backfill`. Weir is down before and afterwards.
    ///
    /// - Parameters:
    ///   - table: with its schema.
    ///   - statements: run one by one, as a label cannot be used by the transaction that made it.
    ///   - advice: the line of the log; it must name the backfill.
    func mend(
        _ table: String, running statements: [String], advice: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(advice.contains("weir backfill --table \(table)"), sourceLocation: sourceLocation)
        for statement in statements { try target.exec(statement) }
        let weir = try stream()
        try sync(weir)
        try stop(weir)
        let backfill = try WeirProcess(["backfill", config, "--table", table], workingDirectory: directory.path)
        let exit = try backfill.waitForExit()
        #expect(exit == .status(0), "\(backfill.errorLines.suffix(4))", sourceLocation: sourceLocation)
    }
}
