internal import Glibc
internal import WeirCore

/// The folder of the state file: made when missing, closed to other accounts.
struct StateFolder {
    let path: String

    /// Makes the folder (not its parents: a missing parent is most often a volume that is not mounted) or checks it.
    init(path: String) throws(WeirError) {
        let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        if unsafe mkdir(path, 0o700) != 0 {
            let code = errno
            guard code == EEXIST else {
                throw StateErrors.system(
                    "The state folder \(path) cannot be made", code,
                    advice: code == ENOENT
                        ? "Make the folder above it, or mount the volume that holds it." : StateErrors.writable(path))
            }
            var status = stat()
            guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw StateErrors.unusable(
                    "The state folder \(path) is not a folder", advice: "Set state.path to a folder.")
            }
        }
        self.path = path
    }

    /// What stands at the state file's place.
    enum Found {
        case nothing
        case file
    }

    /// Looks at the state file without following links; refuses what is no file, and an empty one.
    static func look(at path: String) throws(WeirError) -> Found {
        var status = stat()
        if unsafe lstat(path, &status) != 0 {
            guard errno == ENOENT else { throw StateErrors.system("The state file \(path) cannot be read", errno) }
            return .nothing
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StateErrors.unusable(
                "The state file \(path) is not a regular file",
                cause: status.st_mode & S_IFMT == S_IFLNK ? "it is a symbolic link" : nil,
                advice: "Move it away; to keep the state elsewhere, set state.path.")
        }
        // SQLite takes a file shorter than its header for a new, empty database.
        guard status.st_size >= 512 else {
            throw StateErrors.unusable(
                "The state file \(path) is damaged", cause: "it has only \(status.st_size) bytes",
                advice: StateErrors.restore(path))
        }
        return .file
    }

    /// Makes a whole new state file and puts it in place at once, so that a crash never leaves half of one.
    func create(_ file: String) throws(WeirError) {
        let final = "\(path)/\(file)"
        let temporary = final + ".new"
        _ = unsafe unlink(temporary)
        _ = unsafe unlink(temporary + "-journal")
        let descriptor = unsafe open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StateErrors.system("\(temporary) cannot be made", errno, advice: StateErrors.writable(final))
        }
        close(descriptor)
        do throws(SQLiteError) {
            let database = try SQLiteDatabase(opening: temporary)
            try StateSchema.create(in: database)
        } catch {
            throw StateErrors.sqlite(error, path: final)
        }
        guard unsafe rename(temporary, final) == 0 else {
            throw StateErrors.system("\(final) cannot be put in place", errno)
        }
        _ = unsafe unlink(temporary + "-journal")
        try sync()
    }

    private func sync() throws(WeirError) {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StateErrors.system("The state folder \(path) cannot be opened", errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw StateErrors.system("The state folder \(path) cannot be synced", errno)
        }
    }
}
