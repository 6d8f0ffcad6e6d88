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
        /// It says when the key is looked at; older triggers do not.
        var tellsKeyTiming: Bool
    }

    /// Shows that the trigger wrote it; nil where it failed before it could read it.
    var key: String?
    /// The command.
    var command: SchemaChange.Command
    /// Tables that it made or changed.
    var tables: [Table] = []
    /// Tables that it dropped.
    var dropped: [(oid: UInt32, name: TableName)] = []
    /// The labels of enums that it made or changed.
    var enums: [(oid: UInt32, labels: EnumLabels)] = []
    /// The SQLSTATE with which the trigger failed; then there is nothing else.
    var failure: String?

    /// Whether tables are new: the command makes some.
    var makesTables: Bool {
        ["CREATE TABLE", "CREATE TABLE AS", "SELECT INTO", "CREATE SCHEMA"].contains(command.tag)
    }

    /// Reads a message. Throws what is wrong with it.
    init(_ bytes: [UInt8]) throws(JSONFailure) {
        let root = try JSONValue(bytes)
        guard let tag = root["command"]?.string, let version = root["version"]?.integer,
            DefinitionTrigger.readable.contains(version)
        else {
            throw JSONFailure(offset: 0, reason: "not a message of version \(DefinitionTrigger.version)")
        }
        key = root["key"]?.string
        command = SchemaChange.Command(tag: tag, statement: root["statement"]?.string)
        failure = root["failure"]?.string
        tables = root.items("tables").compactMap { Table($0) }
        dropped = root.items("dropped").compactMap { item in
            item["oid"]?.oid.map { oid in
                (oid, TableName(schema: item["schema"]?.string ?? "", name: item["name"]?.string ?? ""))
            }
        }
        enums = root.items("enums").compactMap { item in
            let oids = item.items("labelOids").compactMap(\.oid)
            return item["oid"]?.oid.map { ($0, EnumLabels(names: item.texts("labels"), oids: oids)) }
        }
    }
}

extension DefinitionMessage.Table {
    fileprivate init?(_ value: JSONValue) {
        guard let oid = value["oid"]?.oid, let name = value["name"]?.string, let schema = value["schema"]?.string else {
            return nil
        }
        let identity: ReplicaIdentity =
            switch value["identity"]?.string {
            case "f": .full
            case "n": .nothing
            case "i": .index
            default: .default
            }
        let entries = value.items("columns")
        definition = CatalogTable(
            oid: oid, name: TableName(schema: schema, name: name), kind: value["kind"]?.string?.first ?? "r",
            replicaIdentity: identity, columns: entries.compactMap { CatalogColumn($0) },
            primaryKey: value.texts("primaryKey"),
            keyTiming: value["keyTiming"]?.string.flatMap { KeyTiming(rawValue: $0) } ?? .immediate,
            identityIndex: value.texts("identityIndex"), comment: value["comment"]?.string,
            storage: value["storage"]?.oid ?? 0, attributes: entries.compactMap { SourceAttribute($0) })
        isPermanent = value["persistence"]?.string == "p"
        isPartition = value["partition"]?.flag ?? false
        tellsKeyTiming = value["keyTiming"] != nil
    }
}

extension CatalogColumn {
    /// Nil for a dropped column.
    fileprivate init?(_ value: JSONValue) {
        guard let name = value["name"]?.string, let number = value["number"]?.integer else { return nil }
        let isGenerated = value["generated"]?.flag ?? false
        self.init(
            name: name, number: Int16(clamping: number), typeOID: value["type"]?.oid ?? 0,
            modifier: Int32(clamping: value["modifier"]?.integer ?? -1), isNotNull: value["notNull"]?.flag ?? false,
            isGenerated: isGenerated, identity: value["identity"]?.string?.first,
            expression: value["default"]?.string, collation: value["collation"]?.string,
            comment: value["comment"]?.string)
    }
}

extension SourceAttribute {
    fileprivate init?(_ value: JSONValue) {
        guard let number = value["number"]?.integer else { return nil }
        let name = value["name"]?.string
        let isGenerated = value["generated"]?.flag ?? false
        self.init(
            number: Int16(clamping: number), name: name, typeOID: value["type"]?.oid ?? 0,
            fill: name == nil ? nil : value["fill"]?.string,
            hasDefault: !isGenerated && value["default"]?.string != nil || value["identity"]?.string != nil,
            isGenerated: isGenerated)
    }
}

extension JSONValue {
    fileprivate var oid: UInt32? { integer.flatMap { UInt32(exactly: $0) } }

    /// The items of a member that is an array.
    fileprivate func items(_ name: String) -> [JSONValue] { self[name]?.items ?? [] }

    /// The strings in a member that is an array.
    fileprivate func texts(_ name: String) -> [String] { items(name).compactMap(\.string) }
}
