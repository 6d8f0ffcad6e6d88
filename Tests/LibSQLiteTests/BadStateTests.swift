import Glibc
import Testing
import WeirCore

@testable import LibSQLite

/// `<sys/fsuid.h>` is not part of the Glibc module.
private enum FileSystemUser {
    /// Sets the user whose rights count for files, in this thread.
    @_silgen_name("setfsuid")
    static func set(_ user: UInt32) -> Int32
}

/// Every way in which a state file can be bad is refused with its path and a remedy, and the file is left as it is.
@Suite struct BadStateTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func refused(_ code: WeirError.Code = .stateUnusable) throws -> WeirError {
        let error = try refusal { _ = try folder.open(onlyOnce: code == .stateBusy) }
        #expect(error.code == code)
        #expect(error.stage == .state)
        #expect(error.advice != nil)
        #expect(error.description.contains(folder.path))
        return error
    }

    @Test func zeroBytes() throws {
        try folder.prepare()
        try folder.write([], to: folder.file)
        #expect(try refused().cause == "it has only 0 bytes")
        #expect(try folder.read(folder.file).isEmpty)
    }

    @Test func garbage() throws {
        try folder.prepare()
        let garbage = [UInt8](repeating: 0x5A, count: 8192)
        try folder.write(garbage, to: folder.file)
        #expect(try refused().message.contains("is damaged"))
        #expect(try folder.read(folder.file) == garbage)
    }

    @Test(arguments: [1, 50, 100, 4096, 8192, 12_288, 16_000])
    func truncated(length: Int) throws {
        try folder.prepare()
        let whole = try folder.read(folder.file)
        #expect(whole.count > length)
        try folder.write(Array(whole[..<length]), to: folder.file)
        #expect(try refused().message.contains("is damaged"))
        #expect(try folder.read(folder.file).count == length)
    }

    @Test func noDamagedByteChangesAPosition() throws {
        try folder.prepare()
        let whole = try folder.read(folder.file)
        let place = try #require(whole.firstRange(of: Array("kafka1/10".utf8))?.lowerBound)
        let places = Array(stride(from: 0, to: whole.count, by: 61)) + Array(place - 24..<place + 24)
        var refusals = 0
        for place in places {
            var damaged = whole
            damaged[place] ^= 0x02
            try folder.write(damaged, to: folder.file)
            do {
                let stored = try folder.open().positions().map(\.position)
                #expect(stored == [StoredPosition(lsn: LSN(0x1_0000_0010), systemIdentifier: 7)], "byte \(place)")
            } catch let error as WeirError {
                #expect(error.code == .stateUnusable)
                refusals += 1
            }
        }
        #expect(refusals > 20)
    }

    @Test func anotherProgramsDatabase() throws {
        try folder.prepare()
        try edit("PRAGMA application_id = 1")
        let error = try refused()
        #expect(error.message == "\(folder.file) is not a state file of Weir")
    }

    @Test func newerVersion() throws {
        try folder.prepare()
        try edit("PRAGMA user_version = 3")
        let error = try refused()
        #expect(error.message == "The state file \(folder.file) was written by a newer version of Weir")
        #expect(error.cause == "its format is 3, this version reads up to 2")
    }

    @Test(arguments: ["DROP TABLE position", "ALTER TABLE position ADD COLUMN extra TEXT", "PRAGMA user_version = 0"])
    func otherTables(statement: String) throws {
        try folder.prepare()
        try edit(statement)
        #expect(try refused().cause?.hasPrefix("its tables are not those of format") == true)
    }

    @Test func editedPosition() throws {
        try folder.prepare()
        try edit("UPDATE position SET lsn = '0/0'")
        #expect(try refused().cause == "a row of table position fails its checksum")
    }

    @Test func symbolicLink() throws {
        try folder.prepare()
        #expect(rename(folder.file, folder.path + "/elsewhere.db") == 0)
        #expect(symlink(folder.path + "/elsewhere.db", folder.file) == 0)
        #expect(try refused().cause == "it is a symbolic link")
    }

    @Test func aFolderInPlaceOfTheFile() throws {
        try folder.prepare()
        #expect(unlink(folder.file) == 0)
        #expect(mkdir(folder.file, 0o700) == 0)
        #expect(try refused().message == "The state file \(folder.file) is not a regular file")
    }

    @Test func aFileInPlaceOfTheFolder() throws {
        try folder.write([1], to: folder.state)
        #expect(try refused().message == "The state folder \(folder.state) is not a folder")
    }

    @Test func missingParentFolder() throws {
        let error = try refusal { _ = try StateStore.open(folder: folder.path + "/no/state", pipeline: "p") }
        #expect(error.message == "The state folder \(folder.path)/no/state cannot be made")
        #expect(error.advice == "Make the folder above it, or mount the volume that holds it.")
    }

    /// File access rights bind another account; `FileSystemUser` changes them for this thread alone.
    @Test(.enabled(if: geteuid() == 0)) func notWritable() throws {
        try folder.prepare()
        #expect(chmod(folder.path, 0o755) == 0)
        #expect(chmod(folder.state, 0o755) == 0)
        #expect(chmod(folder.file, 0o644) == 0)
        _ = FileSystemUser.set(65_534)
        defer { _ = FileSystemUser.set(0) }
        #expect(try refused().cause == "Permission denied")
    }

    @Test func secondAgentIsToldThePID() throws {
        let first = try folder.open()
        let error = try refused(.stateBusy)
        #expect(error.message == "The state file is used by another process with PID \(getpid())")
        #expect(error.disposition == .operator)
        _ = first.path
    }

    @Test func theLockEndsWithItsHolder() throws {
        do { _ = try folder.open() }
        _ = try folder.open()
    }

    @Test func aCrashWhileMakingTheFileLeavesNoState() throws {
        #expect(mkdir(folder.state, 0o700) == 0)
        try folder.write([1, 2, 3], to: folder.file + ".new")
        _ = try folder.open()
        #expect(folder.mode(folder.file + ".new") == 0)
    }

    @Test func fullDiskKeepsTheOldPosition() throws {
        let store = try folder.open()
        let old = StoredPosition(lsn: LSN(1), systemIdentifier: 7, token: "old")
        try store.save(old, sink: "s")
        try store.withDatabase { (database) throws(SQLiteError) in
            let pages = try database.query("PRAGMA page_count") { $0.integer(0) }.first ?? 0
            try database.execute("PRAGMA max_page_count = \(pages)")
        }
        let large = StoredPosition(lsn: LSN(2), systemIdentifier: 7, token: String(repeating: "x", count: 100_000))
        let error = try refusal { try store.save(large, sink: "s") }
        #expect(error.message == "The state file \(folder.file) cannot grow: the disk is full")
        #expect(error.disposition == .retry)
        #expect(try store.position(sink: "s") == old)
        try store.withDatabase { (database) throws(SQLiteError) in
            try database.execute("PRAGMA max_page_count = 1000000")
        }
        try store.save(large, sink: "s")
        #expect(try store.position(sink: "s") == large)
    }

    private func edit(_ sql: String) throws {
        let database = try SQLiteDatabase(opening: folder.file)
        try database.execute(sql)
    }
}
