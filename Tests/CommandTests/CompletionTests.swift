import Glibc
import Testing
import WeirTestKit

@testable import weir

/// Completions are run in the shell they are for, where it is installed.
@Suite struct CompletionTests {
    private static func has(_ shell: String) -> Bool {
        ["/bin/", "/usr/bin/"].contains { access($0 + shell, X_OK) == 0 }
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func scriptIsWellFormed(shell: String) throws {
        let script = try #require(Completions.script(shell))
        #expect(script.hasSuffix("\n"))
        for spec in CommandTable.commands where !spec.isHidden {
            for option in spec.options { #expect(script.contains(option.name)) }
        }
        guard Self.has(shell) else { return }
        let folder = try TemporaryDirectory()
        let result = try runCommand(shell, ["-n", folder.write(script, to: "script")])
        #expect(result.exit == .status(0) && result.errors.isEmpty, "\(result.errors)")
    }

    @Test(
        .enabled(if: has("bash")),
        arguments: [
            (["weir", "ba"], "backfill"), (["weir", "slot", ""], "list drop"), (["weir", "--log-format", "j"], "json"),
            (["weir", "run", "--unt"], "--until-lsn"), (["weir", "--log-level", "debug", "sta"], "status"),
            (["weir", "slot", "drop", "--sl"], "--slot"), (["weir", "completions", "z"], "zsh"),
            (["weir", "tail", "--format", "="], "debezium flat"), (["weir", "tail", "--format", "=", "f"], "flat"),
            (["weir", "run", "--set", "=", "a", "--unt"], "--until-lsn"), (["weir", "help", "che"], "check"),
        ] as [([String], String)])
    func bashCompletes(words: [String], expected: String) throws {
        let folder = try TemporaryDirectory()
        let script = try folder.write(Completions.script("bash") ?? "", to: "script")
        let quoted = words.map { "'\($0)'" }.joined(separator: " ")
        let result = try runCommand(
            "bash",
            [
                "--norc", "-c",
                "cd / && source \(script) && COMP_WORDS=(\(quoted)) COMP_CWORD=\(words.count - 1) && _weir; "
                    + "echo \"${COMPREPLY[*]}\"",
            ])
        #expect(result.exit == .status(0))
        #expect(result.output == [expected])
    }
}
