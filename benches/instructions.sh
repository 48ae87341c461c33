#!/usr/bin/env bash
# Instructions per unit (user record, key) of our side of each guarded scenario,
# held against benches/instructions.txt; fails where one grew by over 5 %.
# `--update` writes the file anew.
#
# Counted under valgrind as the difference between three runs and one, so that
# making the input and getting warm are not in it. Counts belong to a compiler:
# with another one than the file names, a growth is told and is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."
baseline=benches/instructions.txt
limit_percent=5

if ! command -v valgrind >/dev/null; then
    echo "no valgrind here: instructions not counted"
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
        echo "# Instructions per unit on x86-64, by benches/instructions.sh --update"
        echo "# $compiler"
        echo "$counts"
    } >"$baseline"
    cat "$baseline"
    exit
fi

baseline_compiler=$(sed -n '2s/^# //p' "$baseline")
awk -v limit="$limit_percent" -v same="$([ "$compiler" = "$baseline_compiler" ] && echo 1 || echo 0)" \
    -v compilers="$baseline_compiler there, $compiler here" '
    /^#/ { next }
    NR == FNR { before[$1] = $2; next }
    {
        if (!($1 in before)) { printf "%-16s %8.1f  not in the baseline\n", $1, $2; failed = 1; next }
        percent = ($2 / before[$1] - 1) * 100
        verdict = percent > limit ? "GREW" : percent < -limit ? "shrank: update the baseline" : ""
        if (percent > limit) failed = 1
        printf "%-16s %8.1f  was %8.1f  %+6.1f %%  %s\n", $1, $2, before[$1], percent, verdict
        seen[$1] = 1
    }
    END {
        for (name in before) if (!(name in seen)) { print name " is gone"; failed = 1 }
        if (failed && !same) { print "another compiler than the baseline is for (" compilers "): no failure"; failed = 0 }
        exit failed
    }' "$baseline" - <<<"$counts"
