/// A set of column indexes: one word for tables of up to 64 columns, so that making and comparing one per row costs
/// nothing.
struct ColumnSet: Hashable, Sendable {
    private var low: UInt64 = 0
    private var high: [UInt64] = []

    init() {}

    init(_ columns: some Sequence<Int>) {
        for column in columns { insert(column) }
    }

    var isEmpty: Bool { low == 0 && high.allSatisfy { $0 == 0 } }

    mutating func insert(_ column: Int) {
        if column < 64 {
            low |= 1 << UInt64(column)
            return
        }
        let word = column / 64 - 1
        while high.count <= word { high.append(0) }
        high[word] |= 1 << UInt64(column % 64)
    }

    /// Sets that hold the same columns are equal: trailing empty words are dropped.
    mutating func remove(_ column: Int) {
        if column < 64 {
            low &= ~(1 << UInt64(column))
            return
        }
        let word = column / 64 - 1
        guard word < high.count else { return }
        high[word] &= ~(1 << UInt64(column % 64))
        while high.last == 0 { high.removeLast() }
    }

    func contains(_ column: Int) -> Bool {
        if column < 64 { return low & (1 << UInt64(column)) != 0 }
        let word = column / 64 - 1
        return word < high.count && high[word] & (1 << UInt64(column % 64)) != 0
    }

    /// The columns in rising order.
    var columns: [Int] {
        (0..<(64 + high.count * 64)).filter { contains($0) }
    }
}
