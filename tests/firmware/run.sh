#!/usr/bin/env bash
# Builds and runs the codec as firmware for three Cortex-M, in QEMU, and measures
# it. `--json` prints one object a target, last.
# `--set-ceilings` sets the allowed maximum of each size to what it measures plus 2 %.
#
# Proves that the programs link without a panic handler (src/lib.rs), without an
# allocator and within 16 KiB of RAM; that they read the KPL's aggregates and write them
# byte for byte; that user records that do not fit are rejected and change nothing; and
# that md5sum computes the same digest as the sensor.
#
# The command line tool checks and deaggregates what the programs print (outcome.py). It
# proves that a producer that measures in an interrupt and sends over a modem that rejects
# frames loses nothing; that a flash log that is reset at any instruction sends all sealed
# aggregates and reports the others as lost; and that an asynchronous stream that is
# cancelled seals no partial blob. decode_log decodes what is logged with defmt.
#
# Measured, in bytes of text:
# - `text_md5`: size_md5, without start code and memcpy and similar functions;
# - `text_encode`, `text_decode`: size_encode and size_decode, without these and MD5;
# - `text_encode_any`: the same for user records that may have explicit hash keys;
# - `text_encode_sections`: size_sections, which writes with known keys;
# - `text_encode_stream`: size_stream, which writes without a buffer;
# - `text_encode_async`: size_async, the same into an asynchronous device;
# - `text_defmt`: what logging an error, a user record and an aggregate with defmt adds
#   to a program that logs already (thumbv7m only).
# In bytes of memory: `ram_encode_stream` is the state of the stream writer including MD5,
# `ram_push_future` a future of `push`, `bss` that of the sensor including its buffer of
# 512 bytes. Stack in bytes, including MD5, by painting. Instructions for each user record
# of 32 bytes, including its share of tables and MD5.
set -euo pipefail
cd "$(dirname "$0")"
# Built before sizes.sh selects another compiler.
cargo build --quiet --locked --manifest-path ../../Cargo.toml -p kinesis-agg-cli
tool=${CARGO_TARGET_DIR:-$PWD/../../target}/debug/kinesis-agg
cargo build --quiet --locked --manifest-path decode_log/Cargo.toml
decode_log=${CARGO_TARGET_DIR:-$PWD/decode_log/target}/debug/decode_log
json=false set_ceilings=false
for argument; do
    case $argument in
    --json) json=true ;;
    --set-ceilings) set_ceilings=true ;;
    *) echo "usage: run.sh [--json] [--set-ceilings]" >&2 && exit 2 ;;
    esac
done
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target_dir

firmware_dir=$PWD
. ./sizes.sh

# The blob's last 16 bytes must be the MD5 of everything between them and the magic.
has_good_digest() {
    local hex=$1 message
    message=${hex:8:${#hex}-40}
    [ "${hex:0:8}" = f3899ac2 ] &&
        [ "$(printf '%b' "$(sed 's/../\\x&/g' <<<"$message")" | md5sum | cut -c1-32)" = "${hex: -32}" ]
}

objects=()
measure() {
    local target=$1 machine=$2 dir=$target_dir/$1/release output blob program future panics
    features=
    build "$target"

    output=$(run "$machine" "$dir/sensor") || fail "sensor on $target: exit status $?: $output"
    grep -qx 'OK sensor' <<<"$output" || fail "sensor on $target: no OK: $output"
    blob=$(sed -n 's/^sensor-7 //p' <<<"$output")
    has_good_digest "$blob" || fail "sensor on $target: digest is not good: $blob"

    for program in producer flash_log async_stream; do
        output=$(run "$machine" "$dir/$program") || fail "$program on $target: exit status $?: $output"
        grep -qx "OK $program" <<<"$output" || fail "$program on $target: no OK: $output"
        python3 outcome.py "$tool" $program <<<"$output" >&2 || fail "$program on $target"
    done
    future=$(sed -n 's/^ram_push_future=//p' <<<"$output")
    # The only panic allowed is the one that the compiler adds for polling a complete future.
    panics=$(arm-none-eabi-nm -C "$dir/async_stream" | grep -o 'core::panicking::.*' |
        grep -vE '::(panic_fmt|panic_const::panic_const_async_fn_resumed)' || true)
    [ -z "$panics" ] || fail "async_stream on $target can panic: $panics"

    output=$(run "$machine" "$dir/check") || fail "check on $target: exit status $?: $output"
    grep -qx 'OK check' <<<"$output" || fail "check on $target: no OK: $output"
    value() { sed -n "s/^$1=//p" <<<"$output"; }

    local md5 encode any decode sections stream async_stream bss per_record
    md5=$(own_size "$dir/size_md5")
    encode=$(($(own_size "$dir/size_encode") - md5))
    any=$(($(own_size "$dir/size_encode_any") - md5))
    decode=$(($(own_size "$dir/size_decode") - md5))
    sections=$(($(own_size "$dir/size_sections") - md5))
    stream=$(($(own_size "$dir/size_stream") - md5))
    async_stream=$(($(own_size "$dir/size_async") - md5))
    bss=$(static_size "$dir/sensor")
    per_record=$(printf '{"encode":%d,"decode":%d}' \
        $(($(value instructions_encode) / $(value records))) \
        $(($(value instructions_decode) / $(value records))))
    objects+=("$(printf '{"target":"%s","text_encode":%d,"text_decode":%d,"text_md5":%d,"bss":%d,"stack_encode":%d,"stack_decode":%d,"cycles_or_instructions_per_record":%s,"text_encode_any":%d,"text_encode_sections":%d,"stack_encode_sections":%d,"text_encode_stream":%d,"stack_encode_stream":%d,"ram_encode_stream":%d,"text_encode_async":%d,"ram_push_future":%d}' \
        "$target" "$encode" "$decode" "$md5" "$bss" \
        "$(value stack_encode)" "$(value stack_decode)" "$per_record" \
        "$any" "$sections" "$(value stack_encode_sections)" \
        "$stream" "$(value stack_encode_stream)" "$(value ram_encode_stream)" \
        "$async_stream" "$future")")
}

# Measures what the codec adds to a program that logs, and checks that it links no core::fmt, and
# that the decoded logs are those of log.txt.
measure_defmt() {
    local target=$1 machine=$2 dir=$target_dir/$1/release object last
    features=defmt
    # By default, defmt compiles only errors.
    DEFMT_LOG=info build "$target" -Tdefmt.x
    run "$machine" "$dir/log" | "$decode_log" "$dir/log" | diff log.txt - ||
        fail "log on $target: not the texts of log.txt"
    run "$machine" "$dir/size_defmt" >/dev/null || fail "size_defmt on $target: exit status $?"
    if arm-none-eabi-nm -C "$dir/size_defmt" | grep -q 'core::fmt'; then
        fail "size_defmt on $target has functions of core::fmt"
    fi
    last=$((${#objects[@]} - 1))
    object=${objects[$last]}
    objects[last]=${object%\}},\"text_defmt\":$(($(own_size "$dir/size_defmt") - $(own_size "$dir/size_defmt_none")))}
}

measure thumbv6m-none-eabi microbit
measure thumbv7m-none-eabi mps2-an385
measure_defmt thumbv7m-none-eabi mps2-an385
measure thumbv7em-none-eabihf mps2-an386
echo "firmware: on ${#objects[@]} Cortex-M the KPL's aggregates are read and written, no panic can be linked"

# Fails if a size exceeds its ceiling: ceilings.txt holds what was measured plus 2 %.
# "encode" and "decode" are instructions for each user record.
sizes() {
    local object
    for object in "${objects[@]}"; do
        tr '{},' '\n\n\n' <<<"$object" | tr -d '"' | awk -F: '
            $1 == "target" { target = $2; next }
            $2 != "" { print target, $1, $2 }'
    done
}
if $set_ceilings; then
    sizes | awk '{ print $1, $2, int($3 * 1.02) }' >ceilings.txt
fi
too_much=$(awk 'NR == FNR { ceiling[$1, $2] = $3; next }
    !(($1, $2) in ceiling) { print $0 ", which has no ceiling" }
    $3 > ceiling[$1, $2] { print $0 " of " ceiling[$1, $2] }' ceilings.txt <(sizes))
if [ -n "$too_much" ]; then
    fail "above the ceiling; if it has to be, say why and run with --set-ceilings: $too_much"
fi
if $json; then printf '%s\n' "${objects[@]}"; fi
