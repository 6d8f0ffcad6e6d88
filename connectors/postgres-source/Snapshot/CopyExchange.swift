import WeirCore

/// What workers that copy side by side and the one who sends their batches know of each other. Pure; one lock around
/// it.
///
/// Parts are given out in the order of the tables, and the sender takes batches table by table. A worker that has run
/// ahead to a later table waits with `batchesMax` batches in its queue. That cannot hold up the sender: in no queue is
/// a batch of the current table behind one of a later table.
struct CopyExchange {
    /// Batches a worker may be ahead of the sender.
    static let batchesMax = 2

    /// What the sender gets.
    enum Delivery {
        /// A batch of the table asked for.
        case batch(ChangeBatch)
        /// Every row of the table was delivered.
        case tableEnd
        /// A worker failed: the copy is over.
        case failed(WeirError)
    }

    /// What a worker gets.
    enum Task {
        /// Copy this part.
        case copy(CopyPart)
        /// Every part was copied, or the copy is over.
        case end
    }

    private let parts: [CopyPart]
    private var given = 0
    private var finished = 0
    /// Of each table, parts that are not finished.
    private var unfinished: [Int]
    private var queues: [[(table: Int, batch: ChangeBatch)]]
    private var turn = 0
    /// Workers that are in the snapshot.
    private(set) var ready = 0
    /// Workers that the server had no connection for.
    private(set) var declined = 0
    /// Workers whose threads have not ended.
    private(set) var living: Int
    /// Why the copy failed.
    private(set) var failure: WeirError?
    /// Whether nobody needs a batch any more.
    private(set) var isOver = false

    init(_ parts: [CopyPart], tables: Int, workers: Int) {
        self.parts = parts
        unfinished = Array(repeating: 0, count: tables)
        for part in parts { unfinished[part.table] += 1 }
        queues = Array(repeating: [], count: workers)
        living = workers
    }

    // MARK: - Workers

    /// A worker imported the snapshot.
    mutating func join() { ready += 1 }

    /// The next part; nil to wait. A worker keeps its transaction, and with it its locks, until every part is copied:
    /// a table's pages must not be moved between two of its parts.
    mutating func take() -> Task? {
        if isOver || finished == parts.count { return .end }
        guard given < parts.count else { return nil }
        given += 1
        return .copy(parts[given - 1])
    }

    /// Hands over a batch: true when it was taken, false when the copy is over, nil to wait for room.
    mutating func put(_ batch: ChangeBatch, of part: CopyPart, from worker: Int) -> Bool? {
        if isOver { return false }
        guard queues[worker].count < Self.batchesMax else { return nil }
        queues[worker].append((part.table, batch))
        return true
    }

    /// A part was copied.
    mutating func finish(_ part: CopyPart) {
        finished += 1
        unfinished[part.table] -= 1
    }

    /// The server had no connection for a worker.
    mutating func decline() { declined += 1 }

    /// A worker failed; the first failure counts, and none does once the copy is over.
    mutating func fail(_ error: WeirError) {
        if !isOver { failure = failure ?? error }
        isOver = true
    }

    /// A worker's thread ends.
    mutating func leave() { living -= 1 }

    // MARK: - Sender

    /// What comes next of a table; nil to wait.
    mutating func next(of table: Int) -> Delivery? {
        if let failure { return .failed(failure) }
        for step in queues.indices {
            let worker = (turn + step) % queues.count
            guard queues[worker].first?.table == table else { continue }
            turn = worker + 1
            return .batch(queues[worker].removeFirst().batch)
        }
        return unfinished[table] == 0 ? .tableEnd : nil
    }

    /// Ends the copy for everybody.
    mutating func end() {
        isOver = true
        queues = queues.map { _ in [] }
    }
}
