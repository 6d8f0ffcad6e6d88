import Glibc

/// An IPv4 address on loopback, as the socket calls want it.
struct SocketAddress {
    private var address = sockaddr_in()

    static func loopback(_ port: Int) -> SocketAddress {
        var made = SocketAddress()
        made.address.sin_family = sa_family_t(AF_INET)
        made.address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        made.address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return made
    }

    func bind(_ descriptor: CInt) -> Bool { withPointer { Glibc.bind(descriptor, $0, $1) == 0 } }

    /// Begins to connect; true also when a non-blocking socket will finish later.
    func connect(_ descriptor: CInt) -> Bool {
        withPointer { Glibc.connect(descriptor, $0, $1) == 0 || errno == EINPROGRESS }
    }

    private func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
