/// Why a value of an event is none of its column's type. Holds no part of the value.
struct ValueProblem: Error, Equatable, CustomStringConvertible {
    /// What is wrong, as part of a sentence.
    let description: String

    init(_ description: String) { self.description = description }
}
