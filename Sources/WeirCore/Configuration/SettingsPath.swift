/// The way from the root of a configuration to one setting, written `sinks[0].brokers`.
public struct SettingsPath: Sendable, Hashable, CustomStringConvertible {
    /// One step of a path.
    public enum Step: Sendable, Hashable {
        /// A key of a map. It may hold dots, as `compression.type` does.
        case key(String)
        /// A place in a list, from 0.
        case index(Int)
    }

    /// The steps from the root.
    public private(set) var steps: [Step]

    /// Makes a path from steps; without any, the root.
    public init(_ steps: [Step] = []) {
        self.steps = steps
    }

    /// The path of a key below this one.
    public func appending(key: String) -> SettingsPath {
        SettingsPath(steps + [.key(key)])
    }

    /// The path of a list entry below this one, counted from 0.
    public func appending(index: Int) -> SettingsPath {
        SettingsPath(steps + [.index(index)])
    }

    /// The path as people write it; empty for the root. A key that is not plain is quoted.
    public var description: String {
        var text = ""
        for step in steps {
            switch step {
            case .index(let index):
                text += "[\(index)]"
            case .key(let key):
                if !text.isEmpty { text += "." }
                text += Self.isPlain(key) ? key : "\"\(key)\""
            }
        }
        return text
    }

    private static func isPlain(_ key: String) -> Bool {
        !key.isEmpty
            && key.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
                    true
                default:
                    false
                }
            }
    }
}

extension SettingsPath {
    /// Why a path could not be read; the text names the fault.
    public struct Malformed: Error, Sendable, Hashable {
        /// The fault, as part of a sentence.
        public let reason: String
    }

    /// Reads `sinks[0].properties."compression.type"`: keys parted by dots, list places in brackets, and a key with
    /// dots, brackets or other signs in double quotes.
    public init(parsing text: String) throws(Malformed) {
        var steps: [Step] = []
        var rest = Substring(text)
        while true {
            let key = try Self.takeKey(&rest)
            steps.append(.key(key))
            while rest.first == "[" {
                steps.append(.index(try Self.takeIndex(&rest)))
            }
            guard let next = rest.first else { break }
            guard next == "." else { throw Malformed(reason: "expected \".\" or \"[\" before \"\(rest)\"") }
            rest.removeFirst()
        }
        self.init(steps)
    }

    private static func takeKey(_ rest: inout Substring) throws(Malformed) -> String {
        if rest.first == "\"" {
            rest.removeFirst()
            guard let end = rest.firstIndex(of: "\"") else { throw Malformed(reason: "a quote is not closed") }
            let key = String(rest[..<end])
            rest = rest[rest.index(after: end)...]
            return key
        }
        let key = rest.prefix { $0 != "." && $0 != "[" && $0 != "]" && $0 != "\"" }
        guard !key.isEmpty else { throw Malformed(reason: "a key is empty") }
        rest = rest[key.endIndex...]
        return String(key)
    }

    private static func takeIndex(_ rest: inout Substring) throws(Malformed) -> Int {
        rest.removeFirst()
        let digits = rest.prefix { $0 != "]" }
        guard digits.endIndex != rest.endIndex, let index = Int(digits), (0..<10_000).contains(index) else {
            throw Malformed(reason: "a list place is a number in brackets, such as [0]")
        }
        rest = rest[digits.endIndex...].dropFirst()
        return index
    }
}
