import Glibc

/// The built `weir` binary, running as a user would run it: the process-level view of the product.
///
/// Killed when its owner goes. All waits are bounded and wake on the event, not by polling.
public final class WeirProcess: Sendable {
    /// Where the process's standard output goes.
    public enum Output: Sendable {
        /// Kept as lines in memory.
        case captured
        /// Written to this file: for more than some megabytes.
        case file(String)
        /// Thrown away.
        case discarded
    }

    private let child: ChildProcess
    private let output: CapturedOutput?
    private let errors: CapturedOutput

    /// The path of the binary: `WEIR_BINARY`, else `weir` beside the test bundle; nil when neither is there.
    public static let binary: String? = {
        if let given = TestEnvironment.variable("WEIR_BINARY") { return given }
        // `swift test` runs .build/<triple>/debug/weirPackageTests.xctest, and puts executables beside it.
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard readlink("/proc/self/exe", &path, path.count - 1) > 0 else { return nil }
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") }
        let own = path.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        let candidates = [bundle, own].compactMap { $0 }.map { folder(of: $0) + "/weir" }
        return candidates.first(where: TestEnvironment.isExecutable)
    }()

    private static func folder(of path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    }

    /// Starts `weir` with its standard input closed.
    ///
    /// - Parameters:
    ///   - arguments: as on the command line, without the program's name.
    ///   - program: another program to run in its place, such as one that is made of Weir's modules.
    ///   - environment: added to that of the tests.
    ///   - workingDirectory: where relative paths begin; the root folder when not given, so give one where it matters.
    ///   - output: what to do with standard output. Standard error is always captured.
    public init(
        _ arguments: [String], program: String? = nil, environment: [String: String] = [:],
        workingDirectory: String = "/", output: Output = .captured
    ) throws {
        guard let binary = program ?? Self.binary else {
            throw TestKitError("no weir binary: build it, or set WEIR_BINARY")
        }
        let errors = try CapturedOutput()
        defer { close(errors.writeEnd) }
        var request = ProcessRequest(executable: binary, arguments: arguments, environment: environment)
        request.workingDirectory = workingDirectory
        request.standardError = errors.writeEnd
        let captured: CapturedOutput?
        switch output {
        case .captured:
            captured = try CapturedOutput()
            request.standardOutput = captured?.writeEnd
        case .file(let path):
            captured = nil
            let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { throw TestKitError.system("open \(path)") }
            request.standardOutput = descriptor
        case .discarded:
            captured = nil
        }
        defer { if let descriptor = request.standardOutput { close(descriptor) } }
        self.errors = errors
        self.output = captured
        child = try ChildProcess(request)
    }

    deinit {
        child.signal(SIGKILL)
        _ = child.waitForExit(timeout: .seconds(10))
    }

    /// Runs `weir` to its end; over `timeout` it is killed and this throws.
    public static func run(
        _ arguments: [String], environment: [String: String] = [:], workingDirectory: String = "/",
        timeout: Duration = .seconds(60)
    ) throws -> CommandResult {
        guard let binary else { throw TestKitError("no weir binary: build it, or set WEIR_BINARY") }
        return try runCommand(
            binary, arguments, environment: environment, in: workingDirectory, timeout: timeout)
    }

    /// The process's number.
    public var identifier: Int32 { child.identifier }

    /// Whether it has not ended.
    public var isRunning: Bool { child.ended == nil }

    /// The lines of standard output so far.
    public var outputLines: [String] { output?.lines ?? [] }

    /// The lines of standard error so far.
    public var errorLines: [String] { errors.lines }

    /// The highest resident memory of the running process so far, in bytes; nil after its end.
    public var peakMemoryBytes: Int? {
        guard let status = try? readFile("/proc/\(identifier)/status") else { return nil }
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    }

    /// Sends a signal, e.g. `SIGTERM`; nothing happens after its end.
    public func signal(_ number: Int32) { child.signal(number) }

    /// Ends it at once, as a crash or the kernel's memory killer would, and waits until it is gone.
    public func kill9() {
        child.signal(SIGKILL)
        _ = child.waitForExit(timeout: .seconds(10))
    }

    /// Waits for its end and for all of its output; throws when it still runs after `timeout`.
    @discardableResult
    public func waitForExit(timeout: Duration = .seconds(60)) throws -> ProcessExit {
        guard let exit = child.waitForExit(timeout: timeout) else {
            throw TestKitError("weir still runs after \(timeout); its last lines:\n\(lastErrors)")
        }
        _ = errors.waitForEnd(timeout: .seconds(10))
        _ = output?.waitForEnd(timeout: .seconds(10))
        return exit
    }

    /// Waits for a line of standard error that holds `text`; throws when it ends or the time is over without one.
    @discardableResult
    public func waitForErrorLine(containing text: String, timeout: Duration = .seconds(30)) throws -> String {
        guard let line = errors.waitForLine(timeout: timeout, where: { contains($0, text) }) else {
            throw TestKitError("weir wrote no line with '\(text)' (\(state)); its last lines:\n\(lastErrors)")
        }
        return line
    }

    /// Waits for a line of standard output that holds `text`; throws when it ends or the time is over without one.
    @discardableResult
    public func waitForOutputLine(containing text: String, timeout: Duration = .seconds(30)) throws -> String {
        guard let line = output?.waitForLine(timeout: timeout, where: { contains($0, text) }) else {
            throw TestKitError("weir wrote no line with '\(text)' (\(state)); its last lines:\n\(lastErrors)")
        }
        return line
    }

    /// Waits until so many lines were written to standard output; throws when it ends or the time is over first.
    public func waitForOutputLines(_ count: Int, timeout: Duration = .seconds(30)) throws {
        guard output?.waitForLines(count, timeout: timeout) == true else {
            throw TestKitError(
                "weir wrote \(output?.lineCount ?? 0) of \(count) lines (\(state)); its last lines:\n\(lastErrors)")
        }
    }

    private var state: String { child.ended.map { "ended with \($0)" } ?? "running" }
    private var lastErrors: String { errors.lines.suffix(15).joined(separator: "\n") }
}

/// Whether `text` holds `part`, compared byte by byte.
func contains(_ text: String, _ part: String) -> Bool {
    part.isEmpty || text.withCString { text in part.withCString { strstr(text, $0) != nil } }
}
