#!/usr/bin/env bash
# The public API of the published libraries is what tests/public-api holds: a
# change of it is seen in review, and named in CHANGELOG.md.
#
# `--bless` writes the files anew.
set -euo pipefail
cd "$(dirname "$0")/.."
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
# Its own folder: an unstable output of rustdoc, which stable has under this name only.
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
        echo "public API: $crate changed; if that is meant, tests/public-api.sh --bless" >&2
        failed=1
    fi
done
exit "$failed"
