import Glibc
import Testing
import WeirTestKit

/// Random transactions over tables of every replica identity, with Weir running, stopped or killed meanwhile: the
/// target has the source's rows in the end.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(15))) struct RowPropertyScenarios {
    @Test(arguments: SchemaPropertyScenarios.seeds) func theTargetHasTheSourcesRows(seed: UInt64) throws {
        var rows = RandomRows(seed: seed)
        let mirror = try Mirror(RandomRows.setup)
        let sessions = [mirror.source, try mirror.server.connect(mirror.sourceDatabase)]
        for round in 0..<3 {
            // While it is down, while it copies or catches up, and while it streams.
            try change(&rows, sessions, steps: 60)
            let weir = try WeirProcess(["run", mirror.config], workingDirectory: mirror.directory.path)
            if Bool.random(using: &rows.random) {
                try change(&rows, sessions, steps: 60)
                weir.kill9()
                try change(&rows, sessions, steps: 30)
            } else {
                try weir.waitForErrorLine(containing: " slot=")
                try change(&rows, sessions, steps: 60)
                try mirror.stop(weir)
            }
            // A slot is made once what was open then is over.
            if round == 0 { try end(&rows, sessions) }
            let next = try mirror.stream()
            try change(&rows, sessions, steps: 60)
            try end(&rows, sessions)
            try mirror.sync(next)
            let found = try differences(mirror)
            #expect(found == [], "seed \(seed)")
            guard found.isEmpty else { return print(rows.history.joined(separator: "\n")) }
            if Bool.random(using: &rows.random) { next.kill9() } else { try mirror.stop(next) }
        }
    }

    private func change(_ rows: inout RandomRows, _ sessions: [TestConnection], steps: Int) throws {
        for _ in 0..<steps {
            let step = rows.step()
            do {
                try sessions[step.session].exec(step.sql)
            } catch {
                // A key that is taken: what is left out is no change.
                let end = rows.failed(step.session)
                try sessions[end.session].exec(end.sql)
            }
        }
    }

    private func end(_ rows: inout RandomRows, _ sessions: [TestConnection]) throws {
        for step in rows.ends() {
            do {
                try sessions[step.session].exec(step.sql)
            } catch {
                // A key that was looked at late.
                try sessions[step.session].exec("ROLLBACK")
            }
        }
    }

    private func differences(_ mirror: Mirror) throws -> [String] {
        try RandomRows.tables.filter { table in
            let sql = "SELECT r::text FROM ONLY \(table) r ORDER BY 1"
            return try mirror.source.query(sql) != mirror.target.query(sql)
        }
    }
}
