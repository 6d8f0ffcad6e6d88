import Glibc
import WeirCore

let streamSocket = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)

/// The thread of a `TCPProxy`: owns its sockets and waits for all of them in one poll(2).
struct ProxyLoop {
    /// One direction of a connection.
    private struct Lane {
        var pending: ArraySlice<UInt8> = []
        var isAtEnd = false
        var isShut = false
    }

    private struct Connection {
        var client: CInt
        var server: CInt
        var lanes: [TCPProxy.Direction: Lane] = [.toServer: Lane(), .toClient: Lane()]

        func source(_ direction: TCPProxy.Direction) -> CInt { direction == .toServer ? client : server }
        func target(_ direction: TCPProxy.Direction) -> CInt { direction == .toServer ? server : client }
    }

    let listener: CInt
    let wake: CInt
    let serverPort: Int
    let shared: TCPProxy.Shared

    private var connections: [Connection] = []
    private var resetsDone = 0
    private var buffer = [UInt8](repeating: 0, count: 65536)

    init(listener: CInt, wake: CInt, serverPort: Int, shared: TCPProxy.Shared) {
        self.listener = listener
        self.wake = wake
        self.serverPort = serverPort
        self.shared = shared
    }

    /// Forwards until the proxy is gone.
    mutating func run() {
        defer {
            for connection in connections { closeBoth(connection, abort: true) }
            close(listener)
            close(wake)
        }
        while true {
            let orders = shared.orders.read { $0 }
            if orders.resets > resetsDone {
                resetsDone = orders.resets
                resetAll()
            }
            shared.seen.update { $0 = orders.generation }
            guard turn(orders) else { return }
        }
    }

    /// Waits for one round of events and acts on them; false when the proxy is gone.
    private mutating func turn(_ orders: TCPProxy.Orders) -> Bool {
        var polled = [pollfd(fd: wake, events: Int16(POLLIN), revents: 0)]
        polled.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0))
        for connection in connections {
            for descriptor in [connection.client, connection.server] {
                polled.append(pollfd(fd: descriptor, events: interest(descriptor, connection, orders), revents: 0))
            }
        }
        // A descriptor without interest still reports errors; as a negative number it is left out.
        for index in polled.indices where polled[index].events == 0 { polled[index].fd = -1 }
        _ = poll(&polled, nfds_t(polled.count), -1)
        if polled[0].revents != 0 {
            let count = read(wake, &buffer, buffer.count)
            if count == 0 { return false }
            // New orders come first: what they forbid must not pass any more.
            return true
        }
        let before = connections.count
        for index in 0..<before { serve(index, orders) }
        if polled[1].revents != 0 { acceptOne(orders) }
        connections.removeAll { $0.client < 0 }
        shared.counts.update { $0.open = connections.count }
        return true
    }

    private func interest(_ descriptor: CInt, _ connection: Connection, _ orders: TCPProxy.Orders) -> Int16 {
        var events: CInt = 0
        for (direction, lane) in connection.lanes where !orders.stalled.contains(direction) {
            if descriptor == connection.source(direction) && lane.pending.isEmpty && !lane.isAtEnd { events |= POLLIN }
            if descriptor == connection.target(direction) && !lane.pending.isEmpty { events |= POLLOUT }
        }
        return Int16(events)
    }

    private mutating func acceptOne(_ orders: TCPProxy.Orders) {
        let client = accept(listener, nil, nil)
        guard client >= 0 else { return }
        _ = fcntl(client, F_SETFD, FD_CLOEXEC)
        let server = socket(AF_INET, streamSocket, 0)
        // Loopback connects or refuses at once, so the thread does not wait here.
        guard !orders.isRefusing, server >= 0, SocketAddress.loopback(serverPort).connect(server) else {
            // Counted first, so that a client that sees the end also sees the count.
            shared.counts.update { $0.refused += 1 }
            closeBoth(Connection(client: client, server: server), abort: true)
            return
        }
        for descriptor in [client, server] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
            var on: CInt = 1
            setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        }
        connections.append(Connection(client: client, server: server))
        shared.counts.update { counts in
            counts.accepted += 1
            counts.open = connections.count
        }
    }

    /// Moves what can be moved on one connection.
    private mutating func serve(_ index: Int, _ orders: TCPProxy.Orders) {
        for direction in [TCPProxy.Direction.toServer, .toClient] where !orders.stalled.contains(direction) {
            guard connections[index].client >= 0 else { return }
            guard var lane = connections[index].lanes[direction] else { return }
            let connection = connections[index]
            guard receive(&lane, from: connection.source(direction)),
                send(&lane, to: connection.target(direction), direction)
            else {
                closeBoth(connection, abort: true)
                connections[index].client = -1
                return
            }
            // Sending may have used up an allowance and closed all.
            guard connections[index].client >= 0 else { return }
            if lane.isAtEnd && lane.pending.isEmpty && !lane.isShut {
                lane.isShut = true
                shutdown(connection.target(direction), CInt(SHUT_WR))
            }
            connections[index].lanes[direction] = lane
        }
        if connections[index].client >= 0 && connections[index].lanes.values.allSatisfy(\.isShut) {
            closeBoth(connections[index], abort: false)
            connections[index].client = -1
        }
    }

    /// Takes bytes when none are pending; false on an error of the socket.
    private mutating func receive(_ lane: inout Lane, from source: CInt) -> Bool {
        guard lane.pending.isEmpty, !lane.isAtEnd else { return true }
        let count = recv(source, &buffer, buffer.count, CInt(MSG_DONTWAIT))
        if count > 0 { lane.pending = buffer[..<count] }
        if count == 0 { lane.isAtEnd = true }
        return count >= 0 || errno == EAGAIN || errno == EINTR
    }

    /// Passes pending bytes on, as many as the allowance lets; false when the connection is to end.
    private mutating func send(_ lane: inout Lane, to target: CInt, _ direction: TCPProxy.Direction) -> Bool {
        guard !lane.pending.isEmpty else { return true }
        let allowed = shared.orders.read { $0.allowance[direction] } ?? Int.max
        let part = lane.pending.prefix(allowed)
        let count = part.withUnsafeBytes { Glibc.send(target, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
        guard count >= 0 else { return errno == EAGAIN || errno == EINTR }
        lane.pending = lane.pending.dropFirst(count)
        shared.counts.update { counts in
            if direction == .toServer { counts.bytesToServer += count } else { counts.bytesToClient += count }
        }
        guard allowed != Int.max else { return true }
        if count < allowed {
            shared.orders.update { $0.allowance[direction]? -= count }
            return true
        }
        shared.orders.update { $0.allowance[direction] = nil }
        resetAll()
        return true
    }

    private mutating func resetAll() {
        for index in connections.indices where connections[index].client >= 0 {
            shared.counts.update { $0.reset += 1 }
            closeBoth(connections[index], abort: true)
            connections[index].client = -1
        }
        shared.counts.update { $0.open = 0 }
    }

    /// Closes both sockets, with a reset when `abort`.
    private func closeBoth(_ connection: Connection, abort: Bool) {
        for descriptor in [connection.client, connection.server] where descriptor >= 0 {
            if abort {
                var now = linger(l_onoff: 1, l_linger: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
            }
            close(descriptor)
        }
    }
}
