/// Names one event for ever: commit position and place in its transaction.
///
/// A row's own LSN cannot do that, because rows of one COPY share it. Snapshot rows use the byte before the
/// consistent point as their commit position: no commit record can start there (records are aligned), so a snapshot
/// event never shares its name with a streamed one and sorts before all of them.
public struct EventIdentity: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The transaction's commit LSN (Begin's "final LSN"), or the byte before the snapshot's consistent point.
    public let commit: LSN
    /// 1 for the first change of the transaction, counted before transforms.
    public let ordinal: UInt64

    /// Makes an identity.
    @inlinable
    public init(commit: LSN, ordinal: UInt64) {
        self.commit = commit
        self.ordinal = ordinal
    }

    /// Orders by commit position, then by ordinal: the order of the stream.
    @inlinable
    public static func < (left: EventIdentity, right: EventIdentity) -> Bool {
        (left.commit, left.ordinal) < (right.commit, right.ordinal)
    }
}
