#!/usr/bin/env bash
# Our bytes through AWS's Python and Node modules and theirs through ours.
#
# Installs the modules below the target folder, once.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
peers=$target/interop
mkdir -p "$peers"

if ! "$peers/venv/bin/python" -c 'import aws_kinesis_agg, google.protobuf, six' 2>/dev/null; then
    python3 -m venv "$peers/venv"
    # six: the module imports it and does not say so.
    "$peers/venv/bin/pip" install -q --disable-pip-version-check \
        aws_kinesis_agg==1.2.3 protobuf==7.36.2 six==1.17.0
fi
if ! [ -e "$peers/node/node_modules/aws-kinesis-agg" ]; then
    mkdir -p "$peers/node"
    npm install --prefix "$peers/node" --silent --no-audit --no-fund aws-kinesis-agg@4.2.8
fi

cargo build -q --locked -p kinesis-agg-cli
NODE_PATH=$peers/node/node_modules python3 tests/interop/check.py \
    "$target/debug/kinesis-agg" "$peers/venv/bin/python" node
