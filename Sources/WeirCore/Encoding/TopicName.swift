/// Names of topics as Kafka and Debezium allow them.
///
/// Source: Debezium's `AbstractTopicNamingStrategy.sanitizedTopicName`.
public enum TopicName {
    /// Longest name Kafka takes.
    public static let lengthMax = 249

    /// The name with every character outside `[A-Za-z0-9._-]` made `_`, cut at 249.
    public static func sanitized(_ name: String) -> String {
        // Debezium looks at Java characters: one outside the basic plane becomes two underscores.
        var bytes: [UInt8] = []
        for unit in name.utf16 {
            bytes.append(unit < 128 && isAllowed(UInt8(unit)) ? UInt8(unit) : UInt8(ascii: "_"))
            if bytes.count == lengthMax { break }
        }
        let text = String(decoding: bytes, as: UTF8.self)
        return text == "." ? "_" : text == ".." ? "__" : text
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// The topic of a relation's events: its route if it has one, else the template with `{pipeline}`, `{database}`,
    /// `{schema}` and `{table}` filled in; sanitised.
    public static func topic(of relation: Relation, template: String, pipeline: String, database: String) -> String {
        if let route = relation.route { return sanitized(route) }
        var name = ""
        var rest = template[...]
        while let open = rest.firstIndex(of: "{") {
            name += rest[..<open]
            rest = rest[open...]
            guard let close = rest.firstIndex(of: "}") else { break }
            switch rest[open...close] {
            case "{pipeline}": name += pipeline
            case "{database}": name += database
            case "{schema}": name += relation.table.schema
            case "{table}": name += relation.table.name
            default: name += rest[open...close]
            }
            rest = rest[rest.index(after: close)...]
        }
        return sanitized(name + rest)
    }
}
