extension DefinitionTrigger {
    /// The function's body, in PL/pgSQL. All names are qualified, and the search path is pinned.
    ///
    /// A statement's text is recorded only where it is one command about tables or types and nothing else: a text with
    /// several commands, or one that calls a function, may hold data and secrets.
    static let body = #"""
        DECLARE
            secret text;
            statement text;
            tables oid[];
            changed oid[];
            dropped jsonb;
            types jsonb;
            definitions jsonb;
        BEGIN
            SELECT k.key::pg_catalog.text INTO secret FROM weir.ddl_key k;
            IF tg_event = 'sql_drop' THEN
                SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                        'oid', o.objid::pg_catalog.int8, 'schema', o.schema_name, 'name', o.object_name))
                    INTO dropped FROM pg_catalog.pg_event_trigger_dropped_objects() o
                    WHERE o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.objsubid = 0
                    AND o.object_type = 'table' AND NOT o.is_temporary;
                SELECT pg_catalog.array_agg(DISTINCT o.objid) INTO tables
                    FROM pg_catalog.pg_event_trigger_dropped_objects() o
                    WHERE o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.objsubid <> 0
                    AND o.object_type = 'table column';
            ELSE
                SELECT pg_catalog.array_agg(DISTINCT d.objid) INTO tables
                    FROM pg_catalog.pg_event_trigger_ddl_commands() d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.object_type IN ('table', 'table column');
                SELECT pg_catalog.array_agg(DISTINCT d.objid) INTO changed
                    FROM pg_catalog.pg_event_trigger_ddl_commands() d
                    WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass;
                -- A composite type is a kind of table there.
                SELECT changed || pg_catalog.array_agg(DISTINCT c.reltype) INTO changed
                    FROM pg_catalog.pg_event_trigger_ddl_commands() d
                    JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'c'
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass;
            END IF;
            IF changed IS NOT NULL THEN
                -- With each type those that are made of it.
                WITH RECURSIVE made(oid, depth) AS (
                    SELECT o, 0 FROM pg_catalog.unnest(changed) o
                    UNION
                    SELECT p.oid, m.depth + 1 FROM made m CROSS JOIN LATERAL (
                        SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typelem = m.oid OR t.typbasetype = m.oid
                        UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngsubtype = m.oid
                        UNION ALL SELECT r.rngmultitypid FROM pg_catalog.pg_range r WHERE r.rngtypid = m.oid
                        UNION ALL SELECT t.oid FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t
                            ON t.typrelid = a.attrelid AND t.typtype = 'c'
                            WHERE a.atttypid = m.oid AND a.attnum > 0 AND NOT a.attisdropped) p
                    WHERE m.depth < 32)
                SELECT pg_catalog.array_agg(DISTINCT m.oid) INTO changed FROM made m;
                SELECT tables || pg_catalog.array_agg(DISTINCT a.attrelid) INTO tables
                    FROM pg_catalog.pg_attribute a
                    WHERE a.atttypid = ANY (changed) AND NOT a.attisdropped AND a.attnum > 0;
                SELECT tables || pg_catalog.array_agg(DISTINCT c.oid) INTO tables
                    FROM pg_catalog.pg_class c WHERE c.reloftype = ANY (changed);
            END IF;
            IF tables IS NULL AND changed IS NULL AND dropped IS NULL THEN
                RETURN;
            END IF;
            WITH RECURSIVE family(relid) AS (
                SELECT pg_catalog.unnest(tables)
                UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.relid)
            SELECT pg_catalog.array_agg(DISTINCT f.relid) INTO tables FROM family f;
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                    'oid', t.oid::pg_catalog.int8, 'schema', n.nspname, 'name', t.typname,
                    'labels', (SELECT pg_catalog.jsonb_agg(e.enumlabel ORDER BY e.enumsortorder)
                        FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),
                    'labelOids', (SELECT pg_catalog.jsonb_agg(e.oid::pg_catalog.int8 ORDER BY e.enumsortorder)
                        FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)))
                INTO types FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
                WHERE t.typtype = 'e' AND (t.oid = ANY (changed) OR t.oid IN (
                    WITH RECURSIVE used(oid, depth) AS (
                        SELECT a.atttypid, 0 FROM pg_catalog.pg_attribute a
                        WHERE a.attrelid = ANY (tables) AND a.attnum > 0 AND NOT a.attisdropped
                        UNION
                        SELECT p.oid, u.depth + 1 FROM used u JOIN pg_catalog.pg_type b ON b.oid = u.oid
                        CROSS JOIN LATERAL (
                            SELECT b.typelem WHERE b.typlen = -1
                            UNION ALL SELECT b.typbasetype
                            UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r
                                WHERE b.oid IN (r.rngtypid, r.rngmultitypid)
                            UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
                                WHERE a.attrelid = b.typrelid AND a.attnum > 0 AND NOT a.attisdropped) p(oid)
                        WHERE p.oid <> 0 AND u.depth < 32)
                    SELECT u.oid FROM used u));
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                    'oid', c.oid::pg_catalog.int8, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
                    'persistence', c.relpersistence, 'identity', c.relreplident, 'partition', c.relispartition,
                    'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
                    'storage', pg_catalog.pg_relation_filenode(c.oid)::pg_catalog.int8,
                    'columns', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                            'number', a.attnum, 'name', CASE WHEN NOT a.attisdropped THEN a.attname END,
                            'type', a.atttypid::pg_catalog.int8, 'modifier', a.atttypmod, 'notNull', a.attnotnull,
                            'generated', a.attgenerated <> '', 'identity', NULLIF(a.attidentity, ''),
                            'default', pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                            'collation', CASE WHEN a.attcollation <> t.typcollation
                                THEN pg_catalog.quote_ident(ln.nspname)
                                    || '.' || pg_catalog.quote_ident(l.collname) END,
                            'fill', CASE WHEN a.atthasmissing
                                THEN pg_catalog.array_to_string(a.attmissingval, '') END,
                            'comment', pg_catalog.col_description(a.attrelid, a.attnum)) ORDER BY a.attnum)
                        FROM pg_catalog.pg_attribute a
                        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                        LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                        LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
                        LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
                        WHERE a.attrelid = c.oid AND a.attnum > 0),
                    'primaryKey', (SELECT pg_catalog.jsonb_agg(a.attname ORDER BY k.place)
                        FROM pg_catalog.pg_index i
                        CROSS JOIN LATERAL pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k(number, place)
                        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                        WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts),
                    'keyTiming', (SELECT CASE WHEN k.condeferred THEN 'deferred' WHEN k.condeferrable THEN 'deferrable'
                            END FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p'),
                    'identityIndex', (SELECT pg_catalog.jsonb_agg(a.attname ORDER BY k.place)
                        FROM pg_catalog.pg_index i
                        CROSS JOIN LATERAL pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k(number, place)
                        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                        WHERE i.indrelid = c.oid AND i.indisreplident AND k.place <= i.indnkeyatts)))
                INTO definitions
                FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.oid = ANY (tables) AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't';
            IF definitions IS NULL AND dropped IS NULL AND types IS NULL THEN
                RETURN;
            END IF;
            statement := pg_catalog.regexp_replace(
                pg_catalog.current_query(), '^(\s|--[^\n]*\n|/\*([^*]|\*+[^*/])*\*+/)+', '');
            statement := pg_catalog.rtrim(statement, E'; \n\r\t');
            -- A text that holds more than this one command may hold anything.
            IF statement LIKE '%;%' OR pg_catalog.octet_length(statement) > 65536
                OR tg_tag NOT IN ('CREATE TABLE', 'ALTER TABLE', 'DROP TABLE', 'COMMENT', 'CREATE TYPE', 'ALTER TYPE',
                    'DROP TYPE')
                OR pg_catalog.upper(pg_catalog.regexp_replace(pg_catalog.left(
                    statement, pg_catalog.length(tg_tag) + 20), '\s+', ' ', 'g')) NOT LIKE tg_tag || ' %' THEN
                statement := NULL;
            END IF;
            PERFORM pg_catalog.pg_logical_emit_message(true, 'weir.ddl', pg_catalog.jsonb_build_object(
                'version', \#(version), 'key', secret, 'command', tg_tag, 'statement', statement, 'tables', definitions,
                'dropped', dropped, 'enums', types)::pg_catalog.text);
            -- Decoding orders a message by its end, which is the next record's beginning, and this block is a
            -- subtransaction: without a record between, the next row might come first.
            PERFORM pg_catalog.pg_logical_emit_message(true, 'weir.ddl', '');
        EXCEPTION WHEN OTHERS THEN
            -- Whatever goes wrong here is no reason for the user's command to fail.
            BEGIN
                PERFORM pg_catalog.pg_logical_emit_message(true, 'weir.ddl', pg_catalog.jsonb_build_object(
                    'version', \#(version), 'key', secret, 'command', tg_tag, 'failure', SQLSTATE)::pg_catalog.text);
                PERFORM pg_catalog.pg_logical_emit_message(true, 'weir.ddl', '');
            EXCEPTION WHEN OTHERS THEN
                NULL;
            END;
        END 
        """#
}
