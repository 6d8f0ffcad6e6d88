import Glibc
import Synchronization
import WeirCore

/// Where a command's words go: logs and errors to the standard error, data to the standard output, secrets nowhere.
final class Console: Sendable {
    /// The standard error.
    let standardError: StandardError
    private let format: LogFormat
    private let level: LogLevel
    private let redactor = Mutex(Redactor(secrets: []))

    /// Makes a console in the given log format.
    init(format: LogFormat = .text, level: LogLevel = .info, standardError: StandardError = StandardError()) {
        self.format = format
        self.level = level
        self.standardError = standardError
    }

    /// Hides these values from now on, wherever they turn up.
    func hide(_ secrets: Set<String>) {
        redactor.withLock { $0 = Redactor(secrets: secrets) }
    }

    /// A logger that writes here.
    var logger: Logger {
        Logger(level: level) { level, message, values in
            self.put(self.format.line(level, message, values))
        }
    }

    /// A logger that adds one key to every line.
    func logger(naming name: (String, String)) -> Logger {
        let logger = self.logger
        return Logger(level: level) { level, message, values in logger.log(level, message, [name] + values) }
    }

    /// Tells why a command failed, and what to do.
    func report(_ error: WeirError) {
        format.lines(error).forEach(put)
    }

    /// Tells all problems of a configuration.
    func report(_ problems: SettingsProblems, file: String) {
        for problem in problems.list {
            switch format {
            case .text: put(problem.description(file: file))
            case .json:
                var values = [("key", problem.keyPath), ("file", file)]
                if let line = problem.line, let column = problem.column {
                    values += [("line", "\(line)"), ("column", "\(column)")]
                }
                if let suggestion = problem.suggestion { values.append(("advice", suggestion)) }
                put(format.line(.error, problem.message, values))
            }
        }
        let count = problems.list.count
        if format == .text { put("weir: \(count) problem\(count == 1 ? "" : "s") in the configuration \(file)") }
    }

    /// Tells what is wrong with a command line.
    func report(_ error: UsageError) {
        guard format == .text else {
            put(format.line(.error, error.message, []))
            return
        }
        put("weir: \(error.message)")
        let words = error.command.map { " \($0.rawValue)" } ?? ""
        put("Try \"weir\(words) --help\".")
    }

    /// Writes data to the standard output, whole. Errors: `input-output`.
    func print(_ text: String) throws(WeirError) {
        let shown = redactor.withLock { $0.redact(text) }
        guard OutputDescriptor.write(Array(shown.utf8), to: STDOUT_FILENO) else {
            throw WeirError(
                .inputOutput, stage: .command, "The standard output cannot be written",
                cause: String(cString: strerror(errno)))
        }
    }

    private func put(_ line: String) {
        standardError.line(redactor.withLock { $0.redact(line) })
    }
}
