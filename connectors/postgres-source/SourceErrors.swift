import LibPQ
import WeirCore

/// How errors of the source's server become errors of the pipeline.
enum SourceErrors {
    static let peer = "the source database"

    /// An error of a connection or a statement.
    static func from(_ error: PGError) -> WeirError {
        switch (error.operation, error.sqlState) {
        case ("CREATE_REPLICATION_SLOT", "42710"):
            return WeirError(
                .slotBusy, stage: .source, "Another agent created the replication slot at the same moment",
                cause: error.description)
        case ("START_REPLICATION", "55006"), ("DROP_REPLICATION_SLOT", "55006"):
            return WeirError(
                .slotBusy, stage: .source, "The replication slot is in use", cause: error.description,
                advice: "Stop the other agent; one that died is noticed after the server's wal_sender_timeout.")
        default: return error.weirError(stage: .source, peer: peer)
        }
    }

    /// The replication connection was refused. The hints are for what sends people searching.
    static func connectingForReplication(_ error: PGError) -> WeirError {
        var mapped = from(error)
        switch error.sqlState {
        case "42501":
            mapped.message = "The role may not replicate"
            mapped.advice = "Grant it: ALTER ROLE ... REPLICATION (on managed servers, their own replication role)."
        case "53300":
            mapped.message = "The server has no free walsender"
            mapped.advice = "Raise max_wal_senders, or disconnect replicas that are not needed."
        case "08P01":
            mapped.advice = "A connection pooler cannot carry replication: connect to the server itself."
        default: break
        }
        return mapped
    }

    /// A table could not be copied. One that changed or went since it was looked up is looked up again.
    static func copying(_ error: PGError, _ table: TableName) -> WeirError {
        switch error.sqlState {
        case "42P01", "42703", "3F000":
            return WeirError(
                .tableUnusable, stage: .source, "The table changed while the snapshot was taken",
                cause: error.description, advice: "The snapshot is taken anew."
            ).at(table: table).disposed(.retry)
        default: return from(error).at(table: table)
        }
    }

    /// A binary stream came upon a column whose binary form is not known. The next session asks for text.
    static func textNeeded(_ column: Column, _ table: TableName) -> WeirError {
        WeirError(
            .binaryFormUnknown, stage: .source, "The stream goes on in text form",
            cause: "column \(column.name) is of type \(column.type.name), whose binary form is not known"
        ).at(table: table).disposed(.retry)
    }

    /// Runs a body that talks to the server, with its errors mapped.
    static func mapping<Value: ~Copyable>(
        _ body: () throws(PGError) -> Value
    ) throws(WeirError) -> Value {
        do throws(PGError) {
            return try body()
        } catch {
            throw from(error)
        }
    }

    /// The server ended the stream with an error. What the slot and the publication look like now tells more than
    /// its text, which may be in any language.
    static func streaming(
        _ error: PGError, slotName: String, slot: SlotFacts??, publication: PublicationFacts??, database: String
    ) -> WeirError {
        guard error.kind == .server, error.retry == .operatorNeeded else { return from(error) }
        if let slot {
            guard let slot else {
                return WeirError(
                    .slotMissing, stage: .source, "Replication slot \"\(slotName)\" was dropped while it was used",
                    cause: error.description,
                    advice:
                        "Find out who dropped it; set `source.snapshot: always` for one run to copy the tables again.")
            }
            if slot.isInvalidated {
                return WeirError(
                    .slotInvalidated, stage: .source, "Replication slot \"\(slotName)\" was invalidated by the server",
                    cause: slot.invalidation ?? "its WAL exceeded max_slot_wal_keep_size",
                    advice: "Drop the slot and set `source.snapshot: always` for one run to copy the tables again; "
                        + "give max_slot_wal_keep_size more room."
                ).at(position: slot.confirmedLSN)
            }
            if slot.database != nil && slot.database != database || slot.plugin != "pgoutput" {
                return WeirError(
                    .slotMismatch, stage: .source, "Replication slot \"\(slotName)\" cannot be used",
                    cause: error.description, advice: "Choose another name in `source.slot`.")
            }
        }
        // undefined_object while decoding: the publication, now or at the slot's position.
        if error.sqlState == "42704", let publication {
            return publicationMissing(error, exists: publication != nil)
        }
        return from(error)
    }

    private static func publicationMissing(_ error: PGError, exists: Bool) -> WeirError {
        let again = "To go on, drop the slot and set `source.snapshot: always` for one run to copy the tables again"
        return exists
            ? WeirError(
                .publicationMissing, stage: .source, "The publication did not exist yet when these changes were made",
                cause: error.description, advice: "\(again): it was created after the slot.")
            : WeirError(
                .publicationMissing, stage: .source, "The publication was dropped", cause: error.description,
                advice: "\(again); the publication is created then.")
    }
}

extension WeirError.Code {
    /// A binary stream cannot go on; one in text can.
    static let binaryFormUnknown = Self(rawValue: "binary-form-unknown")
}
