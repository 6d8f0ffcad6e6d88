internal import CRdKafka

/// The headers of one message, in a buffer that is used again and again: no allocation once it has grown.
///
/// Fill it, produce, `removeAll()`, fill it again. Use it on one thread.
public struct KafkaHeaders: ~Copyable {
    private struct Entry {
        let name: StaticString
        let offset: Int
        let length: Int
    }

    private var entries: [Entry] = []
    private var bytes: [UInt8] = []

    /// Makes an empty list.
    public init() {
        entries.reserveCapacity(8)
        bytes.reserveCapacity(512)
    }

    /// How many headers there are.
    public var count: Int { entries.count }

    /// Takes all headers out and keeps the room.
    public mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
    }

    /// Adds a header whose value `write` appends to the given buffer; it must leave what is there alone.
    public mutating func add(_ name: StaticString, _ write: (inout [UInt8]) -> Void) {
        let offset = bytes.count
        write(&bytes)
        precondition(bytes.count >= offset, "a header writer only appends")
        entries.append(Entry(name: name, offset: offset, length: bytes.count - offset))
    }

    /// Adds a header; the value is copied.
    public mutating func add(_ name: StaticString, _ value: UnsafeRawBufferPointer) {
        let offset = bytes.count
        unsafe bytes.append(contentsOf: value)
        entries.append(Entry(name: name, offset: offset, length: bytes.count - offset))
    }

    /// Lends the headers in the form the shim takes, for the time of the call.
    func withCHeaders<Result>(_ body: (UnsafePointer<weir_kafka_header>?, Int) -> Result) -> Result {
        guard !entries.isEmpty else { return body(nil, 0) }
        return unsafe withUnsafeTemporaryAllocation(of: weir_kafka_header.self, capacity: entries.count) { list in
            unsafe bytes.withUnsafeBytes { values in
                for (index, entry) in entries.enumerated() {
                    let name = unsafe UnsafeRawPointer(entry.name.utf8Start).assumingMemoryBound(to: CChar.self)
                    // An empty value is not a null one: it needs a pointer, to whatever.
                    let value = unsafe values.baseAddress.map { unsafe $0 + entry.offset } ?? UnsafeRawPointer(name)
                    let header = unsafe weir_kafka_header(
                        name: name, name_size: entry.name.utf8CodeUnitCount, value: value, value_size: entry.length)
                    unsafe list.initializeElement(at: index, to: header)
                }
                return unsafe body(UnsafePointer(list.baseAddress), list.count)
            }
        }
    }
}
