#!/usr/bin/env bash
# Writes seeds made from the test fixtures to corpus/. Other files there stay;
# `keep.sh` removes the inputs that are not needed.
set -euo pipefail
cd "$(dirname "$0")"
cargo run --locked --quiet --example seed
