import Glibc
import Testing
import WeirTestKit

/// Random transactions over tables of every replica identity, with Weir running, stopped or killed meanwhile: in the
/// end a target database, and whoever reads the events, has the source's rows.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(15))) struct RowPropertyScenarios {
    @Test(arguments: SchemaPropertyScenarios.seeds) func theTargetHasTheSourcesRows(seed: UInt64) throws {
        let mirror = try Mirror(RandomRows.setup, binary: seed % 2 == 0 ? "auto" : "never")
        let load = try RandomLoad(mirror.source, try mirror.server.connect(mirror.sourceDatabase), seed)
        for round in 0..<3 {
            // While it is down, while it copies or catches up, and while it streams.
            try load.change(60)
            let weir = try WeirProcess(["run", mirror.config], workingDirectory: mirror.directory.path)
            if load.flip() {
                try load.change(60)
                weir.kill9()
                try load.change(30)
            } else {
                try weir.waitForErrorLine(containing: " slot=")
                try load.change(60)
                try mirror.stop(weir)
            }
            // A slot is made once what was open then is over.
            if round == 0 { try load.end() }
            let next = try mirror.stream()
            try load.change(60)
            try load.end()
            try mirror.sync(next)
            let different = try RandomRows.tables.filter { table in
                let sql = "SELECT r::text FROM ONLY \(table) r ORDER BY 1"
                return try mirror.source.query(sql) != mirror.target.query(sql)
            }
            #expect(different == [], "seed \(seed)")
            guard different.isEmpty else { return print(load.rows.history.joined(separator: "\n")) }
            if load.flip() { next.kill9() } else { try mirror.stop(next) }
        }
    }

    /// A swap of keys in one statement is left out: as events, it is a delete of one key and a row with the other,
    /// which is there already.
    @Test(arguments: SchemaPropertyScenarios.seeds) func aConsumerHasTheSourcesRows(seed: UInt64) throws {
        let mirror = try Mirror(RandomRows.setup)
        let config = try mirror.directory.write(
            """
            pipeline: \(mirror.sourceDatabase)
            source:
              url: "\(mirror.server.url(database: mirror.sourceDatabase))"
              status.interval: 300ms
              binary: \(seed % 2 == 0 ? "auto" : "never")
            debezium: {skipped.operations: none}
            sinks: [{type: stdout}]

            """, to: "events.yaml")
        func run() throws -> WeirProcess {
            let weir = try WeirProcess(["run", config], workingDirectory: mirror.directory.path)
            try weir.waitForErrorLine(containing: "streaming")
            return weir
        }
        let load = try RandomLoad(mirror.source, try mirror.server.connect(mirror.sourceDatabase), seed)
        var events = EventTables()
        try load.change(60)
        try load.end()
        for round in 1...4 {
            // The first one copies, and is not killed: a second copy has no deletes of what the first one read.
            let weir = try run()
            try load.change(80)
            if round == 1 { try load.end() }
            if round == 1 || round == 4 {
                try load.end()
                try mirror.source.exec("INSERT INTO ticks VALUES (\(round))")
                try weir.waitForOutputLine(containing: #""after":{"n":\#(round)}"#)
            }
            let isKilled = round != 1 && load.flip()
            if isKilled { weir.kill9() } else { try mirror.stop(weir) }
            try weir.waitForExit()
            try events.take(weir.outputLines, isWhole: !isKilled)
            try load.change(40)
        }
        try load.end()
        let last = try run()
        try mirror.source.exec("INSERT INTO ticks VALUES (5)")
        try last.waitForOutputLine(containing: #""after":{"n":5}"#)
        try mirror.stop(last)
        try events.take(last.outputLines, isWhole: true)
        #expect(events.rows("ticks") == ["n='1'", "n='4'", "n='5'"])
        for table in RandomRows.tables where table != "swapped" {
            let (found, wanted) = (events.rows(table), try EventTables.rows(table, mirror.source))
            let (extra, missing) = (Set(found).subtracting(wanted), Set(wanted).subtracting(found))
            #expect(extra.isEmpty && missing.isEmpty && found.count == wanted.count, "\(table), seed \(seed)")
        }
    }

    /// The events of a topic, read again from its beginning after kills of who wrote them: each change once.
    @Test(.needsKafka, arguments: SchemaPropertyScenarios.seeds) func aReplayHasTheSourcesRows(seed: UInt64) throws {
        // A replay overwrites by key: a key that rows share for a moment is none.
        let tables = ["keyed", "named", "pair", "bag", "coded", "log", "part", "base", "child"]
        let shop = try Shop(
            [.kafka], schema: RandomRows.setup, extra: "debezium: {skipped.operations: none}",
            tables: "[\(tables.map { "public.\($0)" }.joined(separator: ", "))]")
        let load = try RandomLoad(shop.source, try shop.server.connect(shop.sourceDatabase), seed)
        try load.change(60)
        try load.end()
        try shop.catchUp()
        for _ in 0..<4 {
            let weir = try shop.stream()
            try load.change(80)
            if load.flip() { weir.kill9() } else { weir.signal(SIGTERM) }
            try weir.waitForExit()
            try load.change(20)
        }
        try load.end()
        try shop.catchUp()
        let topics = tables.map { "\(shop.name).public.\($0)" }.joined(separator: ", ")
        let config = try shop.directory.write(
            """
            pipeline: \(shop.name)
            source: {type: kafka, brokers: "\(try #require(shop.broker).bootstrap)", topics: [\(topics)]}
            sinks: [{type: postgres, url: "\(shop.server.url(database: shop.targetDatabase))"}]
            state: {path: replay-state}

            """, to: "replay.yaml")
        let replay = try shop.weir(["replay", config, "--from", "earliest"])
        #expect(replay.exit == .status(0), "seed \(seed): \(replay.errors.suffix(4))")
        let different = try tables.filter { table in
            let sql = "SELECT r::text FROM \(table == "base" ? "ONLY base" : table) r ORDER BY 1"
            return try shop.source.query(sql) != shop.target.query(sql)
        }
        #expect(try shop.target.number("SELECT count(*) FROM log") ?? 0 > 0)
        #expect(different == [], "seed \(seed)")
    }
}
