public import WeirCore

extension WeirError.Code {
    /// The target of a snapshot holds rows already.
    public static let targetNotEmpty = Self(rawValue: "target-not-empty")
}
