-- Tables of the recording; run before the slot exists.
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN shop.price AS numeric(10,2) CHECK (VALUE >= 0);
CREATE TABLE shop.orders (id int PRIMARY KEY, customer text, amount shop.price, mood shop.mood, note text);
CREATE TABLE shop.lines (order_id int REFERENCES shop.orders ON DELETE CASCADE, line int, what varchar(20),
    PRIMARY KEY (order_id, line));
CREATE TABLE shop.toasted (id int PRIMARY KEY, small int, big text);
ALTER TABLE shop.toasted ALTER COLUMN big SET STORAGE EXTERNAL;
CREATE TABLE shop.whole (a int, b text);
ALTER TABLE shop.whole REPLICA IDENTITY FULL;
CREATE TABLE shop.whole_toasted (id int, big text);
ALTER TABLE shop.whole_toasted ALTER COLUMN big SET STORAGE EXTERNAL;
ALTER TABLE shop.whole_toasted REPLICA IDENTITY FULL;
CREATE TABLE shop.indexed (code text NOT NULL, v int);
CREATE UNIQUE INDEX indexed_code ON shop.indexed (code);
ALTER TABLE shop.indexed REPLICA IDENTITY USING INDEX indexed_code;
CREATE TABLE shop.unkeyed (v int);
ALTER TABLE shop.unkeyed REPLICA IDENTITY NOTHING;
CREATE TABLE shop.toasted_key (k text PRIMARY KEY, v int);
ALTER TABLE shop.toasted_key ALTER COLUMN k SET STORAGE EXTERNAL;
CREATE TABLE shop.nothing_in_it ();
CREATE TABLE shop."Odd ""name"" ✓" ("a.b" int PRIMARY KEY, "ünïcode" text);
CREATE PUBLICATION recorded FOR ALL TABLES;
