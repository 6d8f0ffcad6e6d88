import Glibc
import Testing
import WeirTestKit

@Suite("WeirProcess", .enabled(if: WeirProcess.binary != nil, "needs the weir binary"), .timeLimit(.minutes(1)))
struct WeirProcessTests {
    @Test func aFinishedRunGivesBothOutputsAndItsStatus() throws {
        let version = try WeirProcess.run(["--version"])
        #expect(version.exit == .status(0))
        #expect(version.output.first?.hasPrefix("weir ") == true)
        #expect(version.errors.isEmpty)
        let wrong = try WeirProcess.run(["no-such-command"])
        #expect(wrong.exit == .status(2))
        #expect(wrong.output.isEmpty)
        #expect(wrong.errors.first?.contains("no-such-command") == true)
    }

    @Test func outputGoesToAFileWhenAsked() throws {
        let directory = try TemporaryDirectory()
        let process = try WeirProcess(["--help"], output: .file(directory.file("help")))
        #expect(try process.waitForExit() == .status(0))
        #expect(process.outputLines.isEmpty)
        #expect(try directory.read("help").contains("weir"))
    }

    @Test func waitingForALineThatNeverComesEndsWithTheProcess() throws {
        let process = try WeirProcess(["no-such-command"])
        try process.waitForErrorLine(containing: "no-such-command")
        let error = #expect(throws: TestKitError.self) {
            try process.waitForErrorLine(containing: "something else", timeout: .seconds(50))
        }
        #expect(error?.description.contains("no-such-command") == true)
    }
}
