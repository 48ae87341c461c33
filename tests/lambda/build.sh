#!/usr/bin/env bash
# Builds the zip file to deploy on Lambda: build.sh x86_64|arm64 [bulk|lazy]
#
# Prints the path of the zip file. The program is linked statically (musl) and runs on
# every image. LIBC=gnu links against this machine's glibc instead, which must not be
# newer than the image's. Cargo's own environment variables (linker, flags) apply.
# CARGO selects another cargo, and CARGO_ARGS adds arguments to it.
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

# rust-lld, which comes with rustc, is enough to link a static program without C code.
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
    # `write` keeps the file mode, so that Lambda can execute the program.
    out.write(program, "bootstrap")
PY
echo "$zip"
