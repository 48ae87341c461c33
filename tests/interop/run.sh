#!/usr/bin/env bash
# Reads our bytes with AWS's Python and Node modules, and theirs with our tool.
#
# Installs the modules in the target folder if they are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
peers=$target/interop
mkdir -p "$peers"

if ! "$peers/venv/bin/python" -c 'import aws_kinesis_agg, google.protobuf, six' 2>/dev/null; then
    python3 -m venv "$peers/venv"
    # The module imports six, but does not declare it as a dependency.
    "$peers/venv/bin/pip" install -q --disable-pip-version-check \
        aws_kinesis_agg==1.2.3 protobuf==7.36.2 six==1.17.0
fi
if ! [ -e "$peers/node/node_modules/aws-kinesis-agg" ]; then
    mkdir -p "$peers/node"
    npm install --prefix "$peers/node" --silent --no-audit --no-fund aws-kinesis-agg@4.2.8
fi

cargo build -q --locked -p kinesis-agg-cli
cargo build -q --locked -p kinesis-agg --features lambda --example lambda_kinesis
NODE_PATH=$peers/node/node_modules python3 tests/interop/check.py \
    "$target/debug/kinesis-agg" "$target/debug/examples/lambda_kinesis" \
    "$peers/venv/bin/python" node
