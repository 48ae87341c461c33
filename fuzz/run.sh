#!/usr/bin/env bash
# Runs each target for SECONDS (default 30) from the kept corpus; fails on any
# finding. `fuzz/run.sh SECONDS TARGET...`: these targets alone.
#
# With FUZZ_SEED the inputs that are tried are the same each time, so that CI fails
# for a change and not for luck; long runs are to do without.
#
# What the fuzzer finds stays out of the tree: new inputs are thrown away, a
# failing one is kept in fuzz/artifacts, which git ignores.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-30}
shift || true
[ $# -gt 0 ] || set -- decode round_trip differential aggregator hash_key consumer producer
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
# The codec has no unsafe code: an address sanitizer would only cost time.
cargo +nightly fuzz build --sanitizer none
for target; do
    printf '\n== fuzz %s, %s s\n' "$target" "$seconds"
    cp -r "corpus/$target" "$corpus/$target"
    cargo +nightly fuzz run --sanitizer none "$target" "$corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -verbosity=0 -close_fd_mask=1 -seed="${FUZZ_SEED:-0}"
done
