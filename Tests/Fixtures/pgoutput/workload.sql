-- One statement, one transaction, unless BEGIN says otherwise.
INSERT INTO shop.orders VALUES (1, 'Ann', 12.50, 'happy', NULL), (2, 'Bob', 0, 'sad', '');
UPDATE shop.orders SET amount = 13.75 WHERE id = 1;
UPDATE shop.orders SET id = 3 WHERE id = 2;
DELETE FROM shop.orders WHERE id = 3;
-- Toast: inserted, other column updated (unchanged), value updated, key changed.
INSERT INTO shop.toasted VALUES (1, 1, repeat('x', 3000));
UPDATE shop.toasted SET small = 2;
UPDATE shop.toasted SET big = 'now small';
UPDATE shop.toasted SET big = repeat('y', 3000);
UPDATE shop.toasted SET id = 7;
-- REPLICA IDENTITY FULL: old rows whole; unchanged toast only in the old one.
INSERT INTO shop.whole VALUES (1, 'one'), (NULL, NULL);
UPDATE shop.whole SET b = 'uno' WHERE a = 1;
DELETE FROM shop.whole WHERE a IS NULL;
INSERT INTO shop.whole_toasted VALUES (1, repeat('z', 3000));
UPDATE shop.whole_toasted SET id = 2;
-- REPLICA IDENTITY USING INDEX: key in the old tuple only when it changed, always at a delete.
INSERT INTO shop.indexed VALUES ('k', 1);
UPDATE shop.indexed SET v = 2;
UPDATE shop.indexed SET code = 'l';
DELETE FROM shop.indexed;
-- A toasted key: sent with the old tuple although it did not change, because the new one does not have it.
INSERT INTO shop.toasted_key VALUES (repeat('k', 2600), 1);
UPDATE shop.toasted_key SET v = 2;
INSERT INTO shop.unkeyed VALUES (5);
INSERT INTO shop.nothing_in_it DEFAULT VALUES;
INSERT INTO shop."Odd ""name"" ✓" VALUES (1, E'tab\tline\nend');
-- Truncate: one table with restart, several by cascade.
TRUNCATE shop.unkeyed RESTART IDENTITY;
INSERT INTO shop.lines VALUES (1, 1, 'nut');
TRUNCATE shop.orders CASCADE;
-- Logical messages: transactional, rolled back, and not transactional.
SELECT pg_logical_emit_message(true, 'weir', 'in the transaction');
BEGIN;
SELECT pg_logical_emit_message(true, 'weir', 'never seen');
SELECT pg_logical_emit_message(false, 'weir.out', '\x00ff'::bytea);
ROLLBACK;
-- A transaction of another origin.
SELECT pg_replication_origin_create('elsewhere');
SELECT pg_replication_origin_session_setup('elsewhere');
BEGIN;
SELECT pg_replication_origin_xact_setup('0/ABCD', '2024-05-06 07:08:09+00');
INSERT INTO shop.unkeyed VALUES (6);
COMMIT;
SELECT pg_replication_origin_session_reset();
-- Columns change between rows of one transaction.
BEGIN;
INSERT INTO shop.whole VALUES (10, 'before');
ALTER TABLE shop.whole ADD COLUMN c int DEFAULT 4;
INSERT INTO shop.whole VALUES (11, 'after');
ALTER TABLE shop.whole DROP COLUMN b;
INSERT INTO shop.whole VALUES (12);
COMMIT;
-- Savepoints: only the surviving row.
BEGIN;
INSERT INTO shop.unkeyed VALUES (20);
SAVEPOINT s;
INSERT INTO shop.unkeyed VALUES (21);
ROLLBACK TO s;
COMMIT;
-- Rows of one COPY share a position.
COPY shop.unkeyed FROM STDIN;
30
31
32
\.
