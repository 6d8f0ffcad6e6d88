import Foundation
import Testing
import WeirCore
import WeirTestKit

@testable import weir

/// `weir import debezium` as a process, and a slot taken over.
@Suite(.needsPostgres, .tags(.integration), .timeLimit(.minutes(5))) struct ImportCommandTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/debezium-3.6.3/offsets")

    private static let run = [
        "run", "weir.yaml", "--set", "sinks=[{type: stdout, name: kafka}]", "--set", "source.status.interval=1s",
    ]

    /// The recorded properties, of a database of this test.
    private func properties(_ changes: [String: String]) throws -> String {
        let text = try String(contentsOf: Self.fixtures.appending(path: "insert.properties"), encoding: .utf8)
        return text.split(separator: "\n").map { line in
            let name = line.split(separator: "=", maxSplits: 1)[0]
            return changes[String(name)].map { "\(name)=\($0)" } ?? String(line)
        }.joined(separator: "\n") + "\n"
    }

    /// The recorded offset with positions of another server, as a record of the offsets topic.
    private func offset(_ numbers: [String: String]) throws -> String {
        let file = try DebeziumOffsetFile(Array(Data(contentsOf: Self.fixtures.appending(path: "insert.offsets"))))
        let entry = try #require(file.entries.first)
        guard case .object(let members) = entry.offset else { return "" }
        let text = members.map { member in
            let value = member.value.string.map { "\"\($0)\"" } ?? numbers[member.name] ?? member.value.text ?? ""
            return "\"\(member.name)\":\(value)"
        }
        return "[\"\(entry.connector ?? "")\",{\"server\":\"\(entry.server)\"}]\t{\(text.joined(separator: ","))}\n"
    }

    @Test func aSlotIsTakenOverInTheMiddleOfATransaction() throws {
        let server = try PrivatePostgres.shared()
        let database = try server.createDatabase("dbz")
        let source = try server.connect(database)
        let slot = "s_\(database)"
        try source.exec("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION pub FOR ALL TABLES")
        try source.exec("INSERT INTO t VALUES (0, 'before the slot')")
        try source.exec("SELECT pg_create_logical_replication_slot('\(slot)', 'pgoutput')")
        try source.exec("INSERT INTO t VALUES (1, 'a')")
        try source.exec(
            "BEGIN; INSERT INTO t VALUES (2, 'b'); INSERT INTO t VALUES (3, 'c'); INSERT INTO t VALUES (4, 'd'); COMMIT"
        )
        try source.exec("INSERT INTO t VALUES (5, 'e')")
        // Debezium delivered rows 1 to 3.
        let messages = try source.query(
            """
            SELECT (lsn - '0/0')::text, xid::text, chr(get_byte(data, 0)) FROM pg_logical_slot_peek_binary_changes(
            '\(slot)', NULL, NULL, 'proto_version', '1', 'publication_names', 'pub')
            """)
        let inserts = messages.filter { $0[2] == "I" }
        let commit = try #require(messages.first { $0[2] == "C" }?[0])
        let (lsn, xid) = (try #require(inserts[2][0]), try #require(inserts[2][1]))
        let folder = try TemporaryDirectory()
        try folder.write(
            try properties([
                "database.hostname": "127.0.0.1", "database.port": "\(server.port)", "database.dbname": database,
                "slot.name": slot, "publication.name": "pub",
            ]), to: "engine.properties")
        try folder.write(
            try offset(["lsn": lsn, "lsn_proc": lsn, "lsn_commit": commit, "txId": xid]), to: "offsets.txt")
        let environment = ["DATABASE_PASSWORD": "x", "KAFKA_BROKERS": "127.0.0.1:1"]
        let imported = try WeirProcess.run(
            ["import", "debezium", "engine.properties", "--offsets", "offsets.txt", "--output", "weir.yaml"],
            environment: environment, workingDirectory: folder.path)
        #expect(imported.exit == .status(0), "\(imported.errors)")
        #expect(imported.output == [])
        let end = try #require(try source.value("SELECT pg_current_wal_insert_lsn()"))
        let run = try WeirProcess.run(
            Self.run + ["--until-lsn", end],
            environment: environment, workingDirectory: folder.path)
        #expect(run.exit == .status(0), "\(run.errors)")
        #expect(run.output.count == 2 && run.output[0].contains(#""after":{"id":4,"v":"d"}"#), "\(run.output)")
        #expect(run.output.last?.contains(#""after":{"id":5,"v":"e"}"#) == true)
        #expect(!run.errors.contains { $0.contains("copying") })
        // The mark is gone with the first commit: a second run goes on where the first one ended.
        try source.exec("INSERT INTO t VALUES (6, 'f')")
        let later = try #require(try source.value("SELECT pg_current_wal_insert_lsn()"))
        let second = try WeirProcess.run(
            Self.run + ["--until-lsn", later],
            environment: environment, workingDirectory: folder.path)
        #expect(second.output.count == 1 && second.output.first?.contains(#""id":6"#) == true, "\(second.output)")
        // Importing again would go back: the position that is there stays.
        let again = try WeirProcess.run(
            ["import", "debezium", "engine.properties", "--offsets", "offsets.txt", "--output", "again.yaml"],
            environment: environment, workingDirectory: folder.path)
        #expect(again.exit == .status(1) && again.errors.contains { $0.contains("holds a position") })
    }

    @Test func errorsAreExitCodeOneAndStoreNoPosition() throws {
        let folder = try TemporaryDirectory()
        try folder.write(try properties(["plugin.name": "decoderbufs"]), to: "engine.properties")
        try folder.write(try offset([:]), to: "offsets.txt")
        let command = ["import", "debezium", "engine.properties", "--offsets", "offsets.txt", "--json"]
        let refused = try WeirProcess.run(command, workingDirectory: folder.path)
        #expect(refused.exit == .status(1))
        #expect(refused.output.first?.contains(#""severity":"error","property":"plugin.name""#) == true)
        #expect(!FileManager.default.fileExists(atPath: folder.file("weir-state")))
        let forced = try WeirProcess.run(command + ["--force"], workingDirectory: folder.path)
        #expect(forced.exit == .status(0), "\(forced.errors)")
        #expect(FileManager.default.fileExists(atPath: folder.file("weir-state")))
        #expect(!(refused.output + refused.errors).contains { $0.contains("=postgres'") })
    }

    @Test func filesThatCannotBeReadAreUsage() throws {
        let folder = try TemporaryDirectory()
        try folder.write("{", to: "broken.json")
        try folder.write("", to: "empty")
        for arguments in [["no-such-file"], ["broken.json"], ["empty"], []] {
            let result = try WeirProcess.run(["import", "debezium"] + arguments, workingDirectory: folder.path)
            #expect(result.exit == .status(2), "\(arguments): \(result.errors)")
        }
    }
}
