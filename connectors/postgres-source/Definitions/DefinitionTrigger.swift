import LibPQ
import WeirCore

/// The event trigger that writes what becomes of tables into the log, at its place, as logical messages.
///
/// Installed once by a superuser: only they may make event triggers. The function reads the catalog and writes a
/// message; an error in it is caught, so that it never makes a user's command fail. It runs with its owner's rights
/// because of the key: anybody may write a logical message, and only a message with the key is believed.
enum DefinitionTrigger {
    /// The prefix of its messages.
    static let prefix = "weir.ddl"
    /// Version of the messages; in the function's comment.
    static let version = 3
    /// Versions that are understood: the log may hold messages from before an upgrade.
    static let readable: ClosedRange<Int64> = 1...3
    /// Versions of the trigger that tell enough to go on with.
    private static let usable = [2, version]

    /// The statements that install it, or bring it up to date.
    static let installation: [String] = [
        "CREATE SCHEMA IF NOT EXISTS weir;",
        "CREATE TABLE IF NOT EXISTS weir.ddl_key (key uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid());",
        "ALTER TABLE weir.ddl_key ADD COLUMN IF NOT EXISTS installed_at pg_lsn, "
            + "ADD COLUMN IF NOT EXISTS triggers text;",
        "INSERT INTO weir.ddl_key (installed_at) SELECT NULL WHERE NOT EXISTS (SELECT FROM weir.ddl_key);",
        "REVOKE ALL ON weir.ddl_key FROM PUBLIC;",
        """
        CREATE OR REPLACE FUNCTION weir.emit_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on SET jit = off
        SET lock_timeout = '2s' AS $weir$
        \(body)
        $weir$;
        """,
        "COMMENT ON FUNCTION weir.emit_ddl() IS 'Weir, version \(version)';",
        "REVOKE ALL ON FUNCTION weir.emit_ddl() FROM PUBLIC;",
        "DROP EVENT TRIGGER IF EXISTS weir_ddl_end;", "DROP EVENT TRIGGER IF EXISTS weir_ddl_drop;",
        "CREATE EVENT TRIGGER weir_ddl_end ON ddl_command_end EXECUTE FUNCTION weir.emit_ddl();",
        "CREATE EVENT TRIGGER weir_ddl_drop ON sql_drop EXECUTE FUNCTION weir.emit_ddl();",
        "ALTER EVENT TRIGGER weir_ddl_end ENABLE ALWAYS;", "ALTER EVENT TRIGGER weir_ddl_drop ENABLE ALWAYS;",
    ]

    /// Writes down since when it tells of everything: run once the installation is committed. An INSERT, because a
    /// publication for all tables would refuse an UPDATE of a table without a key.
    static let registration = """
        INSERT INTO weir.ddl_key (key, installed_at, triggers) \
        SELECT k.key, pg_catalog.pg_current_wal_insert_lsn(), (\(identitySQL)) FROM weir.ddl_key k LIMIT 1;
        """

    /// What changes when one of the two is made anew, switched off or on.
    private static let identitySQL = """
        SELECT pg_catalog.string_agg(e.oid::text || ' ' || e.xmin::text, ',' ORDER BY e.evtname) \
        FROM pg_catalog.pg_event_trigger e WHERE e.evtname IN ('weir_ddl_end', 'weir_ddl_drop')
        """

    /// The statements that let a role read the key.
    static func grants(to role: String) -> [String] {
        let role = SQLText.identifier(role)
        return ["GRANT USAGE ON SCHEMA weir TO \(role);", "GRANT SELECT ON weir.ddl_key TO \(role);"]
    }

    /// The statements that remove it.
    static let removal: [String] = [
        "DROP EVENT TRIGGER IF EXISTS weir_ddl_end;", "DROP EVENT TRIGGER IF EXISTS weir_ddl_drop;",
        "DROP FUNCTION IF EXISTS weir.emit_ddl();", "DROP TABLE IF EXISTS weir.ddl_key;",
    ]

    /// What of it a server has.
    enum Status: Equatable {
        /// It is not there, not enabled, or of another version.
        case missing
        /// It is there, and the role may not read its key.
        case keyUnreadable
        /// It is there, with this key.
        case installed(Key)

        /// The statements that an administrator runs to have it tell of everything from then on.
        var installation: [String] {
            switch self {
            case .missing: DefinitionTrigger.installation + [registration]
            case .installed(let key) where key.isOutdated: DefinitionTrigger.installation + [registration]
            case .installed(let key) where key.since == nil: [registration]
            case .keyUnreadable, .installed: []
            }
        }
    }

    /// What shows that a message is the trigger's.
    struct Key: Equatable {
        /// In every message.
        var text: String
        /// Changes that commit at this position or later are told; nil when that was not written down.
        var since: LSN?
        /// The trigger is of a version before, and tells a little less.
        var isOutdated = false
    }

    /// Looks for it.
    static func status(on connection: borrowing PGConnection) throws(PGError) -> Status {
        let found = try connection.query(
            """
            SELECT t.usable, COALESCE((SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT') \
            AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') FROM pg_catalog.pg_class c \
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE n.nspname = 'weir' AND c.relname = 'ddl_key'), false), t.current \
            FROM (SELECT pg_catalog.count(*) AS usable, pg_catalog.count(*) \
            FILTER (WHERE pg_catalog.obj_description(f.oid, 'pg_proc') = $1) AS current \
            FROM pg_catalog.pg_event_trigger e \
            JOIN pg_catalog.pg_proc f ON f.oid = e.evtfoid JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace \
            WHERE e.evtname IN ('weir_ddl_end', 'weir_ddl_drop') AND e.evtenabled = 'A' AND n.nspname = 'weir' \
            AND pg_catalog.obj_description(f.oid, 'pg_proc') = ANY ($2::text[])) t
            """, ["Weir, version \(version)", "{\(usable.map { "\"Weir, version \($0)\"" }.joined(separator: ","))}"],
            operation: "look for the event trigger")
        guard found.integer(row: 0, column: 0, as: Int.self) == 2 else { return .missing }
        guard found.boolean(row: 0, column: 1) == true else { return .keyUnreadable }
        let key = try connection.query(
            """
            SELECT pg_catalog.min(k.key::text), \
            pg_catalog.max(k.installed_at) FILTER (WHERE k.triggers = (\(identitySQL))) FROM weir.ddl_key k
            """, operation: "read the trigger's key")
        guard let text = key.string(row: 0, column: 0) else { return .missing }
        return .installed(
            Key(
                text: text, since: key.string(row: 0, column: 1).flatMap { LSN($0) },
                isOutdated: found.integer(row: 0, column: 2, as: Int.self) != 2))
    }

    /// The key of the trigger, for a run that wants it; installs it where the role is a superuser. Throws
    /// `permission-denied` with what an administrator has to do.
    static func require(on connection: borrowing PGConnection, _ logger: Logger) throws(WeirError) -> Key {
        guard connection.serverVersion >= 140000 else {
            throw WeirError(
                .serverMisconfigured, stage: .source, "`source.ddl: trigger` needs PostgreSQL 14 or newer",
                cause: "older servers do not send logical messages", advice: "Set source.ddl to inferred.")
        }
        var found = Status.missing
        do throws(PGError) {
            found = try status(on: connection)
            let missing = found.installation
            if case .installed(let key) = found, missing.isEmpty { return key }
            let role = try connection.query(
                "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER", operation: "read pg_roles")
            if let last = missing.last, role.boolean(row: 0, column: 0) == true {
                let first = missing.dropLast().joined(separator: "\n")
                let what = first.isEmpty ? "registering" : "installing"
                logger.info("\(what) the event trigger for `source.ddl: trigger`")
                if !first.isEmpty { try connection.execute(first, operation: "install the event trigger") }
                try connection.execute(last, operation: "register the event trigger")
                if case .installed(let key) = try status(on: connection) { return key }
            }
            if case .installed(let key) = found {
                logger.warning(
                    key.isOutdated
                        ? "the event trigger is of an older version of Weir: a superuser runs what `weir check` prints"
                        : "the event trigger was switched off or made anew: over a restart, a change of a table with "
                            + "two readings stops the run, until a superuser runs what `weir check` prints")
                return key
            }
        } catch {
            throw SourceErrors.from(error)
        }
        throw refusal(
            found == .keyUnreadable
                ? "The role may not read the key of the event trigger"
                : "The event trigger of `source.ddl: trigger` is not installed")
    }

    private static func refusal(_ message: String) -> WeirError {
        WeirError(
            .permissionDenied, stage: .source, message,
            advice: "A superuser runs once what `weir check` prints; or set source.ddl to inferred.")
    }
}
