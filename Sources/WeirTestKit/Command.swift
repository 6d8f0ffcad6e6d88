import Glibc

/// What a finished program left.
public struct CommandResult: Sendable {
    /// How it ended.
    public let exit: ProcessExit
    /// The lines of standard output.
    public let output: [String]
    /// The lines of standard error.
    public let errors: [String]
}

/// Runs a program to its end, with its standard input closed and libpq's variables left out of its environment.
///
/// - Parameters:
///   - program: a path, or a name to look for in `PATH`.
///   - arguments: without the program's name.
///   - environment: added to that of the tests.
///   - folder: where it runs.
///   - timeout: over it the program is killed and this throws.
public func runCommand(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], in folder: String = "/",
    timeout: Duration = .seconds(120)
) throws -> CommandResult {
    try runCommand(program, arguments, environment: environment, in: folder, as: nil, timeout: timeout)
}

func runCommand(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], in folder: String,
    as user: ServerUser?, timeout: Duration = .seconds(120)
) throws -> CommandResult {
    let path = program.hasPrefix("/") ? program : TestEnvironment.executable(named: program)
    guard let path else { throw TestKitError("no \(program) in PATH") }
    let output = try CapturedOutput()
    let errors = try CapturedOutput()
    var request = ProcessRequest(executable: path, arguments: arguments, environment: environment)
    request.workingDirectory = folder
    request.user = user
    request.standardOutput = output.writeEnd
    request.standardError = errors.writeEnd
    let child: ChildProcess
    do {
        defer {
            close(output.writeEnd)
            close(errors.writeEnd)
        }
        child = try ChildProcess(request)
    }
    guard let exit = child.waitForExit(timeout: timeout) else {
        child.signal(SIGKILL)
        throw TestKitError("\(program) still runs after \(timeout)")
    }
    _ = output.waitForEnd(timeout: .seconds(10))
    _ = errors.waitForEnd(timeout: .seconds(10))
    return CommandResult(exit: exit, output: output.lines, errors: errors.lines)
}
