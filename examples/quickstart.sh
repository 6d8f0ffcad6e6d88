#!/usr/bin/env bash
# Weir in one command: a throw-away PostgreSQL and a Kafka broker, real changes, the events and the replayed rows.
# Installs what is missing (as root or with sudo), stops all it started, leaves nothing behind but the build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=Tests/servers.sh
. Tests/servers.sh

packages=(libpq-dev librdkafka-dev libsqlite3-dev libyaml-dev libmicrohttpd-dev libssl-dev pkg-config)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || [[ -n ${WEIR_TEST_PG_BIN:-} ]] || packages+=(postgresql-15)
if [[ -n ${WEIR_TEST_KAFKA:-} ]]; then :
elif [[ -z ${KAFKA_HOME:-} ]]; then packages+=(python3-venv)
elif ! command -v java >/dev/null; then packages+=(openjdk-17-jre-headless)
fi
servers_install "${packages[@]}"
servers_begin
command -v swift >/dev/null || die "no swift in PATH: see https://www.swift.org/install/linux/"

if [[ -z ${WEIR_BINARY:-} ]]; then
    say "building weir (some minutes the first time)"
    swift build -c release --product weir >"$SERVERS_DIR/build.log" 2>&1 \
        || { tail -n 40 "$SERVERS_DIR/build.log" >&2; die "the build failed"; }
    WEIR_BINARY=$(swift build -c release --show-bin-path)/weir
fi

servers_find_postgres
timed "PostgreSQL" servers_postgres shop
timed "Kafka" servers_kafka
sql() { servers_as "$SERVERS_PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 "$@"; }

shop=${POSTGRES_URL%/*}/shop copy=${POSTGRES_URL%/*}/copy
sql "$POSTGRES_URL" -c 'CREATE DATABASE shop' -c 'CREATE DATABASE copy'
table='CREATE TABLE orders (id bigint PRIMARY KEY, customer text NOT NULL, amount numeric(10,2), status text)'
sql "$shop" -c "$table" -c "INSERT INTO orders VALUES (1, 'Anne', 12.50, 'new'), (2, 'Bert', 99.90, 'new')"
sql "$copy" -c "$table"

pipeline=quickstart_$$
work=$SERVERS_DIR/quickstart
mkdir "$work"
cat >"$work/weir.yaml" <<YAML
pipeline: $pipeline
source:
  url: $shop
sinks:
  - {type: kafka, brokers: "$KAFKA_BOOTSTRAP", debezium: {decimal: string}}
  - {type: postgres, url: $copy}
state: {path: $work/state}
YAML
say "the configuration"
sed 's/^/    /' "$work/weir.yaml"

rows() { sql "$1" -At -c 'SELECT * FROM orders ORDER BY id'; }
# await_copy: until the target equals the source.
await_copy() {
    local left=600
    until [[ $(rows "$copy") == "$(rows "$shop")" ]]; do
        kill -0 "$weir" 2>/dev/null || { cat "$work/weir.log" >&2; die "weir ended early"; }
        ((left-- > 0)) || { cat "$work/weir.log" >&2; die "the target differs from the source"; }
        sleep 0.1
    done
}

say "weir run: copies the two rows that are there, then follows the stream"
"$WEIR_BINARY" run "$work/weir.yaml" 2>"$work/weir.log" &
weir=$!
await_copy
sql "$shop" <<'SQL'
INSERT INTO orders VALUES (3, 'Cleo', 5.00, 'new');
UPDATE orders SET status = 'paid' WHERE id = 1;
DELETE FROM orders WHERE id = 2;
INSERT INTO orders VALUES (4, 'Dora', 7.25, 'new');
SQL
await_copy
kill -TERM "$weir"
wait "$weir" || { cat "$work/weir.log" >&2; die "weir did not stop in order"; }

say "the events in Kafka topic $pipeline.public.orders, replayed to standard output"
cat >"$work/replay.yaml" <<YAML
pipeline: $pipeline
source: {type: kafka, brokers: "$KAFKA_BOOTSTRAP", topics: ["$pipeline.public.orders"]}
sinks: [{type: stdout, debezium: {decimal: string}}]
state: {path: $work/replay-state}
YAML
"$WEIR_BINARY" replay "$work/replay.yaml" --from earliest >"$work/events.ndjson" 2>"$work/replay.log" \
    || { cat "$work/replay.log" >&2; die "weir replay failed"; }
# Of each event the operation and the rows.
sed -E -e 's/.*"key":(\{[^}]*\}).*"value":null\}$/tombstone of \1/' \
    -e 's/.*"value":\{"before":(.*),"after":(.*),"source":.*"op":"(.)".*/"op":"\3" before \1 after \2/' \
    "$work/events.ndjson"

say "the rows in the target database, equal to the source"
sql "$copy" -c 'SELECT * FROM orders ORDER BY id'
say "done: $(wc -l <"$work/events.ndjson") events, $(rows "$copy" | wc -l) rows; everything is stopped and removed"
