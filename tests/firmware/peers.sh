#!/usr/bin/env bash
# The same two jobs with this codec and with other protobuf libraries for small
# devices, on two Cortex-M: write 20 readings of 32 bytes from 5 sensors into one
# blob, and read it back. Prints README.md's table.
#
# All get the same readings and the same MD5 (src/lib.rs of peers/). Text is what
# a program with one job has beside that of one that has only the readings, the
# frame and MD5. Static memory is beside the blob's own 1024 bytes. A program
# without panics links as it is; one that can panic only if it is given a place
# to go.
set -euo pipefail
cd "$(dirname "$0")"
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target_dir
firmware_dir=$PWD
. ./sizes.sh
cd peers

measure() {
    local target=$1 machine=$2 dir=$target_dir/$1/release floor_encode floor_decode output panics
    features=''
    build "$target"
    floor_encode=$(own_size "$dir/encode")
    floor_decode=$(own_size "$dir/decode")
    for features in codec codec-sections codec-stream femtopb micropb; do
        panics=no
        if ! build "$target" 2>/dev/null; then
            panics=yes
            build "$target" --defsym=FIRMWARE_CAN_PANIC=0
        fi
        output=$(run "$machine" "$dir/run") || fail "$features on $target: exit status $?: $output"
        grep -qx 'OK run' <<<"$output" || fail "$features on $target: no OK: $output"
        value() { sed -n "s/^$1=//p" <<<"$output"; }
        printf '| %s | %s | %d | %d | %d | %d | %d | %s |\n' "${target%%-*}" "$features" \
            $(($(own_size "$dir/encode") - floor_encode)) $(($(own_size "$dir/decode") - floor_decode)) \
            "$(value stack_encode)" "$(value stack_decode)" \
            $(($(static_size "$dir/run") - 1024)) "$panics"
    done
}

echo '| Target | Library | Text, writing | Text, reading | Stack, writing | Stack, reading | Static | Can panic |'
echo '|---|---|---|---|---|---|---|---|'
measure thumbv6m-none-eabi microbit
measure thumbv7m-none-eabi mps2-an385
