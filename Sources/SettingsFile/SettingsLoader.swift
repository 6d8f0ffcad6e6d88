internal import Glibc
public import WeirCore

/// Reads configuration files: YAML to a settings tree with overrides and environment applied.
public struct SettingsLoader {
    /// Values for `${NAME}`; `nil` when a variable is not set.
    public var variable: (String) -> String?

    /// Makes a loader over the environment of the process.
    public init() {
        variable = { name in
            unsafe getenv(name).map { unsafe String(cString: $0) }
        }
    }

    /// Makes a loader over other variables.
    public init(variable: @escaping (String) -> String?) {
        self.variable = variable
    }

    /// Reads the file at `path` as ``load(text:overrides:)`` does. Throws when the file cannot be read.
    public func load(
        path: String, overrides: [SettingsOverride] = []
    ) throws(FileReadError) -> (tree: SettingsNode, problems: [SettingsProblem]) {
        let limit = YAMLReader.Limits().bytes
        let file = try TextFile.read(path, limit: limit + 1)
        return load(text: file.bytes, overrides: overrides)
    }

    /// Reads YAML text, then applies the overrides in order, then replaces variables. The tree holds what is usable,
    /// so that a decode can go on and report the other problems too.
    public func load(
        text: [UInt8], overrides: [SettingsOverride] = []
    ) -> (tree: SettingsNode, problems: [SettingsProblem]) {
        let (parsed, syntaxProblems) = YAMLReader.read(text)
        var problems = syntaxProblems
        var tree = parsed ?? SettingsNode(.mapping([]), mark: .absent)
        for override in overrides {
            if let problem = override.apply(to: &tree) { problems.append(problem) }
        }
        var substitution = EnvironmentSubstitution(variable: variable)
        tree = substitution.apply(to: tree)
        return (tree, problems + substitution.problems)
    }

    /// How a decode reads the files of secrets: whole, at most 64 KiB, UTF-8.
    public static func secretFile(_ path: String) -> SettingsDecoding.FileContent {
        do throws(FileReadError) {
            let file = try TextFile.read(path, limit: 64 << 10)
            guard let text = String(validating: file.bytes, as: UTF8.self) else {
                return .failure("it is not UTF-8 text")
            }
            return .text(text, readableByOthers: file.isReadableByOthers)
        } catch {
            return .failure(error.reason)
        }
    }
}

/// A file that could not be read.
public struct FileReadError: Error, Sendable, Hashable {
    /// The file.
    public let path: String
    /// Why, in the system's words.
    public let reason: String
}

/// A small file read whole.
package struct TextFile {
    /// What it holds.
    package let bytes: [UInt8]
    let isReadableByOthers: Bool

    /// Reads at most `limit` bytes; more is an error, and so is anything but a regular file or a pipe.
    package static func read(_ path: String, limit: Int) throws(FileReadError) -> TextFile {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileReadError(path: path, reason: reason()) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw FileReadError(path: path, reason: reason()) }
        guard status.st_mode & S_IFMT != S_IFDIR else { throw FileReadError(path: path, reason: "it is a directory") }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileReadError(path: path, reason: reason()) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw FileReadError(path: path, reason: "it has more than \(limit) bytes")
            }
        }
        return TextFile(bytes: bytes, isReadableByOthers: status.st_mode & S_IROTH != 0)
    }

    private static func reason() -> String {
        unsafe String(cString: strerror(errno))
    }
}
