#!/usr/bin/env bash
# Runs record processors under two real MultiLangDaemons, on loopback: shards split and
# merge, one processor panics, one daemon is killed. Nothing may be lost.
#
# Needs node, python3 and a Java runtime (installed with apt if there is none and
# this is root). Installs the KCL's jars, a DynamoDB and a Kinesis server below the
# target folder, once. Takes about six minutes after that.
#
# `run.sh --keep FOLDER` keeps the logs.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
tools=$target/multilang
mkdir -p "$tools"
if ! command -v java >/dev/null; then
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=400 install -y \
        --no-install-recommends openjdk-17-jre-headless >/dev/null
fi
if ! [ -e "$tools/venv/installed" ]; then
    rm -rf "$tools/venv"
    python3 -m venv "$tools/venv"
    # A build of the KCL with all of its jars, which Amazon's own package downloads
    # from Maven; and DynamoDB and CloudWatch.
    "$tools/venv/bin/pip" install -q kclpy-ext==3.1.3.post4 'moto[server]==5.2.5'
    touch "$tools/venv/installed"
fi
server=$target/kinesis-local
if ! [ -e "$server/node_modules/kinesis-local" ]; then
    mkdir -p "$server"
    npm install --prefix "$server" --silent --no-audit --no-fund --ignore-scripts kinesis-local@0.6.2
fi
# Tests a process without a daemon; this also builds the programs.
cargo test -q --locked -p kinesis-agg-multilang --test process >&2
exec "$tools/venv/bin/python" tests/multilang/run.py \
    --programs "$target/debug" \
    --kinesis-local "$server/node_modules/kinesis-local" "$@"
