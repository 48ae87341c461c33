#!/usr/bin/env bash
# Runs each target for SECONDS (default 30) from the kept corpus; fails on any
# finding. `fuzz/run.sh SECONDS TARGET...`: these targets alone.
#
# With FUZZ_SEED the inputs that are tried are the same each time, so that CI fails
# for a change and not for luck; long runs are to do without.
#
# With FUZZ_CODEC_ALONE=1 the codec is built without its feature `fast`; only the
# targets that need nothing but the codec exist then.
#
# What the fuzzer finds stays out of the tree: new inputs are thrown away, a
# failing one is kept in fuzz/artifacts, which git ignores.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-30}
shift || true
features=()
targets=(decode round_trip differential hash_key)
if [ -n "${FUZZ_CODEC_ALONE:-}" ]; then
    features=(--no-default-features)
else
    targets+=(aggregator consumer multilang producer)
fi
[ $# -gt 0 ] || set -- "${targets[@]}"
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
# The codec has no unsafe code: an address sanitizer would only cost time.
cargo +nightly fuzz build --sanitizer none "${features[@]}"
for target; do
    printf '\n== fuzz %s, %s s\n' "$target" "$seconds"
    cp -r "corpus/$target" "$corpus/$target"
    cargo +nightly fuzz run --sanitizer none "${features[@]}" "$target" "$corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -verbosity=0 -close_fd_mask=1 -seed="${FUZZ_SEED:-0}"
done
