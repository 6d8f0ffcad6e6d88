/// Renames that may be in each other's way. Pure.
enum Renaming {
    /// The renames in an order in which each new name is free; names that change places go over a temporary one.
    /// One whose new name somebody else keeps is left out.
    /// - Parameter names: all names that are there before.
    static func steps(_ moves: [(from: String, to: String)], among names: Set<String>) -> [(from: String, to: String)] {
        var steps: [(from: String, to: String)] = []
        var names = names
        var waiting = moves
        var temporary = 0
        while !waiting.isEmpty {
            let next = waiting.firstIndex { !names.contains($0.to) }
            let blocking = waiting.firstIndex { move in waiting.contains { $0.to == move.from } }
            guard let index = next ?? blocking else { break }
            let from = waiting[index].from
            var to = waiting[index].to
            if next != nil {
                waiting.remove(at: index)
            } else {
                repeat {
                    temporary += 1
                    to = "weir_moving_\(temporary)"
                } while names.contains(to)
                waiting[index].from = to
            }
            steps.append((from, to))
            names.remove(from)
            names.insert(to)
        }
        return steps
    }
}
