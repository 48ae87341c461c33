#!/usr/bin/env bash
# Proves that the codec reads and writes the KPL's aggregates without a standard
# library and without an allocator: builds and runs a program that has neither,
# on this host, with and without the codec's feature `fast`. See src/main.rs.
set -euo pipefail
cd "$(dirname "$0")"
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target_dir

program=$target_dir/release/freestanding
for fast in fast ""; do
    build="features '$fast'"
    cargo rustc --quiet --locked --release --bin freestanding --no-default-features --features "$fast" -- \
        -C relocation-model=static -C target-feature=+crt-static \
        -C link-args="-nostdlib -nostartfiles -static -no-pie"
    if needed=$(nm --undefined-only "$program") && [ -n "$needed" ]; then
        echo "freestanding: $build: undefined: $needed" >&2
        exit 1
    fi
    if "$program"; then
        echo "freestanding: $build: 3 aggregates of the KPL read and written again, with neither std nor allocator"
    else
        status=$?
        echo "freestanding: $build: exit status $status, see Failure in src/main.rs" >&2
        exit 1
    fi
done
