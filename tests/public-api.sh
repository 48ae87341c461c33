#!/usr/bin/env bash
# Compares the public API of the published libraries with tests/public-api, so that
# every change of it is reviewed and recorded in CHANGELOG.md.
#
# `--bless` rewrites the files.
set -euo pipefail
cd "$(dirname "$0")/.."
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
# rustdoc's JSON output is unstable; RUSTC_BOOTSTRAP enables it on a stable compiler.
# Builds with it use their own target folder.
export RUSTC_BOOTSTRAP=1
failed=0
for crate in kinesis-agg-codec kinesis-agg; do
    CARGO_TARGET_DIR=$target_dir/public-api cargo rustdoc --quiet --locked -p "$crate" --all-features -- \
        -Z unstable-options --output-format json
    found=$(env -u RUSTC_BOOTSTRAP cargo run --quiet --locked -p kinesis-agg-tests --bin public_api -- \
        "$target_dir/public-api/doc/${crate//-/_}.json")
    if [ "${1:-}" = --bless ]; then
        printf '%s\n' "$found" >"tests/public-api/$crate.txt"
    elif ! diff -u "tests/public-api/$crate.txt" - <<<"$found"; then
        echo "public API: $crate changed; if that is intended, run tests/public-api.sh --bless" >&2
        failed=1
    fi
done
exit "$failed"
