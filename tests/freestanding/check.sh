#!/usr/bin/env bash
# Proves that the codec reads and writes the KPL's aggregates without a standard
# library and without an allocator: builds and runs a program that has neither,
# on this host. See src/main.rs.
set -euo pipefail
cd "$(dirname "$0")"
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target_dir

cargo rustc --quiet --locked --release --bin freestanding -- \
    -C relocation-model=static -C target-feature=+crt-static \
    -C link-args="-nostdlib -nostartfiles -static -no-pie"
program=$target_dir/release/freestanding
if needed=$(nm --undefined-only "$program") && [ -n "$needed" ]; then
    echo "freestanding: undefined: $needed" >&2
    exit 1
fi
if "$program"; then
    echo "freestanding: 3 aggregates of the KPL read and written again, with neither std nor allocator"
else
    status=$?
    echo "freestanding: exit status $status, see Failure in src/main.rs" >&2
    exit 1
fi
