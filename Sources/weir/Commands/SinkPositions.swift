import LibSQLite
import PostgresSink
import PostgresSource
import WeirCore

/// Where a pipeline's sinks are, as a start would find it.
struct SinkPositions {
    /// A sink and its durable position.
    struct Line {
        let name: String
        let type: String
        let position: StoredPosition?
        /// Why the position is not known.
        let trouble: String?
    }

    let lines: [Line]
    /// The snapshot in progress.
    let intent: SnapshotIntent?

    /// Looks at the state file and asks the targets.
    static func load(_ settings: WeirSettings) throws(WeirError) -> SinkPositions {
        let store = try StateStore.look(folder: settings.statePath, pipeline: settings.pipeline)
        var lines: [Line] = []
        for sink in settings.sinks { lines.append(try line(sink, settings.pipeline, store)) }
        return SinkPositions(lines: lines, intent: try store?.snapshotIntent() ?? nil)
    }

    private static func line(
        _ sink: WeirSettings.Sink, _ pipeline: String, _ store: StateStore?
    ) throws(WeirError) -> Line {
        let type = type(of: sink.settings).type
        guard let target = sink.settings as? PostgresSinkSettings else {
            let position = try store?.position(sink: sink.name) ?? nil
            return Line(name: sink.name, type: type, position: position, trouble: nil)
        }
        do throws(WeirError) {
            let status = try TargetAdministration.status(ConnectorRegistry.target(target, pipeline: pipeline))
            return Line(name: sink.name, type: type, position: status.position, trouble: nil)
        } catch {
            let trouble = error.cause.map { "\(error.message): \($0)" } ?? error.message
            return Line(name: sink.name, type: type, position: nil, trouble: trouble)
        }
    }

    /// What a run would refuse to start with; nil when it could start, or when that cannot be told because a sink does
    /// not answer.
    func refusal(_ source: PostgresSourceSettings) throws(WeirError) -> WeirError? {
        guard lines.allSatisfy({ $0.trouble == nil }) else { return nil }
        let resume: ResumePoint
        do throws(WeirError) {
            resume = try ResumePoint(lines.map { ($0.name, $0.position) })
        } catch {
            return error
        }
        return try StartForecast.refusal(source, resume: resume, intent: intent)
    }
}
