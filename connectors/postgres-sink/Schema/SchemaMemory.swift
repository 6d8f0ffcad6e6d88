import Synchronization
import WeirCore

/// What the attempts of one run tell each other about refused rows. Any thread.
///
/// A label or a field that was added to a type, and a constraint that a domain has lost, change no table: the stream
/// does not describe it again. A row that the target refuses for such a reason gets another attempt, which reads the
/// catalog anew. One for each sink, made with it and kept over its attempts.
public final class SchemaMemory: Sendable {
    private struct Place: Hashable {
        let table: TableName
        let position: LSN
        let state: String
    }

    private struct State {
        var refused: [Place: Int] = [:]
        var relaxed: [TableName: Set<String>] = [:]
        /// The commit LSN of the first refused row.
        var wantsTypes: [TableName: LSN] = [:]
    }

    private static let placesMax = 1024
    private let state = Mutex(State())

    /// A memory without entries.
    public init() {}

    /// Whether another attempt may help, which is noted. Once for each place: the same refusal twice is the operator's.
    func mayRetry(_ sqlState: String, column: String?, table: TableName, position: LSN) -> Bool {
        state.withLock { state in
            if state.refused.count >= Self.placesMax { state.refused = [:] }
            let place = Place(table: table, position: position, state: sqlState)
            state.refused[place, default: 0] += 1
            guard state.refused[place] == 1 else { return false }
            switch sqlState {
            case "23502":
                guard let column else { return false }
                state.relaxed[table, default: []].insert(column)
            case "22P02", "23514": state.wantsTypes[table] = min(position, state.wantsTypes[table] ?? position)
            default: return false
            }
            return true
        }
    }

    /// Columns whose NOT NULL refused a row: the catalog was ahead of the log.
    func relaxed(_ table: TableName) -> Set<String> { state.withLock { $0.relaxed[table] ?? [] } }

    /// Whether the target's types refused a row of the table, at this commit LSN or before: rows before that one still
    /// need the types as they are. `position`: nil for all rows of a table at once.
    func wantsTypes(_ table: TableName, at position: LSN?) -> Bool {
        state.withLock { state in
            guard let first = state.wantsTypes[table] else { return false }
            return position.map { $0 >= first } ?? true
        }
    }

    /// The types were brought up to date, and that is committed.
    func settled(_ table: TableName) { state.withLock { $0.wantsTypes[table] = nil } }

    /// NOT NULL holds again.
    func restricted(_ table: TableName) { state.withLock { $0.relaxed[table] = nil } }
}
