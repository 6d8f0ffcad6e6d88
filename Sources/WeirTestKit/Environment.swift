import Glibc

/// What the machine and `Tests/run.sh` offer to the tests.
///
/// | variable | meaning |
/// |---|---|
/// | `WEIR_TEST_UNIT` | set: tests that need a server are skipped |
/// | `WEIR_TEST_PG_BIN` | folder of `initdb` and `postgres`; else the newest below `/usr/lib/postgresql` |
/// | `WEIR_TEST_KAFKA` | bootstrap servers of a running broker |
/// | `WEIR_TEST_KAFKA_KIND` | `apache`, `noida` or `given`: what that broker is |
/// | `KAFKA_HOME` | an Apache Kafka folder with `libs/`, to start brokers of one's own from |
/// | `WEIR_BINARY` | the built `weir`; else the one beside the test bundle |
public enum TestEnvironment {
    /// Only tests without servers are wanted.
    public static var isUnitOnly: Bool { variable("WEIR_TEST_UNIT") != nil }

    /// The folder of PostgreSQL's server programs; nil when none is installed.
    public static let postgresBin: String? = {
        if let given = variable("WEIR_TEST_PG_BIN") { return given }
        let root = "/usr/lib/postgresql"
        let versions = folderEntries(root).compactMap { Int($0) }.sorted(by: >)
        return versions.map { "\(root)/\($0)/bin" }.first { isExecutable($0 + "/initdb") }
    }()

    /// The Apache Kafka folder that brokers can be started from; nil when none is named or there is no Java.
    public static let kafkaHome: String? = {
        guard let home = variable("KAFKA_HOME"), java != nil else { return nil }
        return home
    }()

    /// The path of `java`; nil when there is none in `PATH`.
    public static let java: String? = executable(named: "java")

    /// The value of an environment variable; nil when it is unset or empty.
    public static func variable(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// The first executable file of that name in `PATH`.
    static func executable(named name: String) -> String? {
        (variable("PATH") ?? "/usr/bin:/bin").split(separator: ":").map { "\($0)/\(name)" }.first(where: isExecutable)
    }

    static func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 }

    static func folderEntries(_ path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}

/// Why a fixture could not do what a test asked of it.
public struct TestKitError: Error, CustomStringConvertible, Sendable {
    /// What failed and why, for the one who reads the test's output.
    public let description: String

    /// PostgreSQL's five-character error code, when the server refused a statement.
    public let sqlState: String?

    /// - Parameters:
    ///   - description: what failed and why.
    ///   - sqlState: the server's error code, when a server refused.
    public init(_ description: String, sqlState: String? = nil) {
        self.description = description
        self.sqlState = sqlState
    }

    /// The failure of a C call, with the text of `errno`.
    static func system(_ call: String, _ code: CInt = errno) -> TestKitError {
        TestKitError("\(call): \(String(cString: strerror(code)))")
    }
}
