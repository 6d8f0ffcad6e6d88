import Glibc

/// The connections of an endpoint by age: a new one ends the oldest when there are too many.
///
/// The time limit of a connection counts from its last byte: whoever sends one byte at a time would hold all of them,
/// and keep probes and metrics out.
struct OpenConnections {
    /// Connections that may be open beside a new one. libmicrohttpd takes some more, so that there is always one to
    /// hear of.
    static let countMax = 48

    private var sockets: [(descriptor: CInt, isEnded: Bool)] = []

    /// Takes in a connection; returns the sockets that have to be shut down for it.
    mutating func open(_ descriptor: CInt) -> [CInt] {
        sockets.append((descriptor, false))
        var surplus = sockets.count { !$0.isEnded } - Self.countMax - 1
        var ended: [CInt] = []
        for index in sockets.indices where surplus > 0 && !sockets[index].isEnded {
            sockets[index].isEnded = true
            ended.append(sockets[index].descriptor)
            surplus -= 1
        }
        return ended
    }

    /// Forgets a connection that is closed.
    mutating func close(_ descriptor: CInt) {
        guard let index = sockets.firstIndex(where: { $0.descriptor == descriptor }) else { return }
        sockets.remove(at: index)
    }
}
