/// The shape of a date or timestamp in PostgreSQL's ISO text form, for comparing them without an allocation.
///
/// `YYYY-MM-DD`, `YYYY-MM-DD HH:MM:SS[.F]`, with `+00` for a timestamp with time zone (every session of Weir runs in
/// UTC) and ` BC`; years have four digits or more; `infinity` and `-infinity`.
struct TemporalShape: Equatable {
    private enum Kind: Int {
        case past, finite, future
    }

    private let kind: Kind
    /// Negative before Christ.
    private let year: Int
    /// From the month on, without zone and era.
    private let rest: Range<Int>

    /// Reads a value; nil when the text is none, or in another zone than UTC.
    init?(_ text: Span<UInt8>) {
        if text.equals("infinity") {
            self.init(kind: .future)
        } else if text.equals("-infinity") {
            self.init(kind: .past)
        } else {
            guard let finite = Self.finite(text) else { return nil }
            self = finite
        }
    }

    private init(kind: Kind, year: Int = 0, rest: Range<Int> = 0..<0) {
        self.kind = kind
        self.year = year
        self.rest = rest
    }

    private static func finite(_ text: Span<UInt8>) -> TemporalShape? {
        var index = 0
        var year = 0
        while let digit = text.digit(at: index), index < 9 {
            year = year * 10 + digit
            index += 1
        }
        guard index >= 4, index < text.count, text[index] == UInt8(ascii: "-") else { return nil }
        index += 1
        var end = text.count
        let isBeforeChrist = text.ends(with: " BC", before: end)
        if isBeforeChrist { end -= 3 }
        guard let dayEnd = pair(text, index, then: UInt8(ascii: "-")).flatMap({ pair(text, $0, then: nil) }) else {
            return nil
        }
        if dayEnd < end {
            if text.ends(with: "+00", before: end) { end -= 3 }
            guard dayEnd < end, text[dayEnd] == UInt8(ascii: " "), isClock(text, dayEnd + 1, end) else { return nil }
        }
        return TemporalShape(kind: .finite, year: isBeforeChrist ? -year : year, rest: index..<end)
    }

    /// Index behind two digits and, when asked for, a separator.
    private static func pair(_ text: Span<UInt8>, _ index: Int, then separator: UInt8?) -> Int? {
        guard text.digit(at: index) != nil, text.digit(at: index + 1) != nil else { return nil }
        guard let separator else { return index + 2 }
        guard index + 2 < text.count, text[index + 2] == separator else { return nil }
        return index + 3
    }

    /// Whether the bytes are `HH:MM:SS[.F]`.
    static func isClock(_ text: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        let colon = UInt8(ascii: ":")
        guard let minutes = pair(text, start, then: colon), let seconds = pair(text, minutes, then: colon),
            let fraction = pair(text, seconds, then: nil), fraction <= end
        else { return false }
        guard fraction < end else { return true }
        guard text[fraction] == UInt8(ascii: "."), fraction + 1 < end else { return false }
        for index in (fraction + 1)..<end where text.digit(at: index) == nil { return false }
        return true
    }

    /// Negative, zero or positive as the first value is before, at or after the second. The texts are those the shapes
    /// were read from, both with a time of day or both without.
    static func compare(
        _ left: TemporalShape, _ leftText: Span<UInt8>, _ right: TemporalShape, _ rightText: Span<UInt8>
    ) -> Int {
        guard left.kind == .finite, right.kind == .finite else { return left.kind.rawValue - right.kind.rawValue }
        guard left.year == right.year else { return left.year < right.year ? -1 : 1 }
        return leftText.extracting(left.rest).compareBytes(rightText.extracting(right.rest))
    }

    /// What a person wrote, as PostgreSQL prints it: `T` for the blank, `Z` or `+00:00` for `+00`, no seconds, zeros at
    /// the fraction's end, and a day alone for its midnight are understood. Nil when it is no such value.
    static func canonical(_ written: String, hasTime: Bool, hasZone: Bool) -> [UInt8]? {
        if written == "infinity" || written == "-infinity" { return Array(written.utf8) }
        var text = written.replacingFirst("T", with: " ")
        var era = ""
        if text.hasSuffix(" BC") {
            era = " BC"
            text.removeLast(3)
        }
        for zone in ["Z", "+00:00", "+00"] where text.hasSuffix(zone) {
            guard hasZone else { return nil }
            text.removeLast(zone.count)
            break
        }
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count <= (hasTime ? 2 : 1), let day = parts.first else { return nil }
        var result = String(day)
        if hasTime {
            guard let clock = canonicalClock(parts.count == 2 ? String(parts[1]) : "00:00:00") else { return nil }
            result += " " + clock + (hasZone ? "+00" : "")
        }
        let bytes = Array((result + era).utf8)
        return TemporalShape(bytes.span) == nil ? nil : bytes
    }

    /// A time of day as PostgreSQL prints it; nil when it is none.
    static func canonicalClock(_ written: String) -> String? {
        var clock = written.split(separator: ":").count == 2 ? written + ":00" : written
        if clock.contains(".") {
            while clock.hasSuffix("0") { clock.removeLast() }
            if clock.hasSuffix(".") { clock.removeLast() }
        }
        let bytes = Array(clock.utf8)
        return isClock(bytes.span, 0, bytes.count) ? clock : nil
    }
}

extension Span<UInt8> {
    /// Whether the bytes before `end` end with the text.
    fileprivate func ends(with text: StaticString, before end: Int) -> Bool {
        let length = text.utf8CodeUnitCount
        return end >= length && extracting((end - length)..<end).equals(text)
    }
}

extension String {
    fileprivate func replacingFirst(_ character: Character, with other: Character) -> String {
        guard let index = firstIndex(of: character) else { return self }
        return self[..<index] + String(other) + self[self.index(after: index)...]
    }
}
