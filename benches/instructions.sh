#!/usr/bin/env bash
# Counts our instructions per unit (user record or key) in each guarded scenario,
# compares them with benches/instructions.txt, and fails if one grew by over 5 %.
# `--update` rewrites the file.
#
# The count is half the difference between three runs and one under valgrind, so
# that it excludes building the input and warming up. Counts depend on the
# compiler: with a compiler other than the one named in the file, growth is
# reported but does not fail.
set -euo pipefail
cd "$(dirname "$0")/.."
baseline=benches/instructions.txt
limit_percent=5

if ! command -v valgrind >/dev/null; then
    echo "valgrind is not installed: instructions are not counted"
    exit "${REQUIRE_VALGRIND:-0}"
fi
cargo build --quiet --release --locked -p kinesis-agg-benches --bin instructions
binary=${CARGO_TARGET_DIR:-target}/release/instructions

count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" "$1" "$2" 2>&1 |
        awk '/Collected/ { print $4 }'
}

compiler=$(rustc --version | cut -d' ' -f1,2)
counts=$("$binary" | while read -r name units; do
    once=$(count "$name" 1)
    thrice=$(count "$name" 3)
    awk -v n="$name" -v a="$once" -v b="$thrice" -v u="$units" \
        'BEGIN { printf "%s %.1f\n", n, (b - a) / 2 / u }'
done)

if [ "${1:-}" = --update ]; then
    {
        echo "# Instructions per unit on x86-64, written by benches/instructions.sh --update"
        echo "# $compiler"
        echo "$counts"
    } >"$baseline"
    cat "$baseline"
    exit
fi

baseline_compiler=$(sed -n '2s/^# //p' "$baseline")
awk -v limit="$limit_percent" -v same="$([ "$compiler" = "$baseline_compiler" ] && echo 1 || echo 0)" \
    -v compilers="baseline: $baseline_compiler, here: $compiler" '
    /^#/ { next }
    NR == FNR { before[$1] = $2; next }
    {
        if (!($1 in before)) { printf "%-16s %8.1f  not in the baseline\n", $1, $2; failed = 1; next }
        percent = ($2 / before[$1] - 1) * 100
        verdict = percent > limit ? "GREW" : percent < -limit ? "shrank: run benches/instructions.sh --update" : ""
        if (percent > limit) failed = 1
        printf "%-16s %8.1f  was %8.1f  %+6.1f %%  %s\n", $1, $2, before[$1], percent, verdict
        seen[$1] = 1
    }
    END {
        for (name in before) if (!(name in seen)) { print name " is in the baseline, but no longer a scenario"; failed = 1 }
        if (failed && !same) { print "not a failure, because the compiler differs (" compilers ")"; failed = 0 }
        exit failed
    }' "$baseline" - <<<"$counts"
