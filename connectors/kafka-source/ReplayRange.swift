internal import LibRdKafka
public import WeirCore

/// Where a replay begins or ends.
public enum ReplayPosition: Sendable, Hashable {
    /// The oldest record that is still there.
    case earliest
    /// Offsets of partitions. Without a topic's name a partition is that of the only topic. Partitions that are not
    /// named begin at their oldest record, and end at their present end.
    case offsets([PartitionOffset])
    /// The first record written at or after this time, milliseconds since 1970.
    case time(Int64)
    /// The first change committed at or after this position of the source's log.
    case lsn(LSN)

    /// A partition and an offset in it.
    public struct PartitionOffset: Sendable, Hashable {
        /// The topic; nil for the only one.
        public let topic: String?
        /// The partition's id.
        public let partition: Int32
        /// The offset.
        public let offset: Int64

        /// Names an offset.
        public init(topic: String?, partition: Int32, offset: Int64) {
            self.topic = topic
            self.partition = partition
            self.offset = offset
        }
    }

    /// Reads `earliest`, `PARTITION=OFFSET,...` (a partition as `0` or `topic[0]`), an LSN, or an RFC 3339 time; nil
    /// for anything else.
    public init?(_ text: String) {
        if text == "earliest" {
            self = .earliest
        } else if text.contains("=") {
            guard let offsets = Self.offsets(text) else { return nil }
            self = .offsets(offsets)
        } else if let lsn = LSN(text) {
            self = .lsn(lsn)
        } else if let time = InternetTime.milliseconds(text) {
            self = .time(time)
        } else {
            return nil
        }
    }

    private static func offsets(_ text: String) -> [PartitionOffset]? {
        var offsets: [PartitionOffset] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let halves = item.split(separator: "=", omittingEmptySubsequences: false)
            guard halves.count == 2, let offset = Int64(halves[1]), offset >= 0 else { return nil }
            if let partition = Int32(halves[0]), partition >= 0 {
                offsets.append(PartitionOffset(topic: nil, partition: partition, offset: offset))
            } else if let named = Offsets.partition(halves[0]) {
                offsets.append(PartitionOffset(topic: named.topic, partition: named.id, offset: offset))
            } else {
                return nil
            }
        }
        return offsets
    }
}

/// Which part of the topics a replay reads.
public struct ReplayRange: Sendable, Hashable {
    /// Where it begins; nil where the last replay into the same sinks stopped, else at the oldest record.
    public var from: ReplayPosition?
    /// Where it ends, exclusively; nil at the ends that the partitions have when it starts.
    public var to: ReplayPosition?

    /// The whole of what is there.
    public init(from: ReplayPosition? = nil, to: ReplayPosition? = nil) {
        self.from = from
        self.to = to
    }
}

/// An offset of a partition.
struct KafkaPartitionOffset: Equatable {
    let partition: KafkaPartition
    let offset: Int64
}

/// The next offset to read of each partition, and its text form `topic[0]=12,topic[1]=7`: a replay's resume point.
struct Offsets: Equatable {
    private(set) var next: [KafkaPartition: Int64] = [:]

    init() {}

    /// Reads the text form; nil for anything else.
    init?(_ text: String) {
        guard !text.isEmpty else { return }
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let halves = item.split(separator: "=", omittingEmptySubsequences: false)
            guard halves.count == 2, let partition = Self.partition(halves[0]), let offset = Int64(halves[1]),
                offset >= 0
            else { return nil }
            next[partition] = offset
        }
    }

    /// Reads `topic[0]`.
    static func partition(_ text: Substring) -> KafkaPartition? {
        guard text.hasSuffix("]"), let open = text.lastIndex(of: "["), open > text.startIndex,
            let id = Int32(text[text.index(after: open)...].dropLast()), id >= 0
        else { return nil }
        return KafkaPartition(topic: String(text[..<open]), id: id)
    }

    subscript(partition: KafkaPartition) -> Int64? {
        get { next[partition] }
        set { next[partition] = newValue }
    }

    /// The text form, partitions in order.
    var text: String { next.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",") }
}

/// Times as RFC 3339 writes them.
enum InternetTime {
    /// Milliseconds since 1970 of `2026-11-01T00:00:00Z`, with a fraction of a second or an offset if there is one.
    static func milliseconds(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            bytes[10] | 0x20 == UInt8(ascii: "t") || bytes[10] == UInt8(ascii: " "),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"),
            let year = number(bytes, 0..<4), let month = number(bytes, 5..<7), let day = number(bytes, 8..<10),
            let hour = number(bytes, 11..<13), let minute = number(bytes, 14..<16),
            let second = number(bytes, 17..<19), (1...12).contains(month), hour < 24, minute < 60, second <= 60,
            day >= 1, day <= daysInMonth(year, month)
        else { return nil }
        var index = 19
        var millis: Int64 = 0
        if bytes[index] == UInt8(ascii: ".") {
            index += 1
            let start = index
            while index < bytes.count, bytes[index] &- UInt8(ascii: "0") < 10 { index += 1 }
            guard index > start else { return nil }
            for place in 0..<3 {
                let digit = start + place < index ? Int64(bytes[start + place] - UInt8(ascii: "0")) : 0
                millis = millis * 10 + digit
            }
        }
        guard let offset = offset(bytes, index) else { return nil }
        let seconds = (epochDay(year, month, day) * 24 + hour) * 3600 + minute * 60 + second
        return (seconds - offset) * 1000 + millis
    }

    private static func number(_ bytes: [UInt8], _ range: Range<Int>) -> Int64? {
        var value: Int64 = 0
        for byte in bytes[range] {
            guard byte &- UInt8(ascii: "0") < 10 else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        return value
    }

    /// Seconds east of UTC of `Z` or `+01:00` at the end of the text.
    private static func offset(_ bytes: [UInt8], _ index: Int) -> Int64? {
        guard index < bytes.count else { return nil }
        if bytes[index] | 0x20 == UInt8(ascii: "z") { return index + 1 == bytes.count ? 0 : nil }
        guard index + 6 == bytes.count, bytes[index + 3] == UInt8(ascii: ":"),
            bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "-"),
            let hours = number(bytes, (index + 1)..<(index + 3)), hours < 24,
            let minutes = number(bytes, (index + 4)..<(index + 6)), minutes < 60
        else { return nil }
        let seconds = hours * 3600 + minutes * 60
        return bytes[index] == UInt8(ascii: "-") ? -seconds : seconds
    }

    private static func daysInMonth(_ year: Int64, _ month: Int64) -> Int64 {
        epochDay(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) - epochDay(year, month, 1)
    }

    /// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`, for years from 0 on.
    private static func epochDay(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = (month <= 2 ? year - 1 : year) + 400
        let era = shifted / 400
        let yearOfEra = shifted % 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468 - 146_097
    }
}
