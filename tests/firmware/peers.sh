#!/usr/bin/env bash
# Runs the same two jobs with this codec and with other protobuf libraries for small
# devices, on two Cortex-M: write 20 readings of 32 bytes from 5 sensors into one
# blob, and read it back. Prints README.md's table.
#
# All use the same readings and the same MD5 (src/lib.rs of peers/). Text is that of a
# program with one job, minus that of a program with only the readings, the frame and
# MD5. Static memory does not include the blob's own 1024 bytes. A program that can panic
# links only if the symbol that its panic handler calls is defined.
set -euo pipefail
cd "$(dirname "$0")"
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target_dir
firmware_dir=$PWD
. ./sizes.sh
cd peers

# nanopb's sources come from Debian's source package, the compiler of its schema
# from its binary one; both are of one version.
nanopb=$target_dir/nanopb
fetch_nanopb() {
    local packages=(nanopb gcc-arm-none-eabi) apt=$nanopb/apt
    export DEBIAN_FRONTEND=noninteractive
    mkdir -p "$apt/lists/partial" "$nanopb/generated"
    if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
        apt-get -qq update
        apt-get -qq -o DPkg::Lock::Timeout=400 install -y --no-install-recommends "${packages[@]}" >/dev/null
    fi
    if ! [ -f "$nanopb/source/pb.h" ]; then
        # Separate package lists: those of the machine usually contain no sources.
        sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$apt/src.sources"
        local apt_get=(apt-get -qq -o "Dir::Etc::sourcelist=$apt/src.sources" -o Dir::Etc::sourceparts=-
            -o "Dir::State::lists=$apt/lists" -o APT::Sandbox::User=root)
        "${apt_get[@]}" update
        (cd "$apt" && "${apt_get[@]}" source --download-only nanopb)
        mkdir -p "$nanopb/source"
        tar -xzf "$apt"/nanopb_*.orig.tar.gz -C "$nanopb/source" --strip-components=1
    fi
    protoc -I ../../../proto --nanopb_out="-q --options-file=src/nanopb.options:$nanopb/generated" \
        aggregated_record.proto
}

# Compiles nanopb and its message into an archive for a target.
compile_nanopb() {
    local target=$1 cpu=$2 file
    local into=$nanopb/$target
    rm -rf "$into" && mkdir -p "$into"
    for file in "$nanopb"/source/pb_{common,encode,decode}.c "$nanopb"/generated/*.c src/nanopb.c; do
        arm-none-eabi-gcc -mcpu="$cpu" -mthumb -mfloat-abi=soft -Os -ffreestanding -ffunction-sections \
            -fdata-sections -fshort-enums -fno-jump-tables -DPB_SYSTEM_HEADER='"nanopb_system.h"' \
            -DPB_BUFFER_ONLY -DPB_NO_ERRMSG -DPB_WITHOUT_64BIT -Isrc -I"$nanopb/source" \
            -I"$nanopb/generated" -c "$file" -o "$into/$(basename "$file").o"
    done
    arm-none-eabi-ar rcs "$into/libnanopb.a" "$into"/*.o
}

measure() {
    local target=$1 machine=$2 cpu=$3 dir=$target_dir/$1/release floor_encode floor_decode output panics archive
    features=''
    build "$target"
    floor_encode=$(own_size "$dir/encode")
    floor_decode=$(own_size "$dir/decode")
    compile_nanopb "$target" "$cpu"
    for features in codec codec-sections codec-stream femtopb micropb nanopb; do
        panics=no archive=()
        if [ $features = nanopb ]; then archive=("$nanopb/$target/libnanopb.a"); fi
        if ! build "$target" "${archive[@]}" 2>/dev/null; then
            panics=yes
            build "$target" "${archive[@]}" --defsym=FIRMWARE_CAN_PANIC=0
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

fetch_nanopb
echo '| Target | Library | Text, writing | Text, reading | Stack, writing | Stack, reading | Static | Can panic |'
echo '|---|---|---|---|---|---|---|---|'
measure thumbv6m-none-eabi microbit cortex-m0
measure thumbv7m-none-eabi mps2-an385 cortex-m3
