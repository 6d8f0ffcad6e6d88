import WeirCore

/// What a snapshot of the database sees: the text form of `txid_current_snapshot()`, `xmin:xmax:running,...`.
struct TransactionSnapshot: Equatable {
    /// As the server wrote it.
    let text: String
    private let lowest: UInt64
    private let next: UInt64
    private let running: Set<UInt64>

    /// Reads the text form; nil for anything else.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let lowest = UInt64(parts[0]), let next = UInt64(parts[1]), lowest <= next else {
            return nil
        }
        let names = parts[2].split(separator: ",")
        let running = names.compactMap { UInt64($0) }
        guard running.count == names.count else { return nil }
        self.text = text
        self.lowest = lowest
        self.next = next
        self.running = Set(running)
    }

    /// Whether it sees a committed transaction, given its 32-bit id as the stream has it. Ids are compared around the
    /// snapshot: a running system has none that is two thousand million away.
    func sees(_ xid: UInt32) -> Bool {
        let distance = Int64(Int32(bitPattern: xid &- UInt32(truncatingIfNeeded: next)))
        guard distance < 0 else { return false }
        let full = next &- UInt64(-distance)
        return full < lowest || !running.contains(full)
    }
}

/// What is left out of a table's changes.
enum TableGate: Equatable {
    /// All of them: the table's rows are still to be copied.
    case closed
    /// Those of the transactions that this snapshot sees: the table's rows were copied in it.
    case copied(TransactionSnapshot)
}
