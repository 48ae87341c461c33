#!/usr/bin/env bash
# Runs the tests of the codec, of kinesis-agg and of kinesis-agg-tests on a 32-bit
# big-endian machine (PowerPC, in QEMU), and those that need only the codec again with
# all of its features off, including `fast`. Checks that the codec compiles where usize
# has 16 bits (MSP430).
#
# Uses Debian's compiler, because Debian packages the sources of the standard library,
# which -Zbuild-std compiles for targets without a prebuilt one.
set -euo pipefail
cd "$(dirname "$0")/.."
# Its own target folder, because another compiler may have filled the workspace's.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/portability
export DEBIAN_FRONTEND=noninteractive

packages=(rustc-web cargo-web rust-web-src gcc-powerpc-linux-gnu libc6-dev-powerpc-cross qemu-user)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
    apt-get -qq update
    apt-get -qq -o DPkg::Lock::Timeout=400 install -y --no-install-recommends "${packages[@]}" >/dev/null
fi
# Without RUSTC, Debian's cargo would use the first rustc in PATH.
export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc
export CARGO_TARGET_POWERPC_UNKNOWN_LINUX_GNU_LINKER=powerpc-linux-gnu-gcc
export CARGO_TARGET_POWERPC_UNKNOWN_LINUX_GNU_RUNNER="qemu-ppc -L /usr/powerpc-linux-gnu"

# Slightly optimized code runs ten times faster in QEMU.
export CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=0

# Prints how many tests `cargo test` with these arguments passes on PowerPC. Fails if
# none ran.
passed() {
    local output count
    if ! output=$(/usr/bin/cargo test --quiet --locked "$@" -Zbuild-std --target powerpc-unknown-linux-gnu); then
        echo "$output" >&2
        return 1
    fi
    count=$(awk '/^test result: ok\./ { sum += $4 } END { print sum + 0 }' <<<"$output")
    if [ "$count" -eq 0 ]; then
        echo "portability: no test ran on PowerPC: $output" >&2
        return 1
    fi
    echo "$count"
}

features=heapless,embedded-io
bare=$(passed -p kinesis-agg-codec -p kinesis-agg-tests --lib --tests --no-default-features)
all=$(passed -p kinesis-agg-codec -p kinesis-agg -p kinesis-agg-tests --lib --tests \
    --features "kinesis-agg-codec/${features/,/,kinesis-agg-codec/}")
for with in "" fast "$features" "fast,$features"; do
    /usr/bin/cargo check --quiet --locked -p kinesis-agg-codec --no-default-features --features "$with" \
        -Zbuild-std=core --target msp430-none-elf
done
echo "portability: $all tests pass on 32-bit big-endian PowerPC, and $bare without the codec's features;" \
    "the codec compiles for 16-bit MSP430 with and without fast"
