import Foundation
import Testing
import WeirTestKit

@Suite(.timeLimit(.minutes(5))) struct StandardDescriptorsTests {
    /// Starts weir from a shell, for redirections that close a descriptor.
    private func start(_ arguments: [String], _ redirection: String) throws -> (process: Process, errors: FileHandle) {
        let binary = try #require(WeirProcess.binary)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "exec \"$0\" \"$@\" \(redirection)", binary] + arguments
        let errors = Pipe()
        process.standardError = errors
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        return (process, errors.fileHandleForReading)
    }

    @Test func aClosedStandardOutputIsAnErrorOfTheWrite() throws {
        let (process, errors) = try start(["--version"], ">&-")
        let text = String(decoding: errors.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(text.contains("Bad file descriptor"))
    }

    @Test func noFileTakesThePlaceOfAClosedStandardOutput() throws {
        let directory = try TemporaryDirectory()
        let configuration = try directory.write(
            """
            pipeline: p
            source: {type: postgres, url: "postgresql://nobody@127.0.0.1:1/none"}
            sinks: [{type: stdout}]
            state: {path: \(directory.file("state"))}

            """, to: "weir.yaml")
        let (process, errors) = try start(["run", configuration], "<&- >&-")
        // The first words come when everything local is open.
        #expect(!errors.availableData.isEmpty)
        for descriptor in 0...1 {
            let link = "/proc/\(process.processIdentifier)/fd/\(descriptor)"
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "/dev/null")
        }
        process.terminate()
        _ = errors.readDataToEndOfFile()
        process.waitUntilExit()
    }
}
