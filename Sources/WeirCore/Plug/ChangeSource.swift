/// What a source tells about itself once it is open; sinks put it into events.
public struct SourceDescription: Sendable, Equatable {
    /// How changes of tables become known.
    public enum Definitions: Sendable, Equatable {
        /// Nothing is streamed, or the source is no database.
        case unsaid
        /// Changes without rows behind them may pass unseen.
        case inferred
        /// Each change that commits at this position or later is told at its place (`SchemaChange`).
        case told(since: LSN)
    }

    /// `system_identifier` of the PostgreSQL cluster; 0 when there is none.
    public var systemIdentifier: UInt64
    /// The database's name.
    public var database: String
    /// Where streaming starts.
    public var start: LSN
    /// How changes of tables become known.
    public var definitions: Definitions

    /// Makes a description.
    public init(systemIdentifier: UInt64, database: String, start: LSN, definitions: Definitions = .unsaid) {
        self.systemIdentifier = systemIdentifier
        self.database = database
        self.start = start
        self.definitions = definitions
    }
}

/// Where a pipeline stands before its source opens.
public struct ResumePoint: Sendable, Equatable {
    /// The lowest position over all sinks; nil when at least one sink has none.
    public var position: StoredPosition?
    /// Sinks without a position.
    public var sinksWithoutPosition: [String]
    /// Sinks with a position.
    public var sinksWithPosition: [String]

    /// Makes a resume point.
    public init(position: StoredPosition?, sinksWithoutPosition: [String], sinksWithPosition: [String]) {
        self.position = position
        self.sinksWithoutPosition = sinksWithoutPosition
        self.sinksWithPosition = sinksWithPosition
    }

    /// The resume point of sinks with these positions. Throws `position-mismatch` when they belong to different
    /// clusters.
    public init(_ sinks: [(name: String, position: StoredPosition?)]) throws(WeirError) {
        let positions = sinks.compactMap(\.position)
        if let first = positions.first,
            let other = positions.first(where: { $0.systemIdentifier != first.systemIdentifier })
        {
            throw WeirError(
                .positionMismatch, stage: .pipeline, "The sinks' positions belong to different PostgreSQL clusters",
                cause: "system identifiers \(first.systemIdentifier) and \(other.systemIdentifier)",
                advice: "Use one pipeline name for each source cluster.")
        }
        self.init(
            position: positions.count == sinks.count ? positions.min { $0.lsn < $1.lsn } : nil,
            sinksWithoutPosition: sinks.filter { $0.position == nil }.map(\.name),
            sinksWithPosition: sinks.filter { $0.position != nil }.map(\.name))
    }
}

/// Reads changes from somewhere. A source is made, used and closed on one thread of its own, once an attempt: after
/// any error the pipeline makes a new one and resumes from the durable position.
public protocol ChangeSource: AnyObject {
    /// Connects, checks everything that can be checked, and decides where to start. Throws what stands in the way:
    /// errors of disposition `retry` lead to another attempt, others end the run. Where it waits long (creating a
    /// slot), it looks at `feed.shouldStop` at least once a second and throws when that is true; the error is not shown
    /// after a stop that was asked for.
    func open(resume: ResumePoint, store: any PositionStore, feed: Feed) throws(WeirError) -> SourceDescription

    /// Sends batches in commit order until the source's end, a stop, or an error.
    ///
    /// - Call `feed.send` for each batch; when it answers `.stopped`, return at once.
    /// - Look at `feed.shouldStop` at least once a second; when it is true, send what is left of the transaction at
    ///   hand (as long as `feed.mayFinishTransaction`), then `feed.finish`, confirm what it returns, return.
    /// - A finite source ends with `feed.finish` as well.
    /// - Confirm to the server no more than `feed.confirmed`.
    func stream(into feed: Feed) throws(WeirError)

    /// Releases connections. Called once, also after an error; must not block for long.
    func close()
}
