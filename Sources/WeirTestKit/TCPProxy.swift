import Glibc
import WeirCore

/// A TCP proxy on loopback between Weir and a server, to break the network on purpose.
///
/// One thread forwards; it ends with the proxy. The methods may be called from any thread and return when the thread
/// has acted on them.
public final class TCPProxy: Sendable {
    /// The way of bytes.
    public enum Direction: Hashable, Sendable {
        /// From the client that connected to the proxy.
        case toServer
        /// From the server behind it.
        case toClient
    }

    /// What the proxy has done so far.
    public struct Counts: Sendable {
        /// Connections taken and passed on.
        public var accepted = 0
        /// Connections refused, by order or because the server was not there.
        public var refused = 0
        /// Connections open now.
        public var open = 0
        /// Connections that were reset by `reset()` or `cut`.
        public var reset = 0
        /// Bytes passed on from clients.
        public var bytesToServer = 0
        /// Bytes passed on from the server.
        public var bytesToClient = 0
    }

    /// What the methods order and the thread reads at each turn.
    struct Orders: Sendable {
        var stalled: Set<Direction> = []
        var isRefusing = false
        var resets = 0
        /// Bytes that may still pass before all connections are reset.
        var allowance: [Direction: Int] = [:]
        /// Counts the changes, so that a method can wait until the thread has seen its own.
        var generation = 0
    }

    /// What the proxy and its thread share.
    struct Shared: Sendable {
        let orders = Monitor(Orders())
        let counts = Monitor(Counts())
        let seen = Monitor(0)
    }

    /// The port that clients connect to, on 127.0.0.1.
    public let port: Int

    private let shared = Shared()
    private let wakeEnd: CInt

    /// Starts a proxy.
    ///
    /// - Parameter serverPort: the port on 127.0.0.1 that connections are passed on to. The server need not run yet.
    public init(to serverPort: Int) throws {
        port = try LoopbackPort.next()
        let listener = socket(AF_INET, streamSocket, 0)
        guard listener >= 0, SocketAddress.loopback(port).bind(listener), listen(listener, 64) == 0 else {
            throw TestKitError.system("listen on port \(port)")
        }
        let wake = try Spawner.pipe()
        wakeEnd = wake.write
        let shared = shared
        let thread = WorkerThread(name: "tcp proxy") {
            var loop = ProxyLoop(listener: listener, wake: wake.read, serverPort: serverPort, shared: shared)
            loop.run()
        }
        guard thread != nil else { throw TestKitError("no thread could be started") }
    }

    /// The thread sees the end of the pipe, closes all connections and ends.
    deinit { close(wakeEnd) }

    /// Stops passing bytes on, in one direction or both: connections stay open and silent, new ones too.
    public func stall(_ directions: Set<Direction> = [.toServer, .toClient]) { order { $0.stalled = directions } }

    /// Passes bytes on again, and takes new connections again after `refuse()`.
    public func resume() {
        order { orders in
            orders.stalled = []
            orders.isRefusing = false
        }
    }

    /// Resets (RST) all open connections; new ones are taken.
    public func reset() { order { $0.resets += 1 } }

    /// Resets all open connections once exactly so many more bytes have passed in that direction, over all of them.
    public func cut(after bytes: Int, _ direction: Direction) { order { $0.allowance[direction] = bytes } }

    /// Resets open connections and refuses new ones until `resume()`, as if the server were down.
    public func refuse() {
        order { orders in
            orders.isRefusing = true
            orders.resets += 1
        }
    }

    /// What has been done so far.
    public var progress: Counts { shared.counts.read { $0 } }

    /// Waits until the counts are as wanted; false when the time is over first.
    public func waitFor(timeout: Duration = .seconds(20), _ wanted: (Counts) -> Bool) -> Bool {
        shared.counts.wait(until: .now + timeout) { wanted($0) ? true : nil } ?? false
    }

    /// Changes the orders and waits until the thread has acted on them.
    private func order(_ change: (inout Orders) -> Void) {
        let generation = shared.orders.update { orders in
            change(&orders)
            orders.generation += 1
            return orders.generation
        }
        var byte: UInt8 = 0
        _ = write(wakeEnd, &byte, 1)
        _ = shared.seen.wait(until: .now + .seconds(10)) { $0 >= generation ? true : nil }
    }
}
