import WeirCore

/// How the program ends; part of its contract.
enum ExitCode: Int32, Sendable {
    /// Everything asked for was done.
    case done = 0
    /// Failed at work: a server, a disk, a row.
    case failed = 1
    /// Wrong usage or configuration: running it again changes nothing.
    case usage = 2

    /// The code of an error.
    init(_ error: WeirError) {
        self = error.disposition == .usage ? .usage : .failed
    }
}
