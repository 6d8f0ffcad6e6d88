import LibPQ
import WeirCore

/// One table of a snapshot: what to copy and as which relation.
struct SnapshotTable {
    /// The table.
    let table: CatalogTable
    /// Its columns as events will have them.
    let relation: Relation
    /// The publication's row filter as SQL, nil when there is none.
    let rowFilter: String?
    /// Pages of its file; nil where rows cannot be asked for by page.
    var pages: UInt64?

    /// The rows of these pages only: exactly those that the publication would have carried. Without pages all of them.
    /// A partitioned table is read through its root, any other without the tables that inherit from it.
    func copyStatement(pages: PageRange? = nil) -> String {
        let list = relation.columns.map { TableName.quote($0.name) }.joined(separator: ", ")
        let isRoot = table.kind == "p"
        if rowFilter == nil, pages == nil, !isRoot, !relation.columns.isEmpty {
            return "COPY \(table.name.sql) (\(list)) TO STDOUT"
        }
        let conditions = (pages?.conditions ?? []) + (rowFilter.map { ["(\($0))"] } ?? [])
        let filter = conditions.isEmpty ? "" : " WHERE \(conditions.joined(separator: " AND "))"
        return "COPY (SELECT \(list) FROM \(isRoot ? "" : "ONLY ")\(table.name.sql)\(filter)) TO STDOUT"
    }
}

/// A run of a table's pages.
struct PageRange: Equatable {
    /// The first page.
    let first: UInt64
    /// The page after the last one; nil for all that follow, so that a table has no row beyond its parts.
    let end: UInt64?

    /// Conditions that PostgreSQL 14 and newer turn into a scan of these pages only.
    var conditions: [String] {
        let lower = first == 0 ? [] : ["ctid >= '(\(first),0)'::pg_catalog.tid"]
        return lower + (end.map { ["ctid < '(\($0),0)'::pg_catalog.tid"] } ?? [])
    }
}

/// A part of a table, copied by one statement.
struct CopyPart {
    /// The table's place in the order of the snapshot.
    let table: Int
    /// The table.
    let source: SnapshotTable
    /// Its pages; nil for the whole table.
    let pages: PageRange?

    /// 16 MiB of pages: below that a statement of its own is not worth it.
    static let pagesMin: UInt64 = 2048
    /// 128 MiB of pages: no worker is left alone for long at a table's end.
    static let pagesMax: UInt64 = 16_384

    /// The parts of the tables, in order: several for each worker from a large table, so that all end at about the
    /// same time.
    static func plan(_ tables: [SnapshotTable], workers: Int) -> [CopyPart] {
        tables.enumerated().flatMap { index, source in
            ranges(source.pages ?? 0, workers: workers).map { CopyPart(table: index, source: source, pages: $0) }
        }
    }

    private static func ranges(_ pages: UInt64, workers: Int) -> [PageRange?] {
        let size = min(max(pages / UInt64(workers * 4), pagesMin), pagesMax)
        guard workers > 1, pages >= 2 * size else { return [nil] }
        let starts = Array(stride(from: 0, to: pages, by: Int(size)))
        return starts.enumerated().map { index, start in
            PageRange(first: start, end: index == starts.count - 1 ? nil : start + size)
        }
    }
}
