import WeirCore

/// What labels and fields of a source's type are called on the target: a row of `weir.source_types`. A value.
struct AppliedType: Sendable, Equatable {
    /// The type's OID at the source.
    var oid: UInt32
    /// The name, the same on both sides.
    var name: TableName
    /// Names on the target by what tells them apart at the source (`UserType.parts`).
    var parts: [UInt32: String]
}

/// What became of labels or fields that are known by more than their names. Pure.
struct PartChange: Equatable {
    /// Parts that have another name now.
    var renamed: [Renamed] = []
    /// Names of those that are gone.
    var dropped: [String] = []
    /// The target has the names of now: the earlier ones say nothing any more.
    var isSettled = false

    /// A change by names alone.
    init(dropped: [String]) { self.dropped = dropped }

    struct Renamed: Equatable {
        var part: UInt32
        var from: String
        var to: String
    }

    /// Nil when it cannot be told: the type is met for the first time, or somebody has changed the target.
    /// - Parameters:
    ///   - wanted: names at the source, in the order of `type.parts`.
    ///   - there: names on the target, in its order.
    init?(_ type: UserType, wanted: [String], there: [String], known: AppliedType?) {
        guard let known, known.name == type.name, type.parts.count == wanted.count else { return nil }
        var renames: [Renamed] = []
        for (part, name) in zip(type.parts, wanted) {
            guard let before = known.parts[part] else { continue }
            renames.append(Renamed(part: part, from: before, to: name))
        }
        let (old, new) = (renames.map(\.from), renames.map(\.to))
        let parts = Set(type.parts)
        let gone = known.parts.filter { !parts.contains($0.key) }.map(\.value).filter { there.contains($0) }.sorted()
        // PostgreSQL never changes the order.
        if there.filter(Set(new).contains) == new {
            // Nothing was renamed, or somebody has done it here.
            isSettled = true
            dropped = gone.filter { !new.contains($0) }
        } else if there.filter(Set(old).contains) == old {
            renamed = renames.filter { $0.from != $0.to }
            dropped = gone
        } else {
            return nil
        }
    }
}
