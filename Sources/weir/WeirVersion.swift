/// The program's version.
enum WeirVersion {
    /// As shown by `weir --version` and in `source.version` of events.
    static let current = "0.1.0"
}
