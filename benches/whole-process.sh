#!/usr/bin/env bash
# What users run today beside the command line of kinesis-agg: whole processes,
# JSON lines in, JSON lines out, the same files for all. Prints user records a
# second (best of the runs) and peak memory. Installs aws_kinesis_agg 1.2.3 and
# aws-kinesis-agg 4.2.8 under the target directory.
#
#   benches/whole-process.sh [user records] [runs]
set -euo pipefail
cd "$(dirname "$0")/.."
user_records=${1:-200000}
runs=${2:-3}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
here=$PWD/benches/whole-process
work=$target/whole-process
mkdir -p "$work"

cargo build --quiet --release --locked -p kinesis-agg-cli
ours=$target/release/kinesis-agg
[ -d "$work/venv" ] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet aws_kinesis_agg==1.2.3 protobuf six
(cd "$work" && npm install --silent --no-audit --no-fund aws-kinesis-agg@4.2.8 >/dev/null)

# User records of 100 bytes under 1,000 keys, the same at every run.
python3 - "$user_records" >"$work/user-records.ndjson" <<'PY'
import base64, hashlib, json, sys, uuid
for n in range(int(sys.argv[1])):
    key = str(uuid.UUID(bytes=hashlib.md5(b"%d" % (n * 7919 % 1000)).digest()))
    data = base64.b64encode(hashlib.sha512(b"%d" % n).digest() * 2)[:134] + b"=="
    data = base64.b64encode(base64.b64decode(data)[:100]).decode()
    print(json.dumps({"partitionKey": key, "data": data}))
PY
"$ours" aggregate <"$work/user-records.ndjson" >"$work/blobs.ndjson"

# Best seconds and largest kilobytes of a command over the runs, its output thrown away.
measure() {
    local input=$1
    shift
    for _ in $(seq "$runs"); do
        NODE_PATH=$work/node_modules /usr/bin/time -f '%e %M' "$@" <"$input" 2>&1 >/dev/null | tail -1
    done | awk 'NR == 1 || $1 < s { s = $1 } $2 > m { m = $2 } END { print s, m }'
}

printf '%-12s %-24s %14s %8s %10s\n' "" "" "records/s" "ours is" "peak MB"
for what in deaggregate aggregate; do
    case $what in
    deaggregate) input=$work/blobs.ndjson ;;
    aggregate) input=$work/user-records.ndjson ;;
    esac
    best=
    for who in kinesis-agg python node; do
        case $who in
        kinesis-agg) command=("$ours" "$what" --from ndjson) name="kinesis-agg" ;;
        python) command=("$work/venv/bin/python" "$here/python.py" "$what") name="aws_kinesis_agg 1.2.3" ;;
        node) command=(node "$here/node.js" "$what") name="aws-kinesis-agg 4.2.8" ;;
        esac
        read -r seconds memory <<<"$(measure "$input" "${command[@]}")"
        best=${best:-$seconds}
        awk -v what="$what" -v name="$name" -v n="$user_records" -v s="$seconds" -v b="$best" -v m="$memory" \
            'BEGIN { if (s < 0.01) { print name ": too short to be true"; exit 1 } printf "%-12s %-24s %14.0f %7.1fx %10.1f\n", what, name, n / s, s / b, m / 1024 }'
    done
done
