import Testing
import WeirTestKit

/// The program as a user meets it: exit codes, where words go, secrets.
@Suite struct ProgramTests {
    @Test func versionAndHelpGoToTheStandardOutput() throws {
        let version = try WeirProcess.run(["--version"])
        #expect(version.exit == .status(0))
        #expect(version.output.first?.hasPrefix("weir ") == true && version.errors.isEmpty)
        let help = try WeirProcess.run(["run", "--help"])
        #expect(help.exit == .status(0))
        #expect(help.output.contains("Usage: weir run [OPTIONS] [CONFIG]") && help.errors.isEmpty)
    }

    @Test func wrongUsageIsExitCodeTwo() throws {
        let result = try WeirProcess.run(["rnu"])
        #expect(result.exit == .status(2))
        #expect(result.output.isEmpty)
        #expect(
            result.errors == [
                "weir: unknown command \"rnu\"; did you mean \"run\"?", "Try \"weir --help\".",
            ])
    }

    @Test(arguments: ["run", "backfill", "replay", "check", "status"])
    func everyProblemOfAConfigurationIsTold(command: String) throws {
        let folder = try TemporaryDirectory()
        try folder.write("source: {urk: x}\nsinks:\n  - {type: kafak}\n", to: "weir.yaml")
        let result = try WeirProcess.run([command, "--set", "state.path=[]"], workingDirectory: folder.path)
        #expect(result.exit == .status(2))
        #expect(result.output.isEmpty)
        #expect(
            result.errors == [
                "weir.yaml:1:9: source.url: this setting is required; "
                    + "The source database: any libpq connection string, several hosts and TLS included.",
                "weir.yaml:1:10: source.urk: unknown key; did you mean \"url\"?",
                "weir.yaml:3:12: sinks[0].type: \"kafak\" is not one of kafka, postgres, stdout; did you mean "
                    + "\"kafka\"?",
                "--set: state.path: expected a text, found a list",
                "weir: 4 problems in the configuration weir.yaml",
            ])
    }

    @Test func aMissingConfigurationIsExitCodeTwo() throws {
        let folder = try TemporaryDirectory()
        let result = try WeirProcess.run(["run"], workingDirectory: folder.path)
        #expect(result.exit == .status(2))
        #expect(
            result.errors == [
                "weir: The configuration weir.yaml cannot be read: No such file or directory",
                "weir: Name the file: weir run path/to/weir.yaml",
            ])
    }

    @Test(arguments: [
        "postgresql://u:Sup3rS3cret@127.0.0.1/x", "postgres:/u:Sup3rS3cret@h", "host=h password=Sup3rS3cret",
        "u:Sup3rS3cret@h",
    ])
    func anAddressInTheFilesPlaceIsNotEchoed(_ address: String) throws {
        let result = try WeirProcess.run(["run", address])
        #expect(result.exit == .status(2))
        #expect(result.errors.first?.contains("cannot be read") == true)
        #expect(!result.errors.joined().contains("Sup3rS3cret"))
        #expect(result.errors.joined().contains("takes a configuration file") == address.contains("://"))
    }

    @Test func jsonLinesOnRequest() throws {
        let folder = try TemporaryDirectory()
        let file = try folder.write("sinks: [{type: stdout}]\n", to: "c.yaml")
        let result = try WeirProcess.run(["check", file, "--log-format=json"])
        #expect(result.exit == .status(2))
        #expect(result.errors.count == 1)
        #expect(result.errors.first?.hasPrefix("{\"time\":\"") == true)
        #expect(result.errors.first?.contains("\"key\":\"source.url\"") == true)
    }

    @Test func propertiesAreCheckedWithoutABroker() throws {
        let folder = try TemporaryDirectory()
        let text = """
            source: {url: postgresql://h/db}
            sinks:
              - type: kafka
                brokers: localhost:1
                properties:
                  compression.typ: lz4
                  linger.ms: soon
            """
        try folder.write(text, to: "weir.yaml")
        let result = try WeirProcess.run(["run"], workingDirectory: folder.path)
        #expect(result.exit == .status(2))
        #expect(result.errors.count == 3)
        #expect(result.errors[0].hasPrefix("weir.yaml:6:24: sinks[0].properties.compression.typ: no such property"))
        #expect(result.errors[0].hasSuffix("; did you mean \"compression.type\"?"))
        #expect(result.errors[1].hasPrefix("weir.yaml:7:18: sinks[0].properties.linger.ms: "))
    }

    @Test func secretsOfABadConfigurationAreNotTold() throws {
        let canary = "c4n4ry-s3cr3t"
        let folder = try TemporaryDirectory()
        try folder.write("u:\(canary)\n", to: "secret")
        let text = """
            pipeline: "${CANARY}"
            source: {url: "postgresql://u:\(canary)@h/db", slot: "${CANARY}", snapshot: "${CANARY}"}
            sinks:
              - type: kafka
                brokers: x
                properties: {sasl.password: "\(canary)", ssl.key.password: "file:\(folder.path)/secret"}
              - {type: postgres, url: "host=h password=\(canary)", schema: "${CANARY}"}
            transforms: [{mask: {columns: [x], with: sha256, salt: "${CANARY}"}}]
            """
        try folder.write(text, to: "weir.yaml")
        for format in ["text", "json"] {
            let result = try WeirProcess.run(
                ["run", "--log-format", format, "--log-level", "debug"], environment: ["CANARY": canary],
                workingDirectory: folder.path)
            #expect(result.exit == .status(2))
            #expect(!(result.output + result.errors).joined().contains(canary))
            #expect(result.errors.count > 3)
        }
    }

    @Test func theReferenceIsMadeFromTheDeclarations() throws {
        let result = try WeirProcess.run(["reference"])
        #expect(result.exit == .status(0))
        #expect(result.output.contains { $0.hasPrefix("| `source.url` | connection string | **required** |") })
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func completionsArePrinted(shell: String) throws {
        let result = try WeirProcess.run(["completions", shell])
        #expect(result.exit == .status(0))
        #expect(result.output.count > 10 && result.errors.isEmpty)
    }
}
