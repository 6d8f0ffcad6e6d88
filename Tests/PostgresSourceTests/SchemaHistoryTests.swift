import Foundation
import LibPQ
import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// Tables as schema change events describe them, against what Debezium 3.6.3 has for the same tables.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(2))) struct SchemaHistoryTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/debezium-3.6.3/tables")

    private func tables() throws -> [JSONValue] {
        let text = try String(contentsOf: Self.folder.appending(path: "tables.jsonl"), encoding: .utf8)
        return try text.split(separator: "\n").dropFirst().map { try JSONValue(Array($0.utf8)) }
    }

    /// What Weir writes for a table, as the first change in the event.
    private func change(_ relation: Relation) throws -> JSONValue {
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.includeSchemaChanges = true
        settings.debezium.strict = true
        let encoder = EventEncoder(settings: settings)
        encoder.begin(SourceDescription(systemIdentifier: 1, database: "shop", start: .zero))
        var builder = BatchBuilder()
        builder.begin(
            TransactionInfo(xid: 7, commitLSN: LSN(10), commitTime: 0, rows: 0..<0, begins: true, ends: false))
        builder.addSchemaChange(.altered, relation: relation, lsn: LSN(5))
        builder.commit(endLSN: LSN(18))
        var buffer = ByteBuffer()
        var values: [String] = []
        try encoder.encode(builder.seal(at: 0), into: &buffer) { (event, bytes) throws(WeirError) in
            if let range = event.value.range { values.append(bytes.text(range)) }
        }
        let value = try JSONValue(Array(try #require(values.first).utf8))
        return try #require(value["tableChanges"]?.items.first)
    }

    private static func member(_ value: JSONValue, _ name: String) -> JSONValue { value[name] ?? .null }

    private static func names(_ value: JSONValue?) -> [String] {
        guard case .object(let members)? = value else { return [] }
        return members.map(\.name)
    }

    /// The name of a table in an id, without quotes.
    private static func name(_ change: JSONValue) throws -> String {
        let id = try #require(change["id"]?.string)
        return String(id.dropFirst("\"public\".\"".count).dropLast()).replacing("\"\"", with: "\"")
    }

    @Test func tablesAreDebeziums() throws {
        let database = try SourceDatabase()
        try database.exec(String(contentsOf: Self.folder.appending(path: "setup.sql"), encoding: .utf8))
        let connection = try PGConnection(ConnectionSettings(database.postgres.url(database: database.name)))
        var columnCount = 0
        for recorded in try tables() {
            let (streamed, read) = (Self.member(recorded, "stream"), Self.member(recorded, "snapshot"))
            let name = try Self.name(streamed)
            let table = try CatalogTable.load(name: TableName(schema: "public", name: name), on: connection)
            // The stream's key: the first unique index where there is no primary key.
            let indexed = try #require(table).withUniqueIndex(on: connection)
            let ours = try change(try RelationBuilder().relation(of: indexed, columns: nil, on: connection))
            #expect(Self.names(ours) == Self.names(streamed))
            for part in ["type", "id"] { #expect(ours[part] == streamed[part]) }
            let (mine, theirs) = (Self.member(ours, "table"), Self.member(streamed, "table"))
            #expect(Self.names(mine) == Self.names(theirs))
            for part in ["defaultCharsetName", "primaryKeyColumnNames", "comment"] {
                #expect(mine[part] == theirs[part])
            }
            let all = Self.member(read, "table")["columns"]?.items ?? []
            let columns = theirs["columns"]?.items ?? []
            #expect(mine["columns"]?.items.count == columns.count)
            for (column, expected) in zip(mine["columns"]?.items ?? [], columns) {
                columnCount += 1
                try compare(column, expected, all.first { $0["name"] == expected["name"] })
            }
        }
        #expect(columnCount > 140)
    }

    private func compare(_ column: JSONValue, _ expected: JSONValue, _ read: JSONValue?) throws {
        #expect(Self.names(column) == Self.names(expected))
        let name = column["name"]?.string ?? ""
        for part in [
            "name", "jdbcType", "typeName", "typeExpression", "charsetName", "length", "scale", "position", "optional",
            "generated", "comment",
        ] {
            #expect(column[part] == expected[part], "\(part) of \(name)")
        }
        // Debezium knows of sequences only when it reads a table by itself.
        #expect(column["autoIncremented"] == read?["autoIncremented"], "autoIncremented of \(name)")
        let type = try #require(column["nativeType"]?.integer)
        #expect(expected["nativeType"]?.integer == (type < 16384 ? type : 0), "nativeType of \(name)")
        // It leaves out defaults of types that it cannot convert; names in others depend on its search path.
        if let text = expected["defaultValueExpression"]?.string {
            #expect(
                column["defaultValueExpression"]?.string?.replacing("public.", with: "") == text, "default of \(name)")
        }
    }
}
