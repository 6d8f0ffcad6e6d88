/// Reads and writes the quantities of a configuration: durations and sizes.
public enum SettingsQuantities {
    private static let durationUnits: [(name: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000), ("us", 1_000),
    ]
    private static let sizeUnits: [(name: String, bytes: Int64)] = [
        ("TiB", 1 << 40), ("TB", 1_000_000_000_000), ("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20),
        ("MB", 1_000_000), ("KiB", 1 << 10), ("kB", 1_000), ("B", 1),
    ]

    /// Reads `10s`, `500ms`, `2m`, `1h30m`: whole numbers with the units d, h, m, s, ms, us, the largest first; `0`
    /// needs no unit. `nil` when the text is none of these or more than a hundred years.
    public static func duration(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        var total: Int64 = 0
        var rest = Substring(text)
        var smallest = Int64.max
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            guard let number = takeNumber(&rest) else { return nil }
            let unitText = rest.prefix { $0.isLetter }
            rest = rest[unitText.endIndex...]
            guard let unit = durationUnits.first(where: { $0.name == unitText }), unit.nanoseconds < smallest else {
                return nil
            }
            smallest = unit.nanoseconds
            let (part, tooLarge) = number.multipliedReportingOverflow(by: unit.nanoseconds)
            let (sum, tooLong) = total.addingReportingOverflow(part)
            guard !tooLarge, !tooLong else { return nil }
            total = sum
        }
        return total <= 100 * 366 * durationUnits[0].nanoseconds ? .nanoseconds(total) : nil
    }

    /// Reads `64MiB`, `10GB`, `1048576`: a whole number and a unit (KiB, MiB, GiB, TiB by 1024; kB, MB, GB, TB by
    /// 1000; B or none for bytes; letter case and one space do not matter). `nil` when the text is none of these or
    /// over 2^62 bytes.
    public static func bytes(_ text: String) -> Int? {
        var rest = Substring(text)
        guard let number = takeNumber(&rest) else { return nil }
        if rest.first == " " { rest.removeFirst() }
        let unitText = rest.lowercased()
        guard let unit = unitText.isEmpty ? 1 : sizeUnits.first(where: { $0.name.lowercased() == unitText })?.bytes
        else {
            return nil
        }
        let (total, tooLarge) = number.multipliedReportingOverflow(by: unit)
        return tooLarge || total > 1 << 62 ? nil : Int(total)
    }

    /// The duration as ``duration(_:)`` reads it, in its largest units: `1m30s`.
    public static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        var rest = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        guard rest > 0 else { return "0" }
        var text = ""
        for unit in durationUnits where rest >= unit.nanoseconds {
            text += "\(rest / unit.nanoseconds)\(unit.name)"
            rest %= unit.nanoseconds
        }
        return text
    }

    /// The size as ``bytes(_:)`` reads it, with the largest unit that divides it: `64MiB`.
    public static func text(bytes: Int) -> String {
        guard bytes > 0 else { return "0" }
        let unit = sizeUnits.first { Int64(bytes) % $0.bytes == 0 }
        return unit.map { "\(Int64(bytes) / $0.bytes)\($0.name)" } ?? "\(bytes)B"
    }

    private static func takeNumber(_ rest: inout Substring) -> Int64? {
        let digits = rest.prefix { ("0"..."9").contains($0) }
        rest = rest[digits.endIndex...]
        return Int64(digits)
    }
}
