#!/usr/bin/env bash
# Measures Weir against the bare receive loop: same server, same log, same run. Writes a Markdown table.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: Tests/Benchmarks/run.sh [--shape NAME] [--rows N] [--repetitions N] [--csv FILE] [--only NAME,...]
                               [--flags 'OPTIONS']

  --shape NAME      the row: common (7 columns, 200 bytes), wide (100 columns of 15 types, 1 KB), large (a text and a
                    jsonb of 5 KB each, both TOASTed) (common)
  --rows N          rows to load, in transactions of 1000 (common 1000000, wide 200000, large 100000)
  --repetitions N   rounds; in each, every contender runs once (3)
  --csv FILE        writes each run's figures there
  --only NAME,...   these contenders only: l0, l0-pause, null, kafka (all)
  --flags OPTIONS   of `swift build -c release`, e.g. '-Xswiftc -Ounchecked'

WEIR_BINARY: measure this binary instead of building one. The Kafka broker is found as by Tests/run.sh.
Every contender drains its own copy of one slot that was made before the rows were loaded, over TCP on loopback.
USAGE
}

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=Tests/servers.sh
. Tests/servers.sh

shape=common rows='' repetitions=3 csv=/dev/null only=l0,l0-pause,null,kafka flags=()
while (($#)); do
    [[ $1 != -h && $1 != --help ]] || { usage; exit 0; }
    [[ -n ${2:-} ]] || { usage >&2; exit 2; }
    case $1 in
        --shape) shape=$2 ;;
        --rows) rows=$2 ;;
        --repetitions) repetitions=$2 ;;
        --csv) csv=$2 ;;
        --only) only=$2 ;;
        --flags) read -r -a flags <<<"$2" ;;
        *) usage >&2; exit 2 ;;
    esac
    shift 2
done
case $shape in
    common) rows=${rows:-1000000} ;;
    wide) rows=${rows:-200000} ;;
    large) rows=${rows:-100000} ;;
    *) usage >&2; exit 2 ;;
esac
[[ $rows =~ ^[1-9][0-9]*000$ && $repetitions =~ ^[1-9][0-9]*$ ]] || die "rows go in thousands, repetitions from 1"
IFS=, read -r -a contenders <<<"$only"

sql() { "$SERVERS_PG_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$POSTGRES_URL" "$@" </dev/null; }

# The shapes: each sets the `columns` of the table and, in the same order, the `values` of a row; `random()` and the
# row's number `n` are at hand.
shape_common() {
    columns="customer int NOT NULL, amount numeric(12,2) NOT NULL, status text NOT NULL, note text NOT NULL,
        created timestamptz NOT NULL, active boolean NOT NULL"
    values="(random() * 100000)::int, (random() * 10000)::numeric(12,2),
        (ARRAY['new','paid','packed','shipped','returned'])[1 + floor(random() * 5)::int],
        left(md5(random()::text) || md5(random()::text) || md5(random()::text) || md5(random()::text),
            80 + floor(random() * 41)::int),
        clock_timestamp(), random() < 0.5"
}
shape_wide() {
    local kinds=(
        "int|(random() * 1e9)::int" "bigint|(random() * 1e18)::bigint" "smallint|(random() * 1e4)::int"
        "numeric(14,4)|(random() * 1e9)::numeric(14,4)" "numeric|(random() * 1e6)::numeric" "double precision|random()"
        "boolean|random() < 0.5" "text|left(md5(random()::text), n % 30)" "varchar(40)|md5(random()::text)"
        "timestamptz|clock_timestamp()" "timestamp(3)|clock_timestamp()::timestamp"
        "date|date '2020-01-01' + n % 2000" "uuid|md5(random()::text)::uuid"
        "jsonb|jsonb_build_object('n', n, 'ok', true)" "int[]|ARRAY[n, n + 1, NULL]")
    local index kind
    columns='' values=''
    for ((index = 1; index < 100; index++)); do
        kind=${kinds[index % ${#kinds[@]}]}
        columns+="c$index ${kind%%|*}, "
        # One value in ten is NULL.
        values+="CASE WHEN (n + $index) % 10 > 0 THEN ${kind#*|} END, "
    done
    columns=${columns%, } values=${values%, }
}
shape_large() {
    columns="body text NOT NULL, document jsonb NOT NULL"
    values="(SELECT string_agg(md5(random()::text || k || n), ' ') FROM generate_series(1, 155) k),
        (SELECT jsonb_object_agg('key' || k, md5(random()::text || k || n)) FROM generate_series(1, 115) k)"
}

# load: the table, a slot, then the rows: all are in the log behind the slot. Sets `last`, a position before the last
# commit.
load() {
    "shape_$shape"
    sql -c "
        CREATE TABLE orders (id bigserial PRIMARY KEY, $columns);
        CREATE PUBLICATION bench FOR TABLE orders;
        CREATE FUNCTION load_rows(first int, last int) RETURNS void LANGUAGE sql AS \$\$
            INSERT INTO orders SELECT n, $values FROM generate_series(first, last) n
        \$\$;
        CREATE PROCEDURE load_all(count int) LANGUAGE plpgsql AS \$\$
        BEGIN
            FOR batch IN 1..count / 1000 LOOP
                PERFORM load_rows(batch * 1000 - 999, batch * 1000);
                COMMIT;
            END LOOP;
        END \$\$;" -c "SELECT pg_create_logical_replication_slot('bench_base', 'pgoutput')" >/dev/null || return
    sql -c "CALL load_all($rows)" || return
    last=$(sql -c "SELECT pg_current_wal_insert_lsn()")
    # One commit more, so that there is one at or past that position.
    sql -c "SELECT load_rows($rows + 1, $rows + 1)" -c CHECKPOINT >/dev/null
}

# cpu PID: CPU seconds of a process and of its ended children.
cpu() {
    local line ticks
    [[ -r /proc/$1/stat ]] || { echo 0; return; }
    line=$(<"/proc/$1/stat")
    read -r -a ticks <<<"${line##*) }"
    echo $((ticks[11] + ticks[12] + ticks[13] + ticks[14])) | awk -v hz="$(getconf CLK_TCK)" '{ print $1 / hz }'
}

# The contenders: each sets `command`, drains the slot $1, and writes to /dev/null.
prepare_l0() {
    command=("$SERVERS_DIR/bare-receive" --url "$POSTGRES_URL" --slot "$1" --publication bench --rows $((rows + 1)))
}
prepare_l0-pause() {
    prepare_l0 "$1"
    command+=(--pause-us 250)
}
prepare_null() { prepare_weir "$1" "  - type: stdout"; }
prepare_kafka() {
    prepare_weir "$1" "  - type: kafka
    brokers: $KAFKA_BOOTSTRAP
    topic: \"$1.{schema}.{table}\""
}
prepare_weir() {
    cat >"$SERVERS_DIR/$1.yaml" <<YAML
pipeline: $1
source:
  type: postgres
  url: $POSTGRES_URL
  slot: $1
  publication: bench
  snapshot: never
sinks:
$2
state:
  path: $SERVERS_DIR/$1.state
YAML
    command=("$weir" run "$SERVERS_DIR/$1.yaml" --until-lsn "$last" --log-level warning)
}

# once NAME ROUND: one run; a line of figures to the CSV file.
once() {
    local slot=bench_${1//-/_}_$2 server_cpu broker_cpu elapsed used peak lines
    sql -c "SELECT pg_copy_logical_replication_slot('bench_base', '$slot')" >/dev/null
    "prepare_$1" "$slot"
    server_cpu=$(cpu "$postgres_pid") broker_cpu=$(cpu "${kafka_pid:-0}")
    if [[ $1 == null && $2 == 0 ]]; then
        # The round that does not count is the one that looks whether all events come out.
        lines=$("${command[@]}" </dev/null | wc -l) || die "$1 failed in round $2: ${command[*]}"
        ((lines == rows + 1)) || die "weir wrote $lines of $((rows + 1)) events"
        sql -c "SELECT pg_drop_replication_slot('$slot')" >/dev/null
        return
    fi
    "$SERVERS_DIR/measure" "$SERVERS_DIR/figures" "${command[@]}" >/dev/null </dev/null \
        || die "$1 failed in round $2: ${command[*]}"
    read -r elapsed used peak <"$SERVERS_DIR/figures"
    # A walsender's CPU time is added to the server's when it has ended.
    until [[ $(sql -c "SELECT count(*) FROM pg_stat_replication") == 0 ]]; do sleep 0.1; done
    server_cpu=$(awk -v a="$server_cpu" -v b="$(cpu "$postgres_pid")" 'BEGIN { print b - a }')
    broker_cpu=$(awk -v a="$broker_cpu" -v b="$(cpu "${kafka_pid:-0}")" 'BEGIN { print b - a }')
    sql -c "SELECT pg_drop_replication_slot('$slot')" >/dev/null
    [[ $1 != kafka ]] || verify_topic "$slot.public.orders"
    awk -v OFS=, -v name="$1" -v round="$2" -v rows=$((rows + 1)) -v elapsed="$elapsed" -v used="$used" \
        -v peak="$peak" -v server="$server_cpu" -v broker="$broker_cpu" 'BEGIN {
            million = rows / 1e6
            print name, round, rows, elapsed, int(rows / elapsed), used / million, server / million, broker / million,
                int(peak / 1024 + 0.5) }' | tee -a "$SERVERS_DIR/runs.csv" >&2
}

# verify_topic TOPIC: a fast run that lost rows counts for nothing. Only Apache Kafka brings the tool to look.
verify_topic() {
    [[ $KAFKA_KIND == apache && -n ${KAFKA_HOME:-} ]] || return 0
    local count
    count=$(java -cp "$KAFKA_HOME/libs/*" org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$KAFKA_BOOTSTRAP" \
        --topic "$1" 2>/dev/null | awk -F: '{ sum += $3 } END { print sum + 0 }')
    ((count == rows + 1)) || die "the topic $1 holds $count of $((rows + 1)) events"
}

table() {
    awk -F, '
        function median(name,   n, i, j, t, list) {
            n = count[name]
            for (i = 1; i <= n; i++) list[i] = rate[name, i]
            for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (list[j] < list[i]) {
                t = list[i]; list[i] = list[j]; list[j] = t
            }
            low[name] = list[1]; high[name] = list[n]
            return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
        }
        NR > 1 && $2 > 0 {
            if (!($1 in count)) names[++total] = $1
            rate[$1, ++count[$1]] = $5
            client[$1] += $6; server[$1] += $7; broker[$1] += $8
            if ($9 > peak[$1]) peak[$1] = $9
        }
        END {
            for (i = 1; i <= total; i++) {
                middle[names[i]] = median(names[i])
                if (names[i] ~ /^l0/ && middle[names[i]] > best) best = middle[names[i]]
            }
            print "| contender | rows/s, median (low to high) | to best L0 | CPU-s per million | of PostgreSQL " \
                "| of the broker | peak MiB |"
            print "|---|---|---|---|---|---|---|"
            for (i = 1; i <= total; i++) {
                name = names[i]; n = count[name]
                printf "| %s | %d (%d to %d) | %s | %.2f | %.2f | %.2f | %d |\n", name, middle[name], low[name],
                    high[name], best ? sprintf("%.2f", middle[name] / best) : "-", client[name] / n, server[name] / n,
                    broker[name] / n, peak[name]
            }
        }' "$SERVERS_DIR/runs.csv"
}

servers_install libpq-dev librdkafka-dev libsqlite3-dev libyaml-dev libmicrohttpd-dev libssl-dev pkg-config gcc
servers_begin
for program in bare-receive measure; do
    # shellcheck disable=SC2046  # the flags are words
    cc -O2 -Wall -o "$SERVERS_DIR/$program" "Tests/Benchmarks/$program.c" $(pkg-config --cflags --libs libpq)
done
weir=${WEIR_BINARY:-}
if [[ -z $weir && ($only == *null* || $only == *kafka*) ]]; then
    timed "release build" swift build -c release --product weir "${flags[@]}" >&2 || die "the build failed"
    weir=$(swift build -c release "${flags[@]}" --show-bin-path)/weir
fi

servers_postgres bench shared_buffers=1GB max_wal_size=16GB checkpoint_timeout=30min wal_sender_timeout=0 \
    autovacuum=off fsync=on
postgres_pid=$SERVERS_PID
if [[ $only == *kafka* ]]; then
    servers_kafka
    [[ -n ${WEIR_TEST_KAFKA:-} ]] || kafka_pid=$SERVERS_PID
fi
last=''
timed "load of $rows $shape rows" load || die "the rows could not be loaded"

echo "contender,round,rows,seconds,rows_per_s,cpu_s_per_million,postgres_cpu_s_per_million,\
broker_cpu_s_per_million,peak_mib" >"$SERVERS_DIR/runs.csv"
# Round 0 warms the caches and does not count.
for ((round = 0; round <= repetitions; round++)); do
    for contender in "${contenders[@]}"; do once "$contender" "$round"; done
done
[[ $csv == /dev/null ]] || cp "$SERVERS_DIR/runs.csv" "$csv"
echo "$rows $shape rows, $repetitions repetitions," \
    "PostgreSQL $("$SERVERS_PG_BIN/postgres" --version | awk '{ print $3 }'), $(nproc) cores, $(uname -r)"
echo
table
