#!/usr/bin/env bash
# Runs the codec's unit tests on a big-endian machine of 32 bits (PowerPC, in
# QEMU) and checks that the codec compiles where usize has 16 bits (MSP430).
#
# The compiler is Debian's: it comes with the sources of its libraries, which
# -Zbuild-std builds for targets that no toolchain here has.
set -euo pipefail
cd "$(dirname "$0")/.."
# A folder of its own: the workspace's may belong to another compiler.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/portability
export DEBIAN_FRONTEND=noninteractive

packages=(rustc-web cargo-web rust-web-src gcc-powerpc-linux-gnu libc6-dev-powerpc-cross qemu-user)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
    apt-get -qq update
    apt-get -qq -o DPkg::Lock::Timeout=400 install -y --no-install-recommends "${packages[@]}" >/dev/null
fi
# Debian's cargo would else take the rustc that comes first in PATH.
export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc
export CARGO_TARGET_POWERPC_UNKNOWN_LINUX_GNU_LINKER=powerpc-linux-gnu-gcc
export CARGO_TARGET_POWERPC_UNKNOWN_LINUX_GNU_RUNNER="qemu-ppc -L /usr/powerpc-linux-gnu"

for features in "" heapless,embedded-io; do
    output=$(/usr/bin/cargo test --quiet --locked -p kinesis-agg-codec --lib --features "$features" \
        -Zbuild-std --target powerpc-unknown-linux-gnu)
    passed=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' <<<"$output")
    if [ "${passed:-0}" -eq 0 ]; then
        echo "portability: no test ran on PowerPC: $output" >&2
        exit 1
    fi
    /usr/bin/cargo check --quiet --locked -p kinesis-agg-codec --features "$features" \
        -Zbuild-std=core --target msp430-none-elf
done
echo "portability: $passed unit tests pass on 32-bit big-endian PowerPC; the codec compiles for 16-bit MSP430"
