import Foundation
import LibPQ
import WeirCore
import WeirTestKit

@testable import KafkaSource

/// Every value of the recorded type matrix (`Tests/Fixtures/debezium-3.6.3/types`) and some more, in a database of
/// its own: what PostgreSQL says they are, and whether two text forms mean the same to it.
struct TypeMatrix {
    /// One value of a column.
    struct Value {
        /// `table.column`.
        let column: String
        let type: ColumnType
        let text: String
    }

    let values: [Value]
    private let url: String

    init() throws {
        let server = try PrivatePostgres.shared()
        let database = try server.createDatabase("matrix")
        url = server.url(database: database)
        let connection = try server.connect(database)
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/debezium-3.6.3/types")
        for file in ["setup.sql", "workload.sql"] {
            let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
            for statement in text.split(separator: "\n") { try connection.exec(String(statement)) }
        }
        try connection.exec(
            """
            INSERT INTO zoo.numbers (id, n, n2, nbig) VALUES (200, 'NaN', 'NaN', 'NaN'), (201, 'Infinity', 0, 0),
                (202, '-Infinity', 0, 0), (203, 1.50, -0.10, 0), (204, -0.000, 0, 99);
            INSERT INTO zoo.numbers (id, nneg) VALUES (205, -99900), (206, 9999900), (207, 'NaN'), (208, -200);
            INSERT INTO zoo.arrays (id, n, n2) VALUES (200, '{NaN,Infinity,-Infinity,1.50}', '{NaN,-0.01}');
            INSERT INTO zoo.times (id, iv) VALUES (200, '-00:00:00.5'), (201, '2 days -00:00:01'), (202, '-1 day')
            """)
        values = try Self.read(url)
    }

    private static func read(_ url: String) throws -> [Value] {
        let connection = try PGConnection(ConnectionSettings(url))
        let types = TypeCatalog()
        var values: [Value] = []
        let tables = try connection.query(
            "SELECT relname FROM pg_class WHERE relnamespace = 'zoo'::regnamespace AND relkind = 'r' ORDER BY 1")
        for row in 0..<tables.rowCount {
            let name = TableName(schema: "zoo", name: tables.string(row: row, column: 0) ?? "")
            guard let table = try CatalogTable.load(name: name, on: connection) else { continue }
            let rows = try connection.query("SELECT * FROM \(name.sql) ORDER BY 1")
            for (index, column) in table.columns.enumerated() {
                let type = try types.type(oid: column.typeOID, modifier: column.modifier, on: connection)
                for row in 0..<rows.rowCount {
                    guard let text = rows.string(row: row, column: index) else { continue }
                    values.append(Value(column: "\(name.name).\(column.name)", type: type, text: text))
                }
            }
        }
        return values
    }

    private static func isNumeric(_ type: ColumnType) -> Bool {
        if case .array(let element) = type.kind { return isNumeric(element) }
        return type.kind == .numeric
    }

    /// The pairs that are not the same value to PostgreSQL, by index; one it does not take as the type is another.
    func differing(_ pairs: [(type: ColumnType, left: String, right: String)]) throws -> [Int] {
        let connection = try PGConnection(ConnectionSettings(url))
        return pairs.indices.filter { index in
            let pair = pairs[index]
            if pair.left == pair.right { return false }
            // 1.50 and 1.5 are one number; one day and 24 hours compare equal and are two intervals.
            let cast = "::text::\(pair.type.name)" + (Self.isNumeric(pair.type) ? "" : "::text")
            let answer = try? connection.query("SELECT $1\(cast) = $2\(cast)", [pair.left, pair.right])
            return answer?.boolean(row: 0, column: 0) != true
        }
    }
}
