# Sourced by run.sh and peers.sh: builds a program for a Cortex-M, runs it and measures its size.
#
# The compiler is Debian's: it comes with the sources of its core library, which
# -Zbuild-std builds for targets without a prebuilt one.

packages=(rustc-web cargo-web rust-web-src binutils-arm-none-eabi qemu-system-arm)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq -o DPkg::Lock::Timeout=400 install -y --no-install-recommends "${packages[@]}" >/dev/null
fi
# Otherwise, Debian's cargo would use the first rustc in PATH.
export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc

fail() {
    echo "firmware: $*" >&2
    exit 1
}

# Builds the package of this folder for a target; further arguments go to the linker.
build() {
    local target=$1 variable flags argument
    shift
    variable=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$target")
    flags="-C link-arg=-T$firmware_dir/link.ld -C link-arg=--nmagic"
    for argument; do flags+=" -C link-arg=$argument"; done
    env "${variable}_LINKER=arm-none-eabi-ld" "${variable}_RUSTFLAGS=$flags" \
        /usr/bin/cargo build --quiet --release --locked -Zbuild-std=core --target "$target" \
        --features "${features:-}"
}

# Prints the bytes of a program without start code and the compiler's own functions.
own_size() {
    local all rest
    all=$(arm-none-eabi-size -A "$1" | awk '$1 == ".text" || $1 == ".rodata" || $1 == ".data" { sum += $2 } END { print sum }')
    rest=$(arm-none-eabi-nm -S -C -t d "$1" | awk '
        $3 ~ /[tT]/ && $4 ~ /^(compiler_builtins|firmware|__aeabi)::|^__aeabi/ { sum += $2 }
        END { print sum }')
    echo $((all - rest))
}

# Prints the bytes of static memory.
static_size() {
    arm-none-eabi-size -A "$1" | awk '$1 == ".bss" || $1 == ".data" { sum += $2 } END { print sum }'
}

run() {
    # 64 ns an instruction: about one tick of the system timer.
    timeout -k 2 60 qemu-system-arm -nographic -monitor none -serial none -icount shift=6 \
        -semihosting-config enable=on,target=native -machine "$1" -kernel "$2" </dev/null
}
