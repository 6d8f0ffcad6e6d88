import WeirCore

/// The simplest histories that lead from a table's columns before, over those of the stream, to those of the catalog:
/// pure.
///
/// Each attribute number in turn was a column before or not, and is one of the stream's or not; order is kept on both
/// sides. Each change that a reading needs (a column added, dropped, renamed, before this version or after it) counts
/// one, a conversion two, and one more when a name is used again. Readings that count at most one more than the
/// simplest are all looked at: what they agree in is told, the rest is in doubt.
struct ColumnHistory {
    /// What the histories say about one column of the stream.
    struct Outcome: Equatable {
        /// Indexes of the old columns it may continue; nil stands for a new column.
        var readings: Set<Int?> = []
        /// Its number, where all agree.
        var number: Int16?
        fileprivate var numbers: Set<Int16> = []
    }

    /// By index of the stream's column.
    private(set) var outcomes: [Int: Outcome] = [:]

    private let old: ArraySlice<AppliedTable.Column>
    private let new: ArraySlice<StreamColumn>
    private let attributes: ArraySlice<SourceAttribute>
    private let isLast: Bool
    private let isInvented: Bool
    private let oldNumbers: Set<Int16>
    private let oldMax: Int16
    private let last: Int16

    private static let sizeMax = 4_000_000
    private static let never = 1 << 20
    /// Another type counts more than another name.
    private static let conversion = 2
    /// A column that was there before and the stream did not have: generated, or left out by the publication.
    private static let unpublished = 3
    /// How many more changes a reading may need and is still looked at. A number that is told wrongly misleads later.
    private static let readingExcess = 1
    private static let numberExcess = 3

    /// - Parameters:
    ///   - last: a column that was added since has a higher number.
    ///   - isLast: nothing follows; else a column that is old follows, so that none of these was added.
    ///   - isInvented: the catalog does not know the table, and any number of attributes is possible.
    init(
        old: ArraySlice<AppliedTable.Column>, new: ArraySlice<StreamColumn>, attributes: ArraySlice<SourceAttribute>,
        last: Int16, isLast: Bool, isInvented: Bool
    ) {
        self.old = old
        self.new = new
        self.attributes = attributes
        self.isLast = isLast
        self.isInvented = isInvented
        self.last = isInvented ? 0 : last
        oldNumbers = Set(old.compactMap(\.number))
        oldMax = isLast ? oldNumbers.max() ?? 0 : .max
        guard !new.isEmpty else { return }
        let size = (old.count + 1) * (new.count + 1) * (attributes.count + 1)
        if size > Self.sizeMax || !search() { fallBack() }
    }

    /// Names alone.
    private mutating func fallBack() {
        outcomes = [:]
        let names = Set(new.map(\.name))
        let gone = old.indices.filter { !names.contains(old[$0].source) }
        for place in new.indices {
            var outcome = Outcome()
            if let same = old.firstIndex(where: { $0.source == new[place].name }) {
                outcome.readings = [same]
            } else {
                outcome.readings = [nil]
                for index in gone { outcome.readings.insert(index) }
            }
            outcomes[place] = outcome
        }
    }

    // MARK: - Search

    /// What an attribute may be.
    private struct Move {
        /// It was a column before.
        let isOld: Bool
        /// It is a column of the stream.
        let isNew: Bool
        let cost: Int
    }

    /// Costs from the beginning and to the end for each state: attributes passed, old columns passed, new ones passed.
    private mutating func search() -> Bool {
        let (rows, columns) = (old.count + 1, new.count + 1)
        let layer = rows * columns
        var forward = [Int](repeating: Self.never, count: layer * (attributes.count + 1))
        var backward = forward
        forward[0] = 0
        backward[backward.count - 1] = 0
        func state(_ step: Int, _ before: Int, _ now: Int) -> Int { step * layer + before * columns + now }
        for step in 0..<attributes.count {
            for before in 0..<rows {
                for now in 0..<columns where forward[state(step, before, now)] < Self.never {
                    for move in moves(step, before, now) {
                        let next = state(step + 1, before + (move.isOld ? 1 : 0), now + (move.isNew ? 1 : 0))
                        forward[next] = min(forward[next], forward[state(step, before, now)] + move.cost)
                    }
                }
            }
        }
        let best = forward[forward.count - 1]
        guard best < Self.never else { return false }
        for step in (0..<attributes.count).reversed() {
            for before in 0..<rows {
                for now in 0..<columns where forward[state(step, before, now)] < Self.never {
                    let here = state(step, before, now)
                    for move in moves(step, before, now) {
                        let next = state(step + 1, before + (move.isOld ? 1 : 0), now + (move.isNew ? 1 : 0))
                        backward[here] = min(backward[here], backward[next] + move.cost)
                        let excess = forward[here] + move.cost + backward[next] - best
                        if move.isNew, excess <= Self.numberExcess { note(step, before, now, move, excess) }
                    }
                }
            }
        }
        for place in outcomes.keys {
            let numbers = outcomes[place]?.numbers ?? []
            outcomes[place]?.number = numbers.count == 1 && !isInvented ? numbers.first : nil
        }
        return true
    }

    private mutating func note(_ step: Int, _ before: Int, _ now: Int, _ move: Move, _ excess: Int) {
        let place = new.startIndex + now
        if excess <= Self.readingExcess {
            outcomes[place, default: Outcome()].readings.insert(move.isOld ? old.startIndex + before : nil)
        }
        outcomes[place, default: Outcome()].numbers.insert(attributes[attributes.startIndex + step].number)
    }

    private func moves(_ step: Int, _ before: Int, _ now: Int) -> [Move] {
        let attribute = attributes[attributes.startIndex + step]
        let isAlive = attribute.name != nil
        if isAlive, attribute.isGenerated { return [Move(isOld: false, isNew: false, cost: 0)] }
        let mustBeOld = oldNumbers.contains(attribute.number)
        let allOldPassed = before == old.count && isLast
        var moves: [Move] = []
        if !mustBeOld, let cost = passing(attribute, allOldPassed: allOldPassed, allNewPassed: now == new.count) {
            moves.append(Move(isOld: false, isNew: false, cost: cost))
        }
        let wasThere = attribute.number <= last
        if now < new.count, !mustBeOld, allOldPassed || wasThere && isAlive {
            let column = new[new.startIndex + now]
            let isReused = old.contains { $0.source == column.name }
            let cost = (isReused ? 2 : 1) + (wasThere ? Self.unpublished : 0)
            moves.append(Move(isOld: false, isNew: true, cost: cost + later(column, attribute)))
        }
        guard before < old.count else { return moves }
        let known = old[old.startIndex + before]
        guard known.number.map({ $0 == attribute.number }) ?? !mustBeOld else { return moves }
        if !isAlive { moves.append(Move(isOld: true, isNew: false, cost: 1)) }
        if now < new.count {
            let column = new[new.startIndex + now]
            let change = (known.source == column.name ? 0 : 1) + (known.typeOID == column.typeOID ? 0 : Self.conversion)
            moves.append(Move(isOld: true, isNew: true, cost: change + later(column, attribute)))
        }
        return moves
    }

    /// What it costs that an attribute is neither a column before nor one of the stream; nil when that cannot be.
    private func passing(_ attribute: SourceAttribute, allOldPassed: Bool, allNewPassed: Bool) -> Int? {
        guard let name = attribute.name else {
            // It came and went unseen, or was gone before.
            return allOldPassed && !isInvented && attribute.number > last ? 2 : 0
        }
        // A column of before that the publication leaves out.
        if attribute.number < oldMax { return 0 }
        guard allOldPassed, allNewPassed else { return nil }
        return new.contains { $0.name == name } ? 2 : 1
    }

    /// Changes between the stream's column and the catalog's.
    private func later(_ column: StreamColumn, _ attribute: SourceAttribute) -> Int {
        guard let name = attribute.name else { return 1 }
        return (name == column.name ? 0 : 1) + (attribute.typeOID == column.typeOID ? 0 : Self.conversion)
    }
}
