#!/usr/bin/env bash
# Fuzzes the framing and the decoder of the replication stream, or the parsers of values, with libFuzzer, which is part
# of Swift's toolchain for Linux, and the address sanitizer. Status: 0 nothing found, 1 a finding, 2 wrong usage.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: Tests/Fuzz/run.sh [--keep] [--values] [SECONDS]

  SECONDS   how long (60)
  --values  values in text and binary form, with Tests/Fuzz/ValueCorpus; else streams, with Tests/Fuzz/Corpus
  --keep    adds the inputs that reach new code to the corpus, as few and as short as reach it

A finding is left as Tests/Fuzz/Findings/crash-*; move it to the corpus together with the repair: the tests read
every file there. WEIR_FUZZ_OPTIONS: more options of libFuzzer, e.g. '-jobs=2 -seed=1'.
USAGE
}

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
keep='' seconds=60 corpus=Tests/Fuzz/Corpus length=4096
export WEIR_FUZZ=stream
# Swift keeps bits of its own in pointers to what an enum holds, and the sanitizer takes what only they reach for lost.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
while (($#)); do
    case $1 in
        --keep) keep=1 ;;
        --values) WEIR_FUZZ=values corpus=Tests/Fuzz/ValueCorpus length=256 ;;
        -h | --help) usage; exit 0 ;;
        *)
            [[ $1 =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
            seconds=$1 ;;
    esac
    shift
done

# Objects only: libFuzzer brings `main`, which SwiftPM's executables bring too.
scratch=.build-fuzz
swift build -c release --scratch-path "$scratch" --target StreamFuzz -Xswiftc -sanitize=fuzzer,address
bin=$(swift build -c release --scratch-path "$scratch" --show-bin-path)
objects=("$bin"/{WeirCore,PgOutput,LibPQ,StreamFuzz}.build/*.o)
read -r -a libraries < <(pkg-config --libs libpq)
swiftc -sanitize=fuzzer,address "${objects[@]}" "${libraries[@]}" -o "$scratch/stream-fuzz"

findings=Tests/Fuzz/Findings
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
mkdir -p "$findings"
read -r -a options <<<"${WEIR_FUZZ_OPTIONS:-}"
status=0
"$scratch/stream-fuzz" -max_total_time="$seconds" -max_len="$length" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$findings/" "${options[@]}" "$found" "$corpus" || status=1
if [[ -n $keep ]]; then
    "$scratch/stream-fuzz" -merge=1 -max_len="$length" "$corpus" "$found"
fi
rmdir --ignore-fail-on-non-empty "$findings"
exit "$status"
