import LibPQ
public import WeirCore

/// What a start would refuse, found without starting: for `weir check` and `weir status`.
public enum StartForecast {
    /// The refusal that a run would end with, given where the sinks are; nil when it could start, or when an agent
    /// holds the slot (what it does is not known from outside). Connects, asks, and disconnects; changes nothing.
    /// Throws when the server does not answer.
    public static func refusal(
        _ settings: PostgresSourceSettings, resume: ResumePoint, intent: SnapshotIntent?
    ) throws(WeirError) -> WeirError? {
        let facts: StartPlan.Facts
        do throws(PGError) {
            let connection = try PGConnection(
                ConnectionSettings(
                    settings.url, applicationName: "weir check", answerTimeout: PostgresSource.answerTimeout))
            let publication = try PublicationFacts.load(settings.publication, on: connection)
            facts = StartPlan.Facts(
                server: try Prerequisites.load(on: connection).server, slotName: settings.slot,
                slot: try SlotFacts.load(settings.slot, on: connection), resume: resume, intent: intent,
                mode: settings.snapshot, publicationExisted: publication != nil, hasBegunSnapshot: false)
        } catch {
            throw SourceErrors.from(error)
        }
        guard facts.slot?.activePID == nil, case .refuse(let error) = StartPlan(facts).action else { return nil }
        return error
    }
}
