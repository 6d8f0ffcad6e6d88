public import WeirCore

extension StateStore {
    /// The tables of the source that the stream knows.
    public func knownTables() throws(WeirError) -> [KnownTable] {
        let pipeline = self.pipeline
        let rows = try withDatabase { (database) throws(SQLiteError) in
            try database.query(
                """
                SELECT oid, table_schema, table_name, stage, snapshot, bound FROM known_table WHERE pipeline = ?1
                """, [.text(pipeline)]
            ) { row in (0..<6).map { row.text(Int32($0)) } }
        }
        return try rows.map { row throws(WeirError) in
            guard let oid = row[0].flatMap({ UInt32($0) }), let stage = Self.stage(row[3], row[4], row[5]) else {
                throw StateErrors.unusable(
                    "The state file \(path) is damaged", cause: "a known table cannot be read",
                    advice: StateErrors.restore(path))
            }
            return KnownTable(oid: oid, name: TableName(schema: row[1] ?? "", name: row[2] ?? ""), stage: stage)
        }
    }

    /// Writes down tables, and forgets others by OID, in one step.
    public func update(tables: [KnownTable], removing: [UInt32]) throws(WeirError) {
        let pipeline = self.pipeline
        try withDatabase { (database) throws(SQLiteError) in
            try database.transaction { () throws(SQLiteError) in
                for oid in removing {
                    try database.run(
                        "DELETE FROM known_table WHERE pipeline = ?1 AND oid = ?2", [.text(pipeline), .text("\(oid)")])
                }
                for table in tables {
                    try database.run(
                        """
                        INSERT OR REPLACE INTO known_table
                        (pipeline, oid, table_schema, table_name, stage, snapshot, bound, checksum)
                        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                        """, RowChecksum.appended(to: Self.values(table, pipeline: pipeline)))
                }
            }
        }
    }

    private static func values(_ table: KnownTable, pipeline: String) -> [SQLiteValue] {
        let name: [SQLiteValue] = [
            .text(pipeline), .text("\(table.oid)"), .text(table.name.schema), .text(table.name.name),
        ]
        switch table.stage {
        case .ignored: return name + [.text("ignored"), .null, .null]
        case .followed: return name + [.text("followed"), .null, .null]
        case .copied(let snapshot, let bound):
            return name + [.text("copied"), .text(snapshot), .text(bound.description)]
        }
    }

    private static func stage(_ word: String?, _ snapshot: String?, _ bound: String?) -> KnownTable.Stage? {
        switch word {
        case "ignored": return .ignored
        case "followed": return .followed
        case "copied":
            guard let snapshot, let bound = bound.flatMap({ LSN($0) }) else { return nil }
            return .copied(snapshot: snapshot, bound: bound)
        default: return nil
        }
    }
}
