import Foundation
import WeirTestKit

/// Tables as a consumer of Debezium's events keeps them: rows by the event's key, or as they come where it has none.
struct EventTables {
    /// Texts of a row's values by column.
    typealias Row = [String: String?]

    static let placeholder = "__debezium_unavailable_value"

    private var keyed: [String: [String: Row]] = [:]
    private var unkeyed: [String: [Row]] = [:]
    private var seen: Set<String> = []
    /// Rows that a change of their key has removed, by the change's identity.
    private var moved: [String: Row] = [:]

    /// Takes in the lines of one run. The last one of a run that was killed may be half written.
    mutating func take(_ lines: [String], isWhole: Bool) throws {
        for (place, line) in lines.enumerated() {
            guard let event = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
                if !isWhole, place == lines.count - 1 { return }
                throw TestKitError("no event: \(line.prefix(200))")
            }
            try take(event)
        }
    }

    private mutating func take(_ event: [String: Any]) throws {
        guard let topic = event["topic"] as? String, let headers = event["headers"] as? [String: Any] else {
            throw TestKitError("an event has no topic or no headers: \(event.keys)")
        }
        // A tombstone: the delete before it says the same.
        guard let value = event["value"] as? [String: Any], let operation = value["op"] as? String else { return }
        let identity = headers["weir-id"] as? String ?? ""
        let key = (event["key"] as? [String: Any]).map { Self.text(Self.row($0)) }
        // What came twice is told by its identity.
        guard seen.insert(identity).inserted else { return }
        let table = topic.split(separator: ".").last.map(String.init) ?? ""
        let (before, after) = (value["before"] as? [String: Any], value["after"] as? [String: Any])
        if operation == "t" {
            keyed[table] = nil
            unkeyed[table] = nil
        } else if let key {
            // A change of a key makes several events, told apart behind the change's own identity.
            let origin = identity.split(separator: "/").prefix(4).joined(separator: "/")
            try change(table, key, origin, after.map(Self.row))
        } else {
            try change(table, before.map(Self.row), after.map(Self.row))
        }
    }

    private mutating func change(_ table: String, _ key: String, _ identity: String, _ after: Row?) throws {
        guard var row = after else {
            moved[identity] = keyed[table]?.removeValue(forKey: key)
            return
        }
        // What is not sent did not change.
        let old = keyed[table]?[key] ?? moved[identity]
        for (column, text) in row where text == Self.placeholder {
            guard let known = old?[column] else { throw TestKitError("\(table).\(column) of \(key) was never sent") }
            row[column] = known
        }
        keyed[table, default: [:]][key] = row
    }

    private mutating func change(_ table: String, _ before: Row?, _ after: Row?) throws {
        if let before {
            guard let place = unkeyed[table]?.firstIndex(of: before) else {
                throw TestKitError("\(table) has no row \(Self.text(before).prefix(200))")
            }
            unkeyed[table]?.remove(at: place)
        }
        if let after { unkeyed[table, default: []].append(after) }
    }

    /// The rows of a table, in one order.
    func rows(_ table: String) -> [String] {
        ((keyed[table]?.values).map(Array.init) ?? unkeyed[table] ?? []).map(Self.text).sorted()
    }

    /// The same of the database.
    static func rows(_ table: String, _ connection: TestConnection) throws -> [String] {
        let sql = """
            SELECT (SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each_text(to_jsonb(r)) e)::text
            FROM ONLY \(table) r
            """
        return try connection.query(sql).map { line in
            let object = try JSONSerialization.jsonObject(with: Data((line[0] ?? "").utf8)) as? [String: Any]
            return text(row(object ?? [:]))
        }.sorted()
    }

    private static func row(_ object: [String: Any]) -> Row {
        object.mapValues { $0 is NSNull ? nil : "\($0)" }
    }

    private static func text(_ row: Row) -> String {
        row.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.map { "'\($0)'" } ?? "NULL")" }.joined(
            separator: ", ")
    }
}
