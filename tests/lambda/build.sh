#!/usr/bin/env bash
# From source to the zip that Lambda takes: build.sh x86_64|arm64 [bulk|lazy]
#
# Prints the zip's path. The program is static (musl) and runs on every image;
# LIBC=gnu links against this machine's glibc instead, which must not be newer
# than the image's. Cargo's own variables (a linker, flags) have their effect;
# CARGO names another cargo, CARGO_ARGS more for it.
set -euo pipefail
cd "$(dirname "$0")"

handler=${2:-lazy}
case ${1:-} in
x86_64) target=x86_64-unknown-linux-${LIBC:-musl} ;;
arm64) target=aarch64-unknown-linux-${LIBC:-musl} ;;
*)
    echo "usage: build.sh x86_64|arm64 [bulk|lazy]" >&2
    exit 2
    ;;
esac

# A static program of nothing but Rust needs no other linker than rustc's own.
linker=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$target")_LINKER
if [ "${LIBC:-musl}" = musl ] && [ -z "${!linker:-}" ]; then
    export "$linker=rust-lld"
fi

out=$(cargo metadata --format-version=1 --no-deps --locked |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
# shellcheck disable=SC2086
"${CARGO:-cargo}" build --release --locked --bin "$handler" --target "$target" ${CARGO_ARGS:-} >&2
zip=$out/lambda/$1-$handler.zip
mkdir -p "$out/lambda"
python3 - "$out/$target/release/$handler" "$zip" <<'PY'
import sys
import zipfile

program, path = sys.argv[1:]
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
    # The file's mode goes along: Lambda runs it.
    out.write(program, "bootstrap")
PY
echo "$zip"
