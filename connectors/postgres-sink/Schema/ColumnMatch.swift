import WeirCore

/// Which columns of a table's new version are those of the version before: pure.
///
/// The stream tells names and order; the catalog may be ahead of it. PostgreSQL orders columns by number and never uses
/// a number again, so what lies between the version before, this one and the catalog is a history of columns that were
/// added, dropped, renamed and converted. The simplest histories decide, and only where they agree: see
/// ``ColumnHistory``. Where they do not, nothing is guessed.
struct ColumnMatch: Equatable {
    /// The numbers of the new columns, where they can be told.
    private(set) var numbers: [Int16?]
    /// For each new column the index of the old one it continues; nil for an added one.
    private(set) var continued: [Int?]
    /// No column that comes after this version has this number or a lower one.
    private(set) var lastNumber: Int16 = 0
    /// Indexes of old columns that are gone.
    private(set) var dropped: [Int] = []
    /// Old and new columns that may be the same or not.
    private(set) var doubts: [Doubt] = []

    struct Doubt: Equatable {
        /// The old column's name.
        var old: String
        /// The new column's name.
        var new: String
    }

    /// - Parameters:
    ///   - last: `AppliedTable.lastNumber` of the version before.
    ///   - isContinued: it is known that these are the columns of the version before.
    init(old: [AppliedTable.Column], last: Int16 = 0, details: RelationDetails, isContinued: Bool = false) {
        if isContinued {
            numbers = old.map(\.number)
            continued = old.indices.map(\.self)
            lastNumber = last
            return
        }
        let last = max(last, old.compactMap(\.number).max() ?? 0)
        numbers = details.columns.map(\.number)
        continued = details.columns.map { _ in nil }
        if details.asOf == nil {
            pair(old, details.columns)
        } else {
            tell(old, last, details)
        }
        count(from: last, details)
        let kept = Set(continued.compactMap(\.self))
        dropped = old.indices.filter { !kept.contains($0) }
    }

    /// With exact facts: by number, and by name where the old number is not known.
    private mutating func pair(_ old: [AppliedTable.Column], _ new: [StreamColumn]) {
        for place in new.indices {
            continued[place] =
                old.firstIndex { $0.number != nil && $0.number == new[place].number }
                ?? old.firstIndex {
                    $0.source == new[place].name && ($0.number == nil || new[place].number == nil)
                }
        }
    }

    /// Numbers rise in the stream's order, and those of new columns lie above all that were given before.
    private mutating func count(from last: Int16, _ details: RelationDetails) {
        lastNumber = last
        for place in details.columns.indices {
            if let number = numbers[place] {
                lastNumber = max(lastNumber, number)
            } else if continued[place] == nil, lastNumber < .max,
                !doubts.contains(where: { $0.new == details.columns[place].name })
            {
                lastNumber += 1
            }
        }
        if details.asOf == nil { lastNumber = max(lastNumber, details.attributes.map(\.number).max() ?? 0) }
    }

    // MARK: - Histories

    private mutating func tell(_ old: [AppliedTable.Column], _ last: Int16, _ details: RelationDetails) {
        let new = details.columns
        let attributes =
            details.attributes.isEmpty ? Self.invented(old, count: new.count) : details.attributes
        let anchors = Self.anchors(old, new, attributes)
        var (fromOld, fromNew, fromAttribute) = (0, 0, 0)
        for index in 0...anchors.count {
            let anchor = index < anchors.count ? anchors[index] : nil
            let history = ColumnHistory(
                old: old[fromOld..<(anchor?.old ?? old.count)], new: new[fromNew..<(anchor?.new ?? new.count)],
                attributes: attributes[fromAttribute..<(anchor?.attribute ?? attributes.count)],
                last: last, isLast: anchor == nil, isInvented: details.attributes.isEmpty)
            take(history, old, new, attributes)
            guard let anchor else { break }
            continued[anchor.new] = anchor.old
            numbers[anchor.new] = attributes[anchor.attribute].number
            (fromOld, fromNew, fromAttribute) = (anchor.old + 1, anchor.new + 1, anchor.attribute + 1)
        }
    }

    private mutating func take(
        _ history: ColumnHistory, _ old: [AppliedTable.Column], _ new: [StreamColumn], _ attributes: [SourceAttribute]
    ) {
        func isRival(_ attribute: SourceAttribute, of column: AppliedTable.Column) -> Bool {
            guard let number = column.number, attribute.name == column.source else { return false }
            return attribute.number != number
        }
        for (place, outcome) in history.outcomes {
            numbers[place] = outcome.number
            if outcome.readings.count == 1, let reading = outcome.readings.first {
                continued[place] = reading
                if numbers[place] == nil, let index = reading { numbers[place] = old[index].number }
                continue
            }
            // A name resolves through what was applied last, unless the catalog has it under another number.
            if let same = outcome.readings.compactMap(\.self).first(where: { old[$0].source == new[place].name }),
                !attributes.contains(where: { isRival($0, of: old[same]) })
            {
                continued[place] = same
                numbers[place] = old[same].number
                continue
            }
            for index in outcome.readings.compactMap(\.self).sorted() {
                doubts.append(Doubt(old: old[index].source, new: new[place].name))
            }
        }
    }

    /// A column that is the same before, now and in the catalog: histories are told between them.
    private struct Anchor {
        let old: Int
        let new: Int
        let attribute: Int
    }

    private static func anchors(
        _ old: [AppliedTable.Column], _ new: [StreamColumn], _ attributes: [SourceAttribute]
    ) -> [Anchor] {
        let oldByNumber = Dictionary(
            old.indices.compactMap { index in old[index].number.map { ($0, index) } },
            uniquingKeysWith: { first, _ in first })
        let newByName = Dictionary(new.indices.map { (new[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
        var anchors: [Anchor] = []
        for (index, attribute) in attributes.enumerated() {
            guard let name = attribute.name, !attribute.isGenerated, let before = oldByNumber[attribute.number],
                old[before].source == name, let now = newByName[name], new[now].typeOID == attribute.typeOID
            else { continue }
            if let last = anchors.last, last.old >= before || last.new >= now { return [] }
            anchors.append(Anchor(old: before, new: now, attribute: index))
        }
        return anchors
    }

    /// Where the catalog has the table no more: every column was dropped, and any may have been added.
    private static func invented(_ old: [AppliedTable.Column], count: Int) -> [SourceAttribute] {
        var last: Int16 = 0
        var attributes = old.map { column in
            last = column.number ?? last + 1
            return SourceAttribute(number: last, name: nil, typeOID: 0)
        }
        for _ in 0..<count {
            last += 1
            attributes.append(SourceAttribute(number: last, name: nil, typeOID: 0))
        }
        return attributes
    }
}
