import Glibc
import WeirCore

/// How a process ended.
public enum ProcessExit: Equatable, Sendable, CustomStringConvertible {
    /// It returned this status.
    case status(Int32)
    /// This signal ended it.
    case signal(Int32)

    /// For a test's output: `status 1`, `signal 9`.
    public var description: String {
        switch self {
        case .status(let code): "status \(code)"
        case .signal(let number): "signal \(number)"
        }
    }
}

/// What to start, and as whom.
struct ProcessRequest: Sendable {
    /// The program: an absolute path.
    var executable: String
    var arguments: [String] = []
    /// Added to the test process's own environment, from which libpq's variables are left out.
    var environment: [String: String] = [:]
    var workingDirectory: String = "/"
    /// Nil: as the tests run.
    var user: ServerUser?
    /// Descriptors of the tests' own process; nil means /dev/null.
    var standardOutput: CInt?
    var standardError: CInt?
    /// What the kernel sends the process when the test process is gone, and `Leftovers` at exit.
    var deathSignal: CInt = SIGKILL
}

/// A process that a test started: reaped by a thread of its own, ended with the test process at the latest.
final class ChildProcess: Sendable {
    let identifier: pid_t
    let deathSignal: CInt
    private let exit = Monitor<ProcessExit?>(nil)

    /// Starts it. An executable that is missing or cannot run ends at once with status 126 or 127.
    init(_ request: ProcessRequest) throws {
        identifier = try Spawner.spawn(request)
        deathSignal = request.deathSignal
        Leftovers.remember(child: self)
        let (child, exit) = (identifier, exit)
        let reaper = WorkerThread(name: "reap \(child)") {
            var status: CInt = 0
            while waitpid(child, &status, 0) < 0 && errno == EINTR {}
            Leftovers.forget(child: child)
            // The macros of wait.h: the low seven bits are the signal, the next byte is the status.
            let signal = status & 0x7f
            exit.update { $0 = signal == 0 ? .status((status >> 8) & 0xff) : .signal(signal) }
        }
        guard reaper != nil else { throw TestKitError("no thread could be started") }
    }

    /// How it ended; nil while it runs.
    var ended: ProcessExit? { exit.read { $0 } }

    /// Sends a signal, unless the process has ended.
    func signal(_ number: CInt) {
        exit.read { if $0 == nil { kill(identifier, number) } }
    }

    /// Waits for its end; nil when the time is over first.
    func waitForExit(timeout: Duration) -> ProcessExit? {
        exit.wait(until: .now + timeout) { $0 }
    }
}

/// Starts processes from one thread that lives as long as the test process does.
///
/// Linux sends the parent-death signal when the *thread* that forked ends; a thread of the pool would take its servers
/// along when it is retired.
enum Spawner {
    private static let queue: Monitor<[@Sendable () -> Void]> = {
        let queue = Monitor<[@Sendable () -> Void]>([])
        _ = WorkerThread(name: "spawner") {
            while true { queue.wait(until: nil) { $0.isEmpty ? nil : $0.removeFirst() }?() }
        }
        return queue
    }()

    /// Runs `body` on the spawner's thread and waits for it.
    private static func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws(TestKitError) -> Value
    ) throws(TestKitError) -> Value {
        let result = Monitor<Result<Value, TestKitError>?>(nil)
        queue.update { queue in
            queue.append {
                let value = Result { () throws(TestKitError) in try body() }
                result.update { $0 = value }
            }
        }
        guard let value = result.wait(until: nil, { $0 }) else { throw TestKitError("the spawner is gone") }
        return try value.get()
    }

    /// Starts a process.
    static func spawn(_ request: ProcessRequest) throws -> pid_t {
        try onThread { () throws(TestKitError) in
            try spawnHere(request)
        }
    }

    /// A pipe that no other child gets an end of: made where children are made, so none starts between its two steps.
    static func pipe() throws -> (read: CInt, write: CInt) {
        let ends: [CInt] = try onThread { () throws(TestKitError) in
            var ends: [CInt] = [-1, -1]
            guard Glibc.pipe(&ends) == 0 else { throw TestKitError.system("pipe") }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return ends
        }
        return (ends[0], ends[1])
    }

    /// The command: `env` goes to the folder, `setpriv` drops root and sets the parent-death signal, then it becomes
    /// the program. Each step is an exec, so the process stays the same.
    private static func command(_ request: ProcessRequest) -> [String] {
        var command = [
            "env", "--chdir", request.workingDirectory, "setpriv", "--pdeathsig", name(of: request.deathSignal),
        ]
        if let user = request.user {
            command += ["--reuid", "\(user.uid)", "--regid", "\(user.gid)", "--clear-groups"]
        }
        return command + ["--", request.executable] + request.arguments
    }

    /// `setpriv` takes signals by name.
    private static func name(of signal: CInt) -> String {
        switch signal {
        case SIGQUIT: "QUIT"
        case SIGTERM: "TERM"
        default: "KILL"
        }
    }

    private static func environment(_ request: ProcessRequest) -> [String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 && !parts[0].hasPrefix("PG") { variables[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        variables.merge(request.environment) { $1 }
        return variables.map { "\($0)=\($1)" }
    }

    private static func spawnHere(_ request: ProcessRequest) throws(TestKitError) -> pid_t {
        guard let env = TestEnvironment.executable(named: "env") else { throw TestKitError("no env in PATH") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (descriptor, given) in [(CInt(1), request.standardOutput), (2, request.standardError)] {
            if let given {
                posix_spawn_file_actions_adddup2(&actions, given, descriptor)
            } else {
                posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
            }
        }

        // A group of its own, so that Ctrl-C reaches the tests and not their servers; default signals, none blocked.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)

        var arguments = command(request).map { strdup($0) } + [nil]
        var environment = environment(request).map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var child = pid_t()
        let status = posix_spawn(&child, env, &actions, &attributes, &arguments, &environment)
        guard status == 0 else { throw TestKitError.system("posix_spawn \(request.executable)", status) }
        return child
    }
}
