import Glibc

/// A folder below `TMPDIR` that goes with its owner, or at the latest with the process.
public final class TemporaryDirectory: Sendable {
    /// The absolute path, without a slash at its end.
    public let path: String

    /// Makes an empty folder that others can read but not write.
    ///
    /// - Parameter forServers: owned by the user that servers run as, so that a server can write in it.
    public init(forServers: Bool = false) throws {
        let base = TestEnvironment.variable("TMPDIR") ?? "/tmp"
        var template = Array("\(base)/weir-test.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestKitError.system("mkdtemp in \(base)") }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        chmod(path, 0o755)
        if forServers, let user = ServerUser.current, chown(path, user.uid, user.gid) != 0 {
            throw TestKitError.system("chown \(path)")
        }
        Leftovers.remember(path: path)
    }

    deinit {
        removeTree(path)
        Leftovers.forget(path: path)
    }

    /// The path of a file in the folder; the file need not exist.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file in the folder, replacing one of that name.
    ///
    /// - Returns: the file's path.
    @discardableResult
    public func write(_ contents: String, to name: String) throws -> String {
        try writeFile(file(name), contents)
        return file(name)
    }

    /// The contents of a file in the folder, as UTF-8.
    public func read(_ name: String) throws -> String { try readFile(file(name)) }
}

/// The user that servers run as when the tests run as root: `postgres`, else `nobody`. PostgreSQL refuses root.
struct ServerUser: Sendable {
    let uid: uid_t
    let gid: gid_t

    /// Nil when the tests do not run as root: servers then run as the tests do.
    static let current: ServerUser? = {
        guard geteuid() == 0 else { return nil }
        for name in ["postgres", "nobody"] {
            if let entry = getpwnam(name) {
                return ServerUser(uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
            }
        }
        return nil
    }()
}

func writeFile(_ path: String, _ contents: String, append: Bool = false) throws {
    let flags = O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC)
    let descriptor = open(path, flags, 0o644)
    guard descriptor >= 0 else { throw TestKitError.system("open \(path)") }
    defer { close(descriptor) }
    var bytes = Array(contents.utf8)[...]
    while !bytes.isEmpty {
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { throw TestKitError.system("write \(path)") }
        bytes = bytes.dropFirst(count)
    }
}

func readFile(_ path: String) throws -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw TestKitError.system("open \(path)") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        guard count >= 0 else { throw TestKitError.system("read \(path)") }
        if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
    }
}

/// Removes a folder and all below it; what is already gone is no error, and symbolic links are not followed.
func removeTree(_ path: String) {
    // A symbolic link is unlinked as a file is; only a folder refuses.
    guard unlink(path) != 0 && errno != ENOENT else { return }
    for entry in TestEnvironment.folderEntries(path) { removeTree("\(path)/\(entry)") }
    rmdir(path)
}
