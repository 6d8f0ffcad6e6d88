/// The version of Weir.
public enum WeirVersion {
    /// As `weir --version` shows it, and as `source.version` of events gives it.
    public static let current = "0.1.0"
}
