#!/usr/bin/env bash
# Instructions per user record of `ProducerCore`, from push to the last event,
# beside those of `RecordAggregator` alone for the same user records; and of a
# push that is rejected because the buffer is full.
#
# Counted under valgrind as the difference between two runs of different lengths,
# so that start and warm-up are not included.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --release --locked -p kinesis-agg-benches --bin producer_cost
binary=${CARGO_TARGET_DIR:-target}/release/producer_cost

collected() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" "$@" 2>&1 |
        awk '/Collected/ { print $4 }'
}

# each WHAT SHARDS FEW MANY [KEYS]: instructions for each one between FEW and MANY.
each() {
    local few many
    few=$(collected "$1" "$2" "$3" "${@:5}")
    many=$(collected "$1" "$2" "$4" "${@:5}")
    echo $(((many - few) / ($4 - $3)))
}

clone=$(each clone 1 20000 60000)
aggregator=$(($(each aggregator 1 20000 60000) - clone))
echo "RecordAggregator alone: $aggregator instructions for each user record"
echo "the MD5 of a partition key: $(($(each route 1 20000 60000) - clone))"
for shards in 1 10 100 1000 10000; do
    core=$(($(each core "$shards" 100000 200000) - clone))
    awk -v s="$shards" -v c="$core" -v a="$aggregator" \
        'BEGIN { printf "ProducerCore, %d shards: %d, %.2f times that\n", s, c, c / a }'
done
# As many keys as user records: no key repeats.
clone=$(each clone 1 100000 200000 200000)
aggregator=$(($(each aggregator 1 100000 200000 200000) - clone))
core=$(($(each core 10 100000 200000 200000) - clone))
awk -v c="$core" -v a="$aggregator" 'BEGIN {
    printf "No key repeats, 10 shards: %d, %.2f times the %d of RecordAggregator\n", c, c / a, a
}'
for shards in 1000 10000; do
    each=$(each refused "$shards" 100 600)
    echo "a rejected push and an accepted one, $shards shards: $each"
done
