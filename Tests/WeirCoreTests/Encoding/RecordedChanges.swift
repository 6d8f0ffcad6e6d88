import Foundation
import Testing

@testable import WeirCore

/// Reads what `Tests/Fixtures/debezium-3.6.3/record.py` recorded (its comment has the format) into batches.
struct RecordedChanges {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fixtures/debezium-3.6.3")

    static func lines(_ file: String) throws -> [String] {
        let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
        return text.split(separator: "\n").map(String.init)
    }

    private var relations: [Int: Relation] = [:]
    private var pending: (number: Int, fields: [String], columns: [Column])?

    /// The stream's batches; a batch is sealed when it has `rowsMax` rows, also within a transaction.
    static func stream(_ folder: String = "", rowsMax: Int = .max) throws -> [ChangeBatch] {
        var reader = RecordedChanges()
        var builder = BatchBuilder(limits: BatchLimits(bytesMax: .max / 2, rowsMax: rowsMax))
        var batches: [ChangeBatch] = []
        for line in try lines(folder + "stream.changes") {
            reader.read(line, into: &builder)
            if builder.isFull || (line.hasPrefix("E") && rowsMax == 1) { batches.append(builder.seal(at: 0)) }
        }
        if !builder.isEmpty { batches.append(builder.seal(at: 0)) }
        return batches
    }

    /// The snapshot's batches: one for each table, with its markers.
    static func snapshot(_ folder: String = "") throws -> [ChangeBatch] {
        let lines = try lines(folder + "snapshot.changes")
        let tables = lines.filter { $0.hasPrefix("R") }.map { fields($0)[1] }
        let withRows = tables.filter { number in lines.contains { $0.hasPrefix("r\t\(number)\t") } }
        var reader = RecordedChanges()
        var batches: [ChangeBatch] = []
        for table in tables {
            let part = lines.drop { $0 != lines.first { $0.hasPrefix("R\t\(table)\t") } }
                .enumerated().prefix { $0.offset == 0 || !$0.element.hasPrefix("R") }.map(\.element)
            let rows = part.filter { $0.hasPrefix("r") }
            let lsn = LSN(UInt64(rows.first.map { fields($0)[2] } ?? "") ?? 0)
            var builder = BatchBuilder()
            builder.begin(
                TransactionInfo(
                    xid: 700, commitLSN: LSN(lsn.rawValue &- 1), commitTime: 0, rows: 0..<0, begins: true, ends: false))
            for line in part { reader.read(line, into: &builder) }
            builder.commit(endLSN: lsn)
            batches.append(
                builder.seal(
                    at: 0,
                    snapshot: SnapshotPart(
                        consistentPoint: lsn, isFirst: table == tables.first, isFirstOfTable: true, isLastOfTable: true,
                        holdsLastRow: table == withRows.last)))
        }
        return batches
    }

    private static func fields(_ line: String) -> [String] {
        line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }

    private mutating func read(_ line: String, into builder: inout BatchBuilder) {
        let fields = Self.fields(line)
        if fields[0] != "C" { finishRelation() }
        switch fields[0] {
        case "R": pending = (Int(fields[1]) ?? -1, fields, [])
        case "C": pending?.columns.append(Self.column(fields))
        case "B":
            builder.begin(
                TransactionInfo(
                    xid: UInt32(fields[1]) ?? 0, commitLSN: LSN(UInt64(fields[2]) ?? 0),
                    previousEndLSN: UInt64(fields[3]).map { LSN($0) }, commitTime: Int64(fields[4]) ?? 0, rows: 0..<0,
                    begins: true, ends: false))
        case "E": builder.commit(endLSN: LSN(UInt64(fields[1]) ?? 0))
        case "T":
            for number in fields[3...] {
                builder.addRow(.truncate, relation: relations[Int(number) ?? -1], lsn: Self.lsn(fields[1]))
            }
        case "M":
            let cells = Self.append(fields[3...4], &builder)
            builder.addRow(
                .message, relation: nil, lsn: Self.lsn(fields[1]), cells: cells,
                flags: fields[2] == "1" ? .transactional : [])
        default: readRow(fields, into: &builder)
        }
    }

    private func readRow(_ fields: [String], into builder: inout BatchBuilder) {
        let relation = relations[Int(fields[1]) ?? -1]
        let lsn = Self.lsn(fields[2])
        let tuples: [String: Row.OldTuple] = ["k": .key, "f": .full]
        switch fields[0] {
        case "I", "r":
            let cells = Self.append(fields[3...], &builder)
            builder.addRow(fields[0] == "I" ? .insert : .read, relation: relation, lsn: lsn, cells: cells)
        case "U":
            let split = 5 + (Int(fields[4]) ?? 0)
            let old = Self.append(fields[5..<split], &builder)
            let new = Self.append(fields[split...], &builder)
            builder.addRow(
                .update, relation: relation, lsn: lsn, cells: new, oldCells: split == 5 ? -1 : old,
                oldTuple: tuples[fields[3]] ?? .none)
        default:
            let old = Self.append(fields[4...], &builder)
            builder.addRow(
                .delete, relation: relation, lsn: lsn, oldCells: old, oldTuple: tuples[fields[3]] ?? .none)
        }
    }

    private mutating func finishRelation() {
        guard let (number, fields, columns) = pending else { return }
        let identities: [String: ReplicaIdentity] = ["d": .default, "n": .nothing, "f": .full, "i": .index]
        relations[number] = Relation(
            oid: 0, table: TableName(schema: fields[2], name: Self.unescape(fields[3]) ?? ""), columns: columns,
            identity: identities[fields[4]] ?? .default,
            primaryKey: fields[5].split(separator: ",").compactMap { Int($0) })
        pending = nil
    }

    private static func column(_ fields: [String]) -> Column {
        Column(
            name: unescape(fields[8]) ?? "",
            type: ColumnType(
                oid: UInt32(fields[2]) ?? 0, baseOID: UInt32(fields[3]), modifier: Int32(fields[4]) ?? -1,
                name: fields[5], kind: kind(fields[6])),
            isIdentity: fields[1].contains("i"), isNotNull: fields[1].contains("n"), defaultText: unescape(fields[7]))
    }

    private static func kind(_ text: String) -> ColumnType.Kind {
        let inner = text.firstIndex(of: "(").map { String(text[text.index(after: $0)...].dropLast()) } ?? ""
        if text.hasPrefix("enumeration(") { return .enumeration(inner.split(separator: ",").map(String.init)) }
        if text.hasPrefix("array(") {
            let parts = inner.split(separator: ":", maxSplits: 2).map(String.init)
            let oids = parts[0].split(separator: "/").map { UInt32($0) ?? 0 }
            return .array(ColumnType(oid: oids[0], baseOID: oids[1], name: parts[1], kind: kind(parts[2])))
        }
        let known: [ColumnType.Kind] = [
            .boolean, .int2, .int4, .int8, .oid, .float4, .float8, .numeric, .money, .text, .varchar, .bpchar, .name,
            .char, .citext, .bytea, .date, .time, .timetz, .timestamp, .timestamptz, .interval, .uuid, .json, .jsonb,
            .xml, .bit, .varbit, .inet, .cidr, .macaddr, .macaddr8, .tsvector, .tsquery, .ltree, .hstore, .pgLSN,
            .point, .box, .lseg, .path, .polygon, .circle, .line, .int4range, .int8range, .numrange, .tsrange,
            .tstzrange, .daterange, .composite,
        ]
        return known.first { "\($0)" == text } ?? .other
    }

    private static func lsn(_ text: String) -> LSN { LSN(UInt64(text) ?? 0) }

    private static func append(_ values: ArraySlice<String>, _ builder: inout BatchBuilder) -> Int {
        let first = builder.cellCount
        for value in values {
            if value == "\\u" {
                builder.appendCell(.unchanged)
            } else if let text = unescape(value) {
                builder.appendText(text.utf8)
            } else {
                builder.appendCell(.null)
            }
        }
        return first
    }

    /// COPY's text form: nil for `\N`.
    private static func unescape(_ text: String) -> String? {
        if text == "\\N" { return nil }
        let named: [Character: Character] = ["t": "\t", "n": "\n", "r": "\r", "b": "\u{8}", "f": "\u{c}", "v": "\u{b}"]
        var result = ""
        var isEscaped = false
        for character in text {
            if isEscaped {
                result.append(named[character] ?? character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                result.append(character)
            }
        }
        return result
    }
}
