import Glibc
import Testing

@testable import WeirTestKit

@Suite("Child processes and helpers", .timeLimit(.minutes(1)))
struct ProcessTests {
    private func start(_ script: String, keptBytesMax: Int = 1 << 20) throws -> (ChildProcess, CapturedOutput) {
        let output = try CapturedOutput(keptBytesMax: keptBytesMax)
        defer { close(output.writeEnd) }
        var request = ProcessRequest(executable: "/bin/sh", arguments: ["-c", script])
        request.environment = ["GREETING": "hello"]
        request.standardOutput = output.writeEnd
        return (try ChildProcess(request), output)
    }

    @Test func linesAndStatusArrive() throws {
        let (child, output) = try start("echo $GREETING; printf 'no newline'; exit 3")
        #expect(child.waitForExit(timeout: .seconds(10)) == .status(3))
        #expect(output.waitForEnd(timeout: .seconds(10)))
        #expect(output.lines == ["hello", "no newline"])
    }

    @Test func aWaitEndsWithTheOutputNotWithItsTimeLimit() throws {
        let (_, output) = try start("echo one")
        #expect(output.waitForLine(timeout: .seconds(30)) { $0 == "one" } == "one")
        #expect(output.waitForLine(timeout: .seconds(30)) { $0 == "two" } == nil)
        #expect(!output.waitForLines(2, timeout: .seconds(30)))
    }

    @Test func aSignalEndsIt() throws {
        let (child, output) = try start("echo ready; exec sleep 100")
        #expect(output.waitForLines(1, timeout: .seconds(10)))
        #expect(child.ended == nil)
        child.signal(SIGTERM)
        #expect(child.waitForExit(timeout: .seconds(10)) == .signal(SIGTERM))
    }

    @Test func aMissingProgramEndsWithAStatus() throws {
        let child = try ChildProcess(ProcessRequest(executable: "/nonexistent/program"))
        #expect(child.waitForExit(timeout: .seconds(10)) == .status(127))
    }

    @Test func manyLinesKeepTheirCountAndTheirEnd() throws {
        let (child, output) = try start("seq 1 100000", keptBytesMax: 10_000)
        #expect(child.waitForExit(timeout: .seconds(20)) == .status(0))
        #expect(output.waitForEnd(timeout: .seconds(10)))
        #expect(output.lineCount == 100_000)
        #expect(output.lines.last == "100000")
        #expect(output.lines.count < 2000)
    }

    @Test func aTemporaryDirectoryGoesWithAllInIt() throws {
        var directory: TemporaryDirectory? = try TemporaryDirectory()
        let path = try #require(directory?.path)
        try directory?.write("text", to: "a file")
        mkdir(path + "/sub", 0o755)
        symlink("/etc", path + "/sub/link")
        #expect(try directory?.read("a file") == "text")
        directory = nil
        #expect(access(path, F_OK) != 0)
        #expect(access("/etc/passwd", F_OK) == 0)
    }

    @Test func eventuallyLooksAgainAndGivesUp() async {
        var looks = 0
        let held = eventually {
            looks += 1
            if looks == 1 { throw TestKitError("not yet") }
            return looks == 3
        }
        #expect(held)
        #expect(looks == 3)
        #expect(!eventually(timeout: .milliseconds(20)) { false })
        let later = await eventually {
            await Task.yield(); return true
        }
        #expect(later)
    }
}
