/// A Java-serialised `HashMap<byte[], byte[]>`: what Kafka Connect's file offset store writes.
///
/// Source: Java Object Serialization Specification, chapter 6; `java.util.HashMap.writeObject`. Only what such a map is
/// made of is read; anything else is refused.
struct JavaMap {
    /// Why bytes are no such map.
    struct Failure: Error, Equatable {
        let reason: String
    }

    /// The entries, in the order of the file; a value may be null.
    private(set) var entries: [(key: [UInt8], value: [UInt8]?)] = []

    private let bytes: [UInt8]
    private var at = 0

    /// Whether bytes begin like a serialised Java object.
    static func isSerialized(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0xAC, 0xED]) }

    /// Reads all entries.
    init(_ bytes: [UInt8]) throws(Failure) {
        self.bytes = bytes
        guard try integer(4) == 0xACED_0005 else { throw Failure(reason: "it is no Java serialisation of version 5") }
        guard try integer(1) == 0x73 else { throw Failure(reason: "it holds no object") }
        guard try classDescription() == "java.util.HashMap" else { throw Failure(reason: "it holds no HashMap") }
        // The fields: load factor and threshold. Then the block that writeObject wrote: buckets and size.
        try skip(8)
        guard try integer(2) == 0x7708 else { throw Failure(reason: "its map has no size") }
        try skip(4)
        let count = try integer(4)
        guard count <= 1 << 20 else { throw Failure(reason: "its map claims \(count) entries") }
        for _ in 0..<count {
            guard let key = try array() else { throw Failure(reason: "it has an entry without key") }
            entries.append((key, try array()))
        }
        guard try integer(1) == 0x78, at == bytes.count else { throw Failure(reason: "its map does not end") }
    }

    private mutating func integer(_ count: Int) throws(Failure) -> UInt64 {
        guard at + count <= bytes.count else { throw Failure(reason: "it ends at byte \(bytes.count) in the middle") }
        var value: UInt64 = 0
        for byte in bytes[at..<at + count] { value = value << 8 | UInt64(byte) }
        at += count
        return value
    }

    private mutating func skip(_ count: Int) throws(Failure) {
        guard count >= 0, at + count <= bytes.count else {
            throw Failure(reason: "it ends at byte \(bytes.count) in the middle")
        }
        at += count
    }

    private mutating func text() throws(Failure) -> String {
        let count = Int(try integer(2))
        let start = at
        try skip(count)
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    /// Reads a class description, or a reference to one that came before; gives its name, "" for a reference.
    private mutating func classDescription() throws(Failure) -> String {
        switch try integer(1) {
        case 0x71:
            try skip(4)
            return ""
        case 0x72:
            let name = try text()
            try skip(9)
            for _ in 0..<(try integer(2)) {
                let type = try integer(1)
                _ = try text()
                guard type != UInt64(UInt8(ascii: "L")), type != UInt64(UInt8(ascii: "[")) else {
                    throw Failure(reason: "its class \(name) has fields that are objects")
                }
            }
            guard try integer(1) == 0x78 else { throw Failure(reason: "its class \(name) has annotations") }
            // The superclass: none that is serialised.
            guard try integer(1) == 0x70 else { throw Failure(reason: "its class \(name) has a superclass") }
            return name
        default: throw Failure(reason: "a class is missing at byte \(at)")
        }
    }

    /// A `byte[]`, nil for null.
    private mutating func array() throws(Failure) -> [UInt8]? {
        switch try integer(1) {
        case 0x70: return nil
        case 0x75:
            let name = try classDescription()
            guard name == "[B" || name.isEmpty else { throw Failure(reason: "it holds \(name), not bytes") }
            let count = Int(try integer(4))
            let start = at
            try skip(count)
            return Array(bytes[start..<at])
        default: throw Failure(reason: "an entry is missing at byte \(at)")
        }
    }
}
