#!/usr/bin/env bash
# Tests the producer against kinesis-mock from npm, which supports what the server in the
# same process does not. Needs node. Fails if a test did not run.
#
# Installs the server in the target folder, once.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
server=$target/kinesis-local
if ! [ -e "$server/node_modules/kinesis-local" ]; then
    mkdir -p "$server"
    npm install --prefix "$server" --silent --no-audit --no-fund --ignore-scripts kinesis-local@0.6.2
fi
# Builds first, so that the server does not run during the build.
cargo test -q --locked -p kinesis-agg-end-to-end --test kinesis_local --no-run

read -r plain tls < <(node -e '
    const net = require("net");
    const two = [0, 0].map(() => net.createServer().listen(0, "127.0.0.1"));
    setTimeout(() => {
        console.log(two.map((one) => one.address().port).join(" "));
        two.forEach((one) => one.close());
    }, 50);')
scratch=$(mktemp -d)
pid=
stop() {
    if [ -n "$pid" ]; then
        # SIGTERM does not end it while a client is connected.
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap stop EXIT
# The server looks for its certificate in the current folder, so it starts in its
# own.
(
    cd "$server/node_modules/kinesis-local"
    KINESIS_MOCK_PLAIN_PORT=$plain KINESIS_MOCK_TLS_PORT=$tls SHARD_LIMIT=1000 \
        CREATE_STREAM_DURATION=20ms SPLIT_SHARD_DURATION=50ms \
        MERGE_SHARDS_DURATION=50ms UPDATE_SHARD_COUNT_DURATION=50ms \
        exec node main.js
) >"$scratch/server" 2>&1 &
pid=$!
for _ in $(seq 300); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$plain") 2>/dev/null; then break; fi
    if ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
done

if ! KINESIS_LOCAL_URL=http://127.0.0.1:$plain cargo test --locked \
    -p kinesis-agg-end-to-end --test kinesis_local -- --ignored | tee "$scratch/tests"; then
    tail -20 "$scratch/server" >&2
    exit 1
fi
ran=$(grep -c '^test .* \.\.\. ok$' "$scratch/tests" || true)
there_are=$(grep -c '^#\[tokio::test\]$' tests/end-to-end/tests/kinesis_local.rs)
if [ "$ran" -ne "$there_are" ]; then
    echo "kinesis-local: $ran of $there_are tests ran" >&2
    exit 1
fi
