import LibPQ
import WeirCore

/// What the event trigger wrote about one command.
struct DefinitionMessage {
    /// A table as it was behind the command.
    struct Table {
        var definition: CatalogTable
        /// Temporary and unlogged tables are not replicated.
        var isPermanent: Bool
        /// It is a partition of another table.
        var isPartition: Bool
    }

    /// Shows that the trigger wrote it.
    var key: String
    /// The command.
    var command: SchemaChange.Command
    /// Tables that it made or changed.
    var tables: [Table] = []
    /// Tables that it dropped.
    var dropped: [(oid: UInt32, name: TableName)] = []
    /// The labels of enums that it made or changed.
    var enums: [(oid: UInt32, labels: [String])] = []
    /// The SQLSTATE with which the trigger failed; then there is nothing else.
    var failure: String?

    /// Whether tables are new: the command makes some.
    var makesTables: Bool {
        ["CREATE TABLE", "CREATE TABLE AS", "SELECT INTO", "CREATE SCHEMA"].contains(command.tag)
    }

    /// Reads a message. Throws what is wrong with it.
    init(_ bytes: [UInt8]) throws(JSONFailure) {
        let root = try JSONValue(bytes)
        guard let key = root["key"].text, let tag = root["command"].text, root["version"].number == 1 else {
            throw JSONFailure(offset: 0, reason: "not a message of version \(DefinitionTrigger.version)")
        }
        self.key = key
        command = SchemaChange.Command(tag: tag, statement: root["statement"].text)
        failure = root["failure"].text
        tables = root["tables"].items.compactMap { Table($0) }
        dropped = root["dropped"].items.compactMap { item in
            item["oid"].oid.map { ($0, TableName(schema: item["schema"].text ?? "", name: item["name"].text ?? "")) }
        }
        enums = root["enums"].items.compactMap { item in
            item["oid"].oid.map { ($0, item["labels"].items.compactMap(\.text)) }
        }
    }
}

extension DefinitionMessage.Table {
    fileprivate init?(_ value: JSONValue) {
        guard let oid = value["oid"].oid, let name = value["name"].text, let schema = value["schema"].text else {
            return nil
        }
        let identity: ReplicaIdentity =
            switch value["identity"].text {
            case "f": .full
            case "n": .nothing
            case "i": .index
            default: .default
            }
        let entries = value["columns"].items
        definition = CatalogTable(
            oid: oid, name: TableName(schema: schema, name: name), kind: value["kind"].text?.first ?? "r",
            replicaIdentity: identity, columns: entries.compactMap { CatalogColumn($0) },
            primaryKey: value["primaryKey"].items.compactMap(\.text),
            identityIndex: value["identityIndex"].items.compactMap(\.text), comment: value["comment"].text,
            storage: value["storage"].oid ?? 0, attributes: entries.compactMap { SourceAttribute($0) })
        isPermanent = value["persistence"].text == "p"
        isPartition = value["partition"].flag ?? false
    }
}

extension CatalogColumn {
    /// Nil for a dropped column.
    fileprivate init?(_ value: JSONValue) {
        guard let name = value["name"].text, let number = value["number"].number else { return nil }
        let isGenerated = value["generated"].flag ?? false
        self.init(
            name: name, number: Int16(clamping: number), typeOID: value["type"].oid ?? 0,
            modifier: Int32(clamping: value["modifier"].number ?? -1), isNotNull: value["notNull"].flag ?? false,
            isGenerated: isGenerated, identity: value["identity"].text?.first,
            defaultExpression: isGenerated ? nil : value["default"].text, collation: value["collation"].text,
            comment: value["comment"].text)
    }
}

extension SourceAttribute {
    fileprivate init?(_ value: JSONValue) {
        guard let number = value["number"].number else { return nil }
        let name = value["name"].text
        self.init(
            number: Int16(clamping: number), name: name, typeOID: value["type"].oid ?? 0,
            fill: name == nil ? nil : value["fill"].text, isGenerated: value["generated"].flag ?? false)
    }
}

/// A JSON value in memory, for small texts.
indirect enum JSONValue {
    case null
    case bool(Bool)
    case integer(Int64)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// Reads a whole text.
    init(_ bytes: [UInt8]) throws(JSONFailure) {
        var reader = JSONReader(bytes)
        self = try Self.value(try reader.next(), &reader)
        guard try reader.next() == .end else {
            throw JSONFailure(offset: reader.offset, reason: "something follows the value")
        }
    }

    /// The reader bounds the depth.
    private static func value(
        _ token: JSONReader.Token, _ reader: inout JSONReader
    ) throws(JSONFailure) -> JSONValue {
        switch token {
        case .beginObject:
            var members: [String: JSONValue] = [:]
            while case .key(let range, let isEscaped) = try reader.next() {
                let name = JSONText.string(range, of: reader.bytes, isEscaped: isEscaped)
                members[name] = try value(try reader.next(), &reader)
            }
            return .object(members)
        case .beginArray:
            var items: [JSONValue] = []
            while true {
                let next = try reader.next()
                if next == .endArray { return .array(items) }
                items.append(try value(next, &reader))
            }
        case .string(let range, let isEscaped):
            return .string(JSONText.string(range, of: reader.bytes, isEscaped: isEscaped))
        case .number(let range):
            return Int64(String(decoding: reader.bytes[range], as: UTF8.self)).map { .integer($0) } ?? .null
        case .bool(let flag): return .bool(flag)
        case .null: return .null
        case .endObject, .endArray, .key, .end:
            throw JSONFailure(offset: reader.offset, reason: "a value is missing")
        }
    }

    /// A member of an object; `null` for everything else.
    subscript(_ name: String) -> JSONValue {
        if case .object(let members) = self { members[name] ?? .null } else { .null }
    }

    /// The items of an array; none for everything else.
    var items: [JSONValue] {
        if case .array(let items) = self { items } else { [] }
    }

    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    var number: Int64? {
        if case .integer(let number) = self { number } else { nil }
    }

    var flag: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }

    var oid: UInt32? { number.flatMap { UInt32(exactly: $0) } }
}
