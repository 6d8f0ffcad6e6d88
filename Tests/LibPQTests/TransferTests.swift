import Testing
import WeirCore
import WeirTestKit

@testable import LibPQ

/// Pipelines, COPY and replication streams against a real server.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct TransferTests {
    private func connect(_ database: String = "postgres") throws -> PGConnection {
        try PGConnection(ConnectionSettings(try PrivatePostgres.shared().url(database: database)))
    }

    @Test func aPipelineBindsTextBinaryAndNull() throws {
        let session = try connect()
        try session.execute("CREATE TEMP TABLE t (id int, v text)")
        try session.prepare("put", "INSERT INTO t VALUES ($1, $2)")
        try session.enterPipeline()
        var values = ParameterBuffer()
        for id in 0..<600 {
            values.removeAll()
            let bytes = withUnsafeBytes(of: Int32(id).bigEndian) { Array($0) }
            bytes.withUnsafeBytes { values.append(binary: $0) }
            if id % 2 == 0 { values.appendNull() } else { values.append(text: String(repeating: "x", count: 700)) }
            try session.sendPrepared("put", &values)
        }
        try session.pipelineSync()
        var done = 0
        while true {
            guard let result = try session.nextResult() else { continue }
            let status = result.status
            if status == .pipelineSync { break }
            #expect(status == .command)
            done += 1
        }
        try session.exitPipeline()
        #expect(done == 600)
        let row = try session.query("SELECT count(*), count(v), sum(id), max(length(v)) FROM t")
        let sums = (0..<4).map { row.string(row: 0, column: $0) }
        #expect(sums == ["600", "300", "179700", "700"])
    }

    @Test func anErrorInAPipelineSkipsToTheNextSync() throws {
        let session = try connect()
        try session.enterPipeline()
        var none = ParameterBuffer()
        try session.send("SELECT 1/0", &none)
        try session.send("SELECT 1", &none)
        try session.pipelineSync()
        try session.send("SELECT 2", &none)
        try session.pipelineSync()
        var seen: [PGResult.Status] = []
        while seen.filter({ $0 == .pipelineSync }).count < 2 {
            if let result = try session.nextResult() { seen.append(result.status) }
        }
        #expect(seen == [.failed, .pipelineAborted, .pipelineSync, .rows, .pipelineSync])
    }

    @Test func copyInAndOut() throws {
        let session = try connect()
        try session.execute("CREATE TEMP TABLE t (id int, v text)")
        try session.execute("COPY t FROM STDIN")
        let rows = Array((0..<20_000).map { "\($0)\tvalue \($0)\n" }.joined().utf8)
        try rows.withUnsafeBytes { try session.copyIn($0) }
        let done = try session.endCopyIn()
        let copied = done.affectedRows
        #expect(copied == 20_000)
        try session.execute("COPY t TO STDOUT")
        var count = 0
        var bytes = 0
        while let message = try session.copyOut() {
            count += 1
            bytes += message.count
        }
        #expect(count == 20_000 && bytes == rows.count)
        let isIdle = session.transactionStatus == .idle
        #expect(isIdle)
    }

    @Test func aCopyThatFailsLeavesTheSessionUsable() throws {
        let session = try connect()
        try session.execute("CREATE TEMP TABLE t (id int)")
        for reason in [nil, "given up"] as [String?] {
            try session.execute("COPY t FROM STDIN")
            let bad = Array("1\nx\n".utf8)
            var state: String?
            do throws(PGError) {
                if reason == nil {
                    do { try bad.withUnsafeBytes { try session.copyIn($0) } } catch let error as PGError {
                        throw error
                    } catch {}
                }
                try session.endCopyIn(failing: reason)
            } catch {
                state = error.sqlState
                #expect(!error.description.contains("\"x\""))
            }
            #expect(state == (reason == nil ? "22P02" : "57014"))
        }
        let row = try session.query("SELECT count(*) FROM t")
        let count = row.string(row: 0, column: 0)
        #expect(count == "0")
    }

    @Test func aStreamFromItsSlotToItsOrderlyEnd() throws {
        let server = try PrivatePostgres.shared()
        let name = try server.createDatabase()
        let admin = try server.connect(name)
        try admin.exec(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t; INSERT INTO t VALUES (0)")
        var session = try ReplicationSession(ConnectionSettings(server.url(database: name)))
        let system = try session.identifySystem()
        let known = try admin.value("SELECT system_identifier FROM pg_control_system()")
        #expect(system.systemIdentifier == known && system.database == name)
        let slot = try session.createSlot("s_\(name)", snapshot: .export)
        // Another session sees what the slot's snapshot saw, and nothing later.
        try admin.exec("INSERT INTO t SELECT generate_series(1, 100)")
        let reader = try connect(name)
        let snapshot = try #require(slot.snapshotName)
        try reader.execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT \(SQLText.literal(snapshot))")
        let seen = try reader.query("SELECT count(*) FROM public.t").string(row: 0, column: 0)
        #expect(seen == "1")
        try session.start(
            slot: slot.name, from: slot.consistentPoint,
            options: [(name: "proto_version", value: "1"), (name: "publication_names", value: "\"p\"")])
        var tags: [UInt8] = []
        let deadline = ContinuousClock.now + .seconds(20)
        while tags.last != UInt8(ascii: "C"), ContinuousClock.now < deadline {
            switch try session.next() {
            case .data(let message, _, let payload): tags.append(message.bytes[payload])
            case .keepalive(let end, true): try session.sendStatus(received: end, durable: .zero)
            case .keepalive: break
            case .dry: _ = try session.wait(until: deadline)
            case .ended: Issue.record("the server ended the stream")
            }
        }
        #expect(tags == Array("BR".utf8) + Array(repeating: UInt8(ascii: "I"), count: 100) + Array("C".utf8))
        let end = try #require(try admin.value("SELECT pg_current_wal_lsn()").flatMap { LSN($0) })
        try session.sendStatus(received: end, durable: end)
        try session.finish(deadline: .now + .seconds(10))
        let confirmed = try admin.value(
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1", [slot.name])
        #expect(confirmed == end.description)
        // The session is free again: its slot can be dropped through it.
        try session.dropSlot(slot.name)
    }

    @Test func errorsOfReplicationCommandsKeepTheirState() throws {
        let server = try PrivatePostgres.shared()
        var session = try ReplicationSession(ConnectionSettings(server.url()))
        var state: String?
        do throws(PGError) {
            try session.start(slot: "none\"'", from: .zero, options: [(name: "a\"", value: "it's")])
        } catch { state = error.sqlState }
        #expect(state == "42704" || state == "42602")
        state = nil
        do throws(PGError) { try session.dropSlot("none") } catch { state = error.sqlState }
        #expect(state == "42704")
    }
}
