/// What the `weir-id` header says: which event this is, for ever. `SYSTEM/X/Y/ORDINAL`, and `/PART` for the second and
/// later events of one change.
public struct EventID: Hashable, Sendable {
    /// `system_identifier` of the PostgreSQL cluster.
    public let systemIdentifier: UInt64
    /// The change's commit position and place in its transaction.
    public let identity: EventIdentity
    /// 0 for a change's first event; a tombstone and the events of a key change count on.
    public let part: Int

    /// Makes an id of its parts; `part` is not negative.
    public init(systemIdentifier: UInt64, identity: EventIdentity, part: Int = 0) {
        self.systemIdentifier = systemIdentifier
        self.identity = identity
        self.part = part
    }

    /// Parses a header's value; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let fields = text.split(separator: "/", omittingEmptySubsequences: false)
        guard fields.count == 4 || fields.count == 5, let system = UInt64(fields[0]),
            let commit = LSN("\(fields[1])/\(fields[2])"), let ordinal = UInt64(fields[3])
        else { return nil }
        guard let part = fields.count == 5 ? Int(fields[4]) : 0, part >= 0 else { return nil }
        self.init(
            systemIdentifier: system, identity: EventIdentity(commit: commit, ordinal: ordinal), part: part)
    }
}

extension EventID: CustomStringConvertible {
    /// The header's value.
    public var description: String {
        "\(systemIdentifier)/\(identity.commit)/\(identity.ordinal)\(part == 0 ? "" : "/\(part)")"
    }
}
