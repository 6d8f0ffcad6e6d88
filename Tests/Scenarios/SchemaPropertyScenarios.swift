import Glibc
import Testing
import WeirTestKit

/// Random changes of definitions and rows, with Weir running, stopped or killed in between: source and target are equal
/// in the end, or Weir has stopped because it cannot know what the source has done, or has warned that it took the
/// likelier of two readings of a default.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(15))) struct SchemaPropertyScenarios {
    /// Seeds; `Tests/run.sh --soak N` asks for more.
    static let seeds = 1...(TestEnvironment.variable("WEIR_TEST_SOAK").flatMap { UInt64($0) } ?? 4)

    @Test(arguments: seeds, Mirror.Definitions.allCases)
    func theTargetEqualsTheSource(seed: UInt64, definitions: Mirror.Definitions) throws {
        var changes = RandomChanges(seed: seed)
        var mirror = try Mirror(RandomChanges.setup, definitions: definitions)
        mirror.ignoresDrops = definitions == .inferred
        try mirror.stop(try mirror.stream())
        for _ in 0..<3 {
            // While it is down: what the catalog tells is ahead of the log.
            for _ in 0..<4 { try mirror.source.exec(changes.statement()) }
            let weir = try mirror.stream()
            guard try follows(mirror, weir, seed, definitions) else { return }
            // While it runs: one change at a time.
            for _ in 0..<5 {
                try mirror.source.exec(changes.statement())
                guard try follows(mirror, weir, seed, definitions) else { return }
            }
            try mirror.source.exec(changes.lastRow())
            guard try follows(mirror, weir, seed, definitions) else { return }
            let differences = try mirror.differences(weir)
            if !differences.isEmpty, definitions == .inferred, weir.errorLines.contains(where: Self.isWarning) {
                return Self.tell(seed, "warned")
            }
            #expect(differences == [], "seed \(seed): \(changes.history.joined(separator: "\n"))")
            if Bool.random(using: &changes.random) { weir.kill9() } else { try mirror.stop(weir) }
        }
        Self.tell(seed, "equal, \(definitions)")
    }

    private func follows(
        _ mirror: Mirror, _ weir: WeirProcess, _ seed: UInt64, _ definitions: Mirror.Definitions
    ) throws -> Bool {
        do {
            try mirror.sync(weir)
            return true
        } catch {
            guard try weir.waitForExit(timeout: .seconds(5)) == .status(1),
                let line = weir.errorLines.first(where: { Self.isDoubt($0, definitions) })
            else { throw error }
            Self.tell(seed, String(line.prefix(150)))
            return false
        }
    }

    private static func isDoubt(_ line: String, _ definitions: Mirror.Definitions) -> Bool {
        if line.contains("not known") { return true }
        // The event trigger leaves no doubt. The second: a label that was renamed while Weir was down, in a row from
        // before.
        return definitions == .inferred
            && (line.contains("two ways") || line.contains("invalid input value for enum"))
    }

    private static func isWarning(_ line: String) -> Bool {
        line.contains("if the default was changed meanwhile") || line.contains("whose default is gone")
    }

    /// What became of a seed, for those who look at many.
    private static func tell(_ seed: UInt64, _ end: String) {
        if seeds.count > 4 { print("seed \(seed): \(end)") }
    }
}
