/// How loud a log line is.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
    case debug, info, warning, error

    /// Lower is more verbose.
    public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }

    /// The level as printed and as written in `--log-level`.
    public var name: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .warning: "warning"
        case .error: "error"
        }
    }
}

/// Structured log lines: a constant message and keys with values, no row data, no secret.
///
/// Sendable; lines may come from any thread. Whoever makes the logger decides on format and place.
public struct Logger: Sendable {
    /// The least level that is written.
    public var level: LogLevel
    private let write: @Sendable (LogLevel, String, [(String, String)]) -> Void

    /// Sends each line at or above `level` to `write`, which must be safe to call from any thread and not block long.
    public init(level: LogLevel, write: @escaping @Sendable (LogLevel, String, [(String, String)]) -> Void) {
        self.level = level
        self.write = write
    }

    /// A logger that drops everything.
    public static let silent = Logger(level: .error) { _, _, _ in }

    /// Writes one line; the values are only computed when the level is on.
    public func log(_ level: LogLevel, _ message: String, _ values: @autoclosure () -> [(String, String)] = []) {
        guard level >= self.level else { return }
        write(level, message, values())
    }

    /// Writes a debug line.
    public func debug(_ message: String, _ values: @autoclosure () -> [(String, String)] = []) {
        log(.debug, message, values())
    }
    /// Writes an info line.
    public func info(_ message: String, _ values: @autoclosure () -> [(String, String)] = []) {
        log(.info, message, values())
    }
    /// Writes a warning.
    public func warning(_ message: String, _ values: @autoclosure () -> [(String, String)] = []) {
        log(.warning, message, values())
    }
    /// Writes an error.
    public func error(_ message: String, _ values: @autoclosure () -> [(String, String)] = []) {
        log(.error, message, values())
    }
}
