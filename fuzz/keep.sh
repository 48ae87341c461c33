#!/usr/bin/env bash
# `fuzz/keep.sh TARGET [DIRECTORY...]`: adds what the fuzzer found in these
# directories to the kept corpus, then keeps as few inputs as reach all of the
# code that all of them reach.
#
# `rule-*` stay for what they show, whatever they reach.
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
