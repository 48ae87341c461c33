#!/usr/bin/env bash
# `fuzz/run.sh [SECONDS [TARGET...]]`: runs each target (default: all) for SECONDS
# (default 30), starting from the kept corpus. Fails if a target does.
#
# FUZZ_SEED makes the fuzzer try the same inputs each time, so that CI fails only
# because of a change. Leave it unset for long runs.
#
# FUZZ_CODEC_ALONE=1 builds the codec without its feature `fast`, and runs only the
# targets that need nothing but the codec.
#
# Nothing that the fuzzer finds changes the repository: new inputs are discarded, and
# failing inputs are written to fuzz/artifacts, which git ignores.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-30}
shift || true
features=()
targets=(decode round_trip differential hash_key)
if [ -n "${FUZZ_CODEC_ALONE:-}" ]; then
    features=(--no-default-features)
else
    targets+=(aggregator consumer producer)
fi
[ $# -gt 0 ] || set -- "${targets[@]}"
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
# The codec has no unsafe code, so an address sanitizer would only cost time.
cargo +nightly fuzz build --sanitizer none "${features[@]}"
for target; do
    printf '\n== fuzz %s, %s s\n' "$target" "$seconds"
    cp -r "corpus/$target" "$corpus/$target"
    cargo +nightly fuzz run --sanitizer none "${features[@]}" "$target" "$corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -verbosity=0 -close_fd_mask=1 -seed="${FUZZ_SEED:-0}"
done
