#!/usr/bin/env bash
# What hostile input costs, in instructions (callgrind): twice the input may cost
# twice as much. Time would say the same only on a quiet machine.
#
# The rules: parsing is linear, and so is iteration with as many slots as keys; a
# look-up takes at most ceil(keys / slots) steps, so that with a fixed number of
# slots it is linear in the keys; keys in order of first use need no slots.
# Putting the parts of a message in order in a full buffer takes n log n. A key index
# of three bytes costs more than one of two, so that keys that jump are as many as
# make nearly all indices so long. A writer's look-up compares a bounded number of
# keys, also if they were chosen to collide.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v valgrind >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq -o DPkg::Lock::Timeout=400 install -y --no-install-recommends valgrind >/dev/null
fi
cargo build --quiet --release --locked -p kinesis-agg-tests --bin hostile_cost
binary=${CARGO_TARGET_DIR:-target}/release/hostile_cost

instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*hostile_cost*measured*' \
        "$binary" "$1" "$2" 2>&1 | sed -n 's/.*Collected : \([0-9]*\)$/\1/p'
}

failed=0
printf '%-28s %9s %14s %14s %6s\n' input n 'instructions n' 'for 2n' growth
while read -r case n limit; do
    once=$(instructions "$case" "$n")
    twice=$(instructions "$case" $((2 * n)))
    # Fewer than one for each n: the counter did not see the code.
    verdict=$(awk -v a="$once" -v b="$twice" -v n="$n" -v limit="$limit" \
        'BEGIN { printf "%.2f %s", b / a, (a < n || b / a > limit) ? "too-much" : "" }')
    read -r growth verdict <<<"$verdict"
    printf '%-28s %9s %14s %14s %6s %s\n' "$case" "$n" "$once" "$twice" "$growth" "${verdict:-}"
    if [ -n "${verdict:-}" ]; then failed=1; fi
done <<'CASES'
smallest-records 80000 2.05
unknown-fields 20000 2.05
deep-groups 500000 2.05
long-varints 40000 2.05
tags 100000 2.05
jumping-keys 200000 2.1
keys-between-records 50000 2.1
keys-in-order-without-slots 50000 2.1
jumping-keys-16-slots 2000 2.1
bad-index-last 80000 2.05
truncated-last 80000 2.05
write-with-room 20000 2.2
write-without-room 20000 2.4
write-16-slots 20000 2.1
write-chosen-hash-keys 4000 2.1
write-chosen-keys 500 2.2
aggregator 20000 2.2
CASES

# A check that cannot fail proves nothing: without slots, keys in adversarial
# order are quadratic, as the documentation says.
once=$(instructions quadratic-control 1000)
twice=$(instructions quadratic-control 2000)
if [ $((twice)) -lt $((3 * once)) ]; then
    echo "hostile cost: the control does not grow" >&2
    failed=1
fi
exit "$failed"
