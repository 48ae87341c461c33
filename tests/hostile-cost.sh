#!/usr/bin/env bash
# Measures the cost of hostile input in instructions (callgrind) and checks how it
# grows when the input is doubled. Instructions are measured instead of time, because
# they do not depend on the load of the machine.
#
# Parsing is linear, and so is iteration with as many slots as keys. A look-up takes at
# most ceil(keys / slots) steps, so with a fixed number of slots it is linear in the
# number of keys. Keys in order of first use need no slots. Reordering the parts of a
# message in a full buffer takes n log n. A key index of three bytes costs more than one
# of two, so the cases with jumping keys have enough keys that nearly all indices take
# three bytes. A writer's look-up compares a bounded number of keys, even if they were
# chosen to collide.
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
    # Fewer than n instructions mean that the counter missed the code.
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

# The control: with one slot, keys in adversarial order take quadratic time, as
# documented. If the measurement does not show that, it cannot detect a regression.
once=$(instructions quadratic-control 1000)
twice=$(instructions quadratic-control 2000)
if [ $((twice)) -lt $((3 * once)) ]; then
    echo "hostile cost: quadratic-control should grow quadratically, but does not" >&2
    failed=1
fi
exit "$failed"
