import Glibc

/// The descriptors 0, 1 and 2, which every process expects to be open.
enum StandardDescriptors {
    /// Once, before anything is opened: fills those that the caller closed (`weir … >&-`). Else the next file to be
    /// opened, such as the state file, would get the number, and events would be written into it. What fills them can
    /// only be used the wrong way round, so that reading or writing is still an error.
    static func fill() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
            // The lowest number that is free is this one: those below are open.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}
