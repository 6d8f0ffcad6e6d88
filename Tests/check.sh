#!/usr/bin/env bash
# The rules of form, in seconds and without a build: formatting, sizes, and words that no source may hold.
# Prints each finding as FILE:LINE: what; status 1 when there is one. `Tests/check.sh --fix` formats first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly LINES_MAX=600 FUNCTION_MAX=70 COLUMNS_MAX=120
status=0
folders=()
for folder in Sources connectors Tests examples; do [[ ! -d $folder ]] || folders+=("$folder"); done

[[ ${1:-} != --fix ]] || swift format --in-place --parallel --recursive Package.swift "${folders[@]}"
swift format lint --strict --parallel --recursive Package.swift "${folders[@]}" || status=1

mapfile -t sources < <(
    find Package.swift "${folders[@]}" .ci -type f -not -path '*/.build/*' \
        \( -name '*.swift' -o -name '*.sh' -o -name '*.c' -o -name '*.h' -o -path '.ci/run' \) | sort
)

# sizes: length of files, lines and functions. A function ends at the brace in the column its declaration begins at,
# which the formatter guarantees.
sizes() {
    awk -v lines_max="$LINES_MAX" -v function_max="$FUNCTION_MAX" -v columns_max="$COLUMNS_MAX" '
        function finding(line, text) { printf "%s:%d: %s\n", FILENAME, line, text; bad = 1 }
        FNR == 1 { depth = 0 }
        FNR == lines_max + 1 { finding(FNR, "the file is longer than " lines_max " lines") }
        { text = $0; gsub(/[\200-\277]/, "", text) }              # characters, not bytes
        length(text) > columns_max { finding(FNR, "the line is longer than " columns_max " columns") }
        FILENAME !~ /\.swift$/ { next }
        /(^|[ )])(func [^ ]|init[?<(]|deinit|subscript[<(])/ && !/^ *\/\// && !/^ *(self|super)\.init/ {
            match($0, /^ */)
            if ($0 !~ /[}]$/) { depth++; column[depth] = RLENGTH; begin[depth] = FNR }
        }
        depth > 0 && /^ *}/ {
            match($0, /^ */)
            while (depth > 0 && column[depth] > RLENGTH) depth--    # a declaration without a body, as in a protocol
            if (depth > 0 && column[depth] == RLENGTH) {
                if (FNR - begin[depth] + 1 > function_max)
                    finding(begin[depth], "the function is longer than " function_max " lines")
                depth--
            }
        }
        END { exit bad }' "${sources[@]}"
}

# words: what Swift sources may not hold. A comment that says why must stand directly above @unchecked Sendable and
# nonisolated(unsafe).
words() {
    awk '
        function finding(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
        FNR == 1 { above = "" }
        /^ *\/\// { above = $0; next }
        /@unchecked Sendable|nonisolated\(unsafe\)/ && above !~ /^ *\/\// { finding("its invariant is missing above") }
        /(^|[^.a-zA-Z_])(usleep|nanosleep|sleep)\(|Thread\.sleep|Task\.sleep/ {
            finding("no sleeping: wait on a condition")
        }
        /try!|as! / { finding("no try! and no as!") }
        /(^|[^X])(TODO|FIXME|XXX)([^X]|$)/ { finding("an open end") }
        !/^ *@/ { above = "" }
        END { exit bad }' "$@"
}

sizes || status=1
mapfile -t swift < <(printf '%s\n' "${sources[@]}" | grep '\.swift$')
words "${swift[@]}" || status=1
((status == 0)) && echo "check: ${#sources[@]} files in form"
exit "$status"
