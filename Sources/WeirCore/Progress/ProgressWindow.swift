/// Which batches are durable, contiguously: a pure state machine with one instance for each sink.
///
/// Batches are registered in order, resolved in any order; the confirmed position is the end of the last batch before
/// which nothing is unresolved, and never moves back. Cost: amortised constant per call.
public struct ProgressWindow: Sendable {
    private struct Entry {
        var endLSN: LSN?
        var token: String?
        /// Parts still unresolved; negative while reports overtake `accepted`.
        var outstanding = 0
        var isAccepted = false
        var bytes: Int
    }

    private var entries: [Entry] = []
    private var head = 0
    private var firstTicket: UInt64 = 1

    /// End of the last transaction that is durable with all before it; nil until there is one.
    public private(set) var confirmed: LSN?
    /// The source's own resume point that goes with it.
    public private(set) var token: String?
    /// Bytes registered and not yet durable.
    public private(set) var inFlightBytes = 0

    /// An empty window; the first ticket is 1.
    public init() {}

    /// Whether everything registered is durable.
    public var isDrained: Bool { head == entries.count }

    /// The last ticket before and with which everything is durable; 0 when there is none.
    public var durableTicket: UInt64 { firstTicket - 1 }

    /// Registers the next batch and returns its ticket.
    public mutating func register(endLSN: LSN?, token: String? = nil, bytes: Int) -> UInt64 {
        entries.append(Entry(endLSN: endLSN, token: token, bytes: bytes))
        inFlightBytes += bytes
        return firstTicket + UInt64(entries.count - head) - 1
    }

    /// Says that a batch was accepted in so many parts. Parts may have been resolved before.
    public mutating func accepted(_ ticket: UInt64, outstanding: Int) {
        guard let index = index(of: ticket), !entries[index].isAccepted else { return }
        entries[index].isAccepted = true
        entries[index].outstanding += outstanding
        settle()
    }

    /// Resolves parts of a batch. Unknown tickets are ignored: their batch was settled before.
    public mutating func resolve(_ ticket: UInt64, parts: Int = 1) {
        guard let index = index(of: ticket) else { return }
        entries[index].outstanding -= parts
        settle()
    }

    /// Resolves all accepted batches up to and including `ticket`, whatever is outstanding.
    public mutating func resolveAll(through ticket: UInt64) {
        guard ticket >= firstTicket else { return }
        let end = min(entries.count, head + Int(ticket - firstTicket) + 1)
        for index in head..<end where entries[index].isAccepted { entries[index].outstanding = 0 }
        settle()
    }

    private func index(of ticket: UInt64) -> Int? {
        guard ticket >= firstTicket else { return nil }
        let index = head + Int(ticket - firstTicket)
        return index < entries.count ? index : nil
    }

    private mutating func settle() {
        while head < entries.count, entries[head].isAccepted, entries[head].outstanding == 0 {
            if let end = entries[head].endLSN, confirmed.map({ end > $0 }) ?? true { confirmed = end }
            if let newToken = entries[head].token { token = newToken }
            inFlightBytes -= entries[head].bytes
            head += 1
            firstTicket += 1
        }
        if head > 64, head * 2 > entries.count {
            entries.removeFirst(head)
            head = 0
        }
    }
}
