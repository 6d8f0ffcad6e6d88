/// A property that a Kafka connector cannot use.
public struct KafkaPropertyProblem: Sendable, Equatable {
    /// The property's name.
    public let name: String
    /// Why, without its value when that is secret.
    public let reason: String
    /// The nearest property there is, when the name is unknown.
    public let nearest: String?
}

extension KafkaConfiguration {
    /// What librdkafka, or before it `fault`, refuses of some properties; each is judged on its own. Makes no
    /// connection. `nearest` finds the name that was meant among others.
    public static func problems(
        of properties: [(name: String, value: String)], fault: (String, String) -> String?,
        nearest: (String, [String]) -> String?
    ) -> [KafkaPropertyProblem] {
        var configuration = KafkaConfiguration()
        var problems: [KafkaPropertyProblem] = []
        for (name, value) in properties {
            if let reason = fault(name, value) {
                problems.append(KafkaPropertyProblem(name: name, reason: reason, nearest: nil))
                continue
            }
            do throws(KafkaPropertyError) {
                try configuration.set(name, value)
            } catch {
                let meant = error.problem == .unknown ? nearest(name, configuration.propertyNames) : nil
                problems.append(KafkaPropertyProblem(name: name, reason: error.reason, nearest: meant))
            }
        }
        return problems
    }
}
