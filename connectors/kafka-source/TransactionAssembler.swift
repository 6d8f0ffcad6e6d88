internal import WeirCore

/// Puts consecutive events of one transaction together again, and keeps the offsets that go with each end.
struct TransactionAssembler: ~Copyable {
    /// What tells that two events belong together.
    private struct Identity: Equatable {
        var commit: UInt64
        let xid: UInt32
        let isSnapshot: Bool
    }

    private var builder: BatchBuilder
    private var current: Identity?
    private var systemIdentifier: UInt64?
    /// The transaction's own position: never below one before it.
    private var lastCommit: UInt64 = 0
    private var previousEnd: LSN?
    /// Offsets after the last whole transaction.
    private var whole: Offsets
    /// Offsets after what was added since.
    private var pending: [KafkaPartitionOffset] = []
    /// A transaction ended since the last seal.
    private var hasEnd = false

    /// - Parameters:
    ///   - start: the offsets that nothing was read of yet.
    ///   - limits: of batches.
    init(_ start: Offsets, limits: BatchLimits = BatchLimits()) {
        whole = start
        builder = BatchBuilder(limits: limits)
    }

    /// Whether the batch is to be sealed.
    var isFull: Bool { builder.isFull }

    /// Whether an event begins another transaction than the one at hand.
    func begins(_ event: ReplayEvent) -> Bool { current.map { $0 != identity(event) } ?? true }

    private func identity(_ event: ReplayEvent) -> Identity {
        Identity(
            commit: max(event.order.commit, lastCommit), xid: event.isIdentified ? 0 : event.xid,
            isSnapshot: event.operation == .read)
    }

    /// Adds an event; `offset` is the one after it.
    mutating func add(
        _ event: ReplayEvent, _ offset: KafkaPartitionOffset, _ writer: inout RowWriter
    ) throws(WeirError) {
        try check(event)
        if begins(event) {
            close(isComplete: true)
            open(event)
        }
        try writer.write(event, into: &builder)
        if let index = pending.firstIndex(where: { $0.partition == offset.partition }) {
            pending[index] = offset
        } else {
            pending.append(offset)
        }
        // Rows of a snapshot belong to no transaction: a batch of them may end anywhere.
        if builder.isFull, event.operation == .read { close(isComplete: false) }
    }

    /// Ends the last transaction, as the topics hold no more, and notes the offsets after everything.
    mutating func finish(_ ends: [KafkaPartitionOffset]) {
        close(isComplete: false)
        for end in ends { whole[end.partition] = end.offset }
        hasEnd = true
    }

    /// The batch so far, nil when there is nothing in it. The offsets go with it when a transaction ended in it.
    mutating func seal() -> ChangeBatch? {
        guard !builder.isEmpty || hasEnd else { return nil }
        let token = hasEnd ? whole.text : nil
        hasEnd = false
        return builder.seal(at: wallClockMicroseconds(), resumeToken: token)
    }

    private mutating func open(_ event: ReplayEvent) {
        let identity = identity(event)
        current = identity
        lastCommit = identity.commit
        builder.begin(
            TransactionInfo(
                xid: event.xid, commitLSN: LSN(identity.commit), previousEndLSN: previousEnd,
                commitTime: event.commitTime, rows: 0..<0, begins: true, ends: false))
    }

    /// Ends the transaction at hand. Only when another one follows is it known to be complete; else its end is its
    /// own position, so that the rest of it, replayed later, is not taken for a repetition.
    private mutating func close(isComplete: Bool) {
        guard let current else { return }
        let end = LSN(isComplete && !current.isSnapshot ? current.commit + 1 : current.commit)
        builder.commit(endLSN: end)
        previousEnd = end
        self.current = nil
        for offset in pending { whole[offset.partition] = offset.offset }
        pending.removeAll(keepingCapacity: true)
        hasEnd = true
    }

    private mutating func check(_ event: ReplayEvent) throws(WeirError) {
        guard event.isIdentified else { return }
        let known = systemIdentifier ?? event.systemIdentifier
        systemIdentifier = known
        guard known == event.systemIdentifier else {
            throw WeirError(
                .positionMismatch, stage: .source, "The topics hold changes of two PostgreSQL clusters",
                cause: "system identifiers \(known) and \(event.systemIdentifier)",
                advice: "Replay the topics of one cluster at a time, or the offsets of one.")
        }
    }
}
