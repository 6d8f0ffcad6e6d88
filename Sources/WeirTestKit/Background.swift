import WeirCore

/// Work that blocks, on a thread of its own while the test goes on.
///
/// Not a `Task`: tests run on the cooperative pool, which has as many threads as the machine has cores, and a test that
/// waits there for another task may hold the very thread that task needs.
public final class Background<Value: Sendable>: Sendable {
    private let result = Monitor<Result<Value, any Error>?>(nil)

    /// Starts the work at once.
    public init(_ body: @escaping @Sendable () throws -> Value) {
        let result = result
        let thread = WorkerThread(name: "background") {
            let value = Result { try body() }
            result.update { $0 = value }
        }
        if thread == nil { result.update { $0 = .failure(TestKitError("no thread could be started")) } }
    }

    /// Whether the work has ended.
    public var isDone: Bool { result.read { $0 != nil } }

    /// Waits for the work's result; throws its error, or when the time is over first.
    public func value(timeout: Duration = .seconds(30)) throws -> Value {
        guard let value = result.wait(until: .now + timeout, { $0 }) else {
            throw TestKitError("the work in the background is not done after \(timeout)")
        }
        return try value.get()
    }
}
