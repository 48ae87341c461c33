#!/usr/bin/env bash
# Puts the seeds into corpus/, from the fixtures of the tests. Files that are
# there stay; `keep.sh` takes out what is not needed.
set -euo pipefail
cd "$(dirname "$0")"
cargo run --locked --quiet --example seed
