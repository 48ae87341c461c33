#!/usr/bin/env bash
# `fuzz/keep.sh TARGET [DIRECTORY...]`: adds the inputs in these directories to the
# kept corpus, then reduces the corpus to the fewest inputs that reach the same code.
#
# Inputs named `rule-*` are kept whatever code they reach, because each of them
# tests a specific rule.
set -euo pipefail
cd "$(dirname "$0")"
target=$1
shift
merged=$(mktemp -d)
trap 'rm -rf "$merged"' EXIT
mkdir "$merged/all" "$merged/kept"
for directory in "corpus/$target" "$@"; do
    find "$directory" -maxdepth 1 -type f -size -4097c -exec cp -t "$merged/all" {} +
done
find "corpus/$target" -type f -name 'rule-*' -exec cp -t "$merged/kept" {} +
cargo +nightly fuzz run --sanitizer none "$target" "$merged/kept" "$merged/all" -- \
    -set_cover_merge=1 -use_counters=0 -max_len=4096 -close_fd_mask=1
rm -rf "corpus/$target"
mv "$merged/kept" "corpus/$target"
echo "$target: $(find "corpus/$target" -type f | wc -l) files, $(du -bs "corpus/$target" | cut -f1) bytes"
