import WeirCore

/// Decides which source transactions share a target transaction and when it is committed: a pure state machine.
///
/// - Whole transactions are grouped while more batches wait and no limit is reached.
/// - A transaction that does not end in its batch gets a target transaction of its own: what came before it is
///   committed first, so that it can be given up without them, and nothing of it has to be kept in memory.
struct GroupPlanner {
    enum Step: Equatable {
        /// Apply these transactions of the batch (or the parts of them it holds).
        case apply(transactions: Range<Int>)
        /// Commit with this position; nil when the batches carry none.
        case commit(LSN?)
        /// A transaction began inside another one: the source broke its order.
        case outOfOrder
    }

    /// What one call of `steps` works on.
    struct Input {
        var transactions: [TransactionInfo]
        var endLSN: LSN?
        var hasToken = false
        var bytes: Int
        var moreFollows: Bool
        var now: ContinuousClock.Instant
        /// Transactions that commit below this are applied already.
        var applied: LSN?
    }

    let limits: GroupLimits
    /// A source transaction was begun and not ended.
    private(set) var isSpanning = false
    private var isOpen = false
    private var end: LSN?
    /// The last position that a commit step carried.
    private var committed: LSN = .zero
    private var rows = 0
    private var bytes = 0
    private var since: ContinuousClock.Instant?

    init(limits: GroupLimits) {
        self.limits = limits
    }

    /// Whether something was applied, or only a position moved, and is not committed.
    var hasUncommitted: Bool { isOpen }

    /// What has to be committed to be durable without more input; nil when there is nothing, or a source transaction
    /// is open.
    var commitAtFlush: Step? { isOpen && !isSpanning ? .commit(end) : nil }

    /// Whether everything given so far is committed once the returned steps are done.
    var isSettled: Bool { !isOpen }

    /// The steps for a batch, in order.
    mutating func steps(_ input: Input) -> [Step] {
        var steps: [Step] = []
        bytes += input.bytes
        for (index, transaction) in input.transactions.enumerated() {
            if let applied = input.applied, transaction.commitLSN < applied { continue }
            if isSpanning {
                if transaction.begins { return steps + [.outOfOrder] }
                add(index, transaction, to: &steps)
                if transaction.ends { commit(&steps) }
            } else if transaction.ends {
                open(input.now)
                add(index, transaction, to: &steps)
                if isFull(input.now) { commit(&steps) }
            } else {
                if isOpen { commit(&steps) }
                open(input.now)
                isSpanning = true
                add(index, transaction, to: &steps)
            }
        }
        finish(input, &steps)
        return steps
    }

    /// Forgets what is uncommitted: it was rolled back or committed in another way.
    mutating func reset() {
        isSpanning = false
        isOpen = false
        end = nil
        rows = 0
        bytes = 0
        since = nil
    }

    private mutating func finish(_ input: Input, _ steps: inout [Step]) {
        guard !isSpanning else { return }
        let isNews = input.endLSN.map { lsn in lsn > max(end ?? .zero, input.applied ?? .zero, committed) } ?? false
        if isNews || (input.hasToken && !isOpen) {
            open(input.now)
            end = input.endLSN ?? end
        }
        if isOpen, !input.moreFollows || isFull(input.now) { commit(&steps) }
        if !isOpen { bytes = 0 }
    }

    private mutating func open(_ now: ContinuousClock.Instant) {
        guard !isOpen else { return }
        isOpen = true
        since = now
    }

    private func isFull(_ now: ContinuousClock.Instant) -> Bool {
        bytes >= limits.bytesMax || rows >= limits.rowsMax || since.map { now - $0 >= limits.ageMax } ?? false
    }

    private mutating func add(_ index: Int, _ transaction: TransactionInfo, to steps: inout [Step]) {
        rows += transaction.rows.count
        if transaction.ends {
            isSpanning = false
            if transaction.endLSN > .zero { end = transaction.endLSN }
        }
        if case .apply(let range) = steps.last, range.upperBound == index {
            steps[steps.count - 1] = .apply(transactions: range.lowerBound..<index + 1)
        } else {
            steps.append(.apply(transactions: index..<index + 1))
        }
    }

    private mutating func commit(_ steps: inout [Step]) {
        steps.append(.commit(end))
        if let end { committed = end }
        reset()
    }
}
