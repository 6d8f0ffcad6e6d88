internal import Glibc
internal import WeirCore

/// The errors of the state file, each with the path and what to do.
enum StateErrors {
    static func unusable(_ message: String, cause: String? = nil, advice: String? = nil) -> WeirError {
        WeirError(.stateUnusable, stage: .state, message, cause: cause, advice: advice)
    }

    static func system(_ message: String, _ code: Int32, advice: String? = nil) -> WeirError {
        unusable(message, cause: unsafe String(cString: strerror(code)), advice: advice)
    }

    static func writable(_ path: String) -> String {
        "Make the folder of \(path) writable for this account, or set state.path to one that is."
    }

    /// What to do when the file cannot be trusted. Starting from nothing may lose or repeat changes, so it is never
    /// automatic.
    static func restore(_ path: String) -> String {
        "Restore \(path) from a backup, or move it away, drop the slot with \"weir slot drop\", take a new snapshot."
    }

    static func sqlite(_ error: SQLiteError, path: String) -> WeirError {
        if error.isFull {
            return unusable(
                "The state file \(path) cannot grow: the disk is full", cause: error.message,
                advice: "Free space on that file system; the stored positions are intact."
            ).disposed(.retry)
        }
        if error.isCorrupt {
            return unusable("The state file \(path) is damaged", cause: error.message, advice: restore(path))
        }
        if error.isReadOnly {
            return unusable("The state file \(path) cannot be written", cause: error.message, advice: writable(path))
        }
        if error.isBusy {
            return WeirError(
                .stateBusy, stage: .state, "The state file \(path) is locked by another program", cause: error.message,
                advice: "Close whatever has it open, such as a sqlite3 shell.")
        }
        return unusable("The state file \(path) failed", cause: error.message, advice: "Look at the disk under it.")
    }
}
