import Glibc
import Testing
import WeirCore
import WeirTestKit

@testable import LibSQLite

/// A folder of its own for one test, below `TMPDIR`, removed at the end.
final class TemporaryFolder {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    struct Failed: Error {}

    var path: String { directory.path }
    var state: String { path + "/state" }
    var file: String { state + "/state.db" }

    /// Opens the state. A process that another test starts holds copies of this one's locks for a moment, between
    /// fork and exec, so a lock that is taken is tried again unless `onlyOnce`.
    func open(pipeline: String = "shop", onlyOnce: Bool = false) throws -> StateStore {
        let deadline = ContinuousClock.now + .seconds(5)
        while true {
            do throws(WeirError) {
                return try StateStore.open(folder: state, pipeline: pipeline)
            } catch {
                guard error.code == .stateBusy, !onlyOnce, ContinuousClock.now < deadline else { throw error }
                sched_yield()
            }
        }
    }

    /// A state with one position, closed again.
    func prepare() throws {
        try open().save(StoredPosition(lsn: LSN(0x1_0000_0010), systemIdentifier: 7), sink: "kafka")
    }

    func write(_ bytes: [UInt8], to path: String) throws {
        let file = fopen(path, "w")
        guard let file else { throw Failed() }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw Failed() }
    }

    func read(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw Failed() }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        return Array(bytes[..<fread(&bytes, 1, bytes.count, file)])
    }

    func mode(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }
}

/// The error that `body` throws; an issue when it throws none.
func refusal(_ body: () throws -> Void) throws -> WeirError {
    do {
        try body()
    } catch let error as WeirError {
        return error
    }
    Issue.record("expected a refusal")
    throw TemporaryFolder.Failed()
}
