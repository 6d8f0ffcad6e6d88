/// Maps a batch to a batch: drops, changes or renames; synchronous and deterministic.
///
/// Called on the source's thread, one batch at a time. Rows keep their ordinals and transactions, and the batch keeps
/// its `endLSN`, also when no row is left. Errors: `value-rejected`, `table-unusable`.
public protocol Transform: AnyObject {
    /// The batch after the transform.
    func apply(_ batch: ChangeBatch) throws(WeirError) -> ChangeBatch
}

/// Tells what a table looks like somewhere else, for sources whose data does not carry its types.
public protocol SchemaProvider: AnyObject {
    /// The relation of a table, nil when there is no such table.
    func relation(for table: TableName) throws(WeirError) -> Relation?
}
