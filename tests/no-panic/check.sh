#!/usr/bin/env bash
# Proves that no public function of the codec can panic, whatever it is given.
#
# src/lib.rs exports a root for each of them, named `Type__function`, and has a
# panic handler that calls CODEC_PANIC_REACHABLE, which nothing defines. After
# fat LTO and --gc-sections, the symbol is undefined if and only if some root can reach
# a panic. All arithmetic is checked for overflow, so that the check also finds sums
# that could wrap.
#
# The names of the roots are compared with the public functions in the source,
# and two controls that contain a panic must be found. All of this is done with and
# without the codec's feature `fast`.
set -euo pipefail
cd "$(dirname "$0")"
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target_dir

# Builds with a profile and features; prints the undefined symbols that should not be there.
unexpected() {
    local profile=$1 features=$2
    cargo rustc --quiet --locked --lib --profile "$profile" --no-default-features --features "$features" -- \
        -C link-args="-nostdlib -nostartfiles -Wl,--gc-sections"
    nm -D --undefined-only "$target_dir/$profile/libno_panic.so" | awk '{ print $NF }' |
        grep -vxE 'mem(cpy|move|set|cmp)|bcmp' || true
}

expected=$(find ../../codec/src -name '*.rs' -exec awk -f public-functions.awk {} + | LC_ALL=C sort -u)
for profile in release small; do
    for fast in fast ""; do
        build="profile $profile, features '$fast'"
        for control in control-index control-add; do
            if ! unexpected "$profile" "$fast,$control" | grep -qx CODEC_PANIC_REACHABLE; then
                echo "no-panic: $build: $control was not found" >&2
                exit 1
            fi
        done
        symbols=$(unexpected "$profile" "$fast")
        if [ -n "$symbols" ]; then
            echo "no-panic: $build: needs $symbols" >&2
            exit 1
        fi
        roots=$(nm -D --defined-only "$target_dir/$profile/libno_panic.so" |
            awk '$2 == "T" && $3 !~ /^derived__/ { print $3 }' | LC_ALL=C sort)
        if ! difference=$(diff <(echo "$expected") <(echo "$roots")); then
            echo "no-panic: $build: roots (>) and public functions (<) differ: $difference" >&2
            exit 1
        fi
    done
done
echo "no-panic: $(echo "$roots" | wc -l) public functions cannot reach a panic, at opt-level 3 and s," \
    "with and without fast; both controls can"
