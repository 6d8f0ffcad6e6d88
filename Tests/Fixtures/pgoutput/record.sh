#!/bin/sh
# Records what PostgreSQL's pgoutput plugin writes for workload.sql, as one message a line: position, xid, bytes in
# hexadecimal. Needs the server programs of PostgreSQL (PGBIN, default: those of Debian's version 15); run as a user
# who may start a server, that is not as root. Usage: record.sh > recorded.hex
set -eu
bin=${PGBIN:-/usr/lib/postgresql/15/bin}
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap '"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
"$bin/initdb" -D "$dir/data" -U recorder -A trust --no-sync --locale=C -E UTF8 >/dev/null
"$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$dir' -c wal_level=logical -c fsync=off" start >/dev/null
sql() { "$bin/psql" -h "$dir" -U recorder -d postgres -X -q -A -t -F ' ' -v ON_ERROR_STOP=1 "$@"; }
sql -f "$here/setup.sql" >/dev/null
sql -c "SELECT pg_create_logical_replication_slot('recorded', 'pgoutput')" >/dev/null
sql -f "$here/workload.sql" >/dev/null
sql -c "SET datestyle = ISO; SET timezone = UTC; SELECT lsn, xid, encode(data, 'hex')
    FROM pg_logical_slot_get_binary_changes('recorded', NULL, NULL,
        'proto_version', '1', 'publication_names', 'recorded', 'messages', 'true')"
