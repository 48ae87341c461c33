#!/usr/bin/env python3
"""Compares the command line of kinesis-agg with the programs that users run today.

    benches/whole-process.py [--user-records N] [--runs N] [--readme --machine NAME]

Measures whole processes, which read and write JSON lines, all from the same files. Installs
aws_kinesis_agg and aws-kinesis-agg in the target directory. Checks first that all return
the same user records. They run in turns, so that other load on the machine affects all of
them, and the medians are reported. Prints the table of benches/README.md, and with --readme
writes it there.
"""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import uuid

import readme

ROOT = pathlib.Path(__file__).parent.parent
DRIVERS = ROOT / "benches" / "whole-process"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
WORK = TARGET / "whole-process"
PYTHON = WORK / "venv" / "bin" / "python"
OURS = TARGET / "release" / "kinesis-agg"
PYTHON_MODULE, NODE_MODULE = "1.2.3", "4.2.8"
WHICH_PROTOBUF = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
KEYS, DATA_LEN = 1000, 100
OUR_NAME = "kinesis-agg"
# Seconds; the clock of /usr/bin/time counts hundredths.
SHORTEST = 0.1


def install():
    build = "cargo build --quiet --release --locked -p kinesis-agg-cli".split()
    subprocess.run(build, cwd=ROOT, check=True)
    WORK.mkdir(parents=True, exist_ok=True)
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", WORK / "venv"], check=True)
    wanted = [f"aws_kinesis_agg=={PYTHON_MODULE}", "protobuf", "six"]
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *wanted], check=True)
    npm = "npm install --silent --no-audit --no-fund".split()
    subprocess.run([*npm, f"aws-kinesis-agg@{NODE_MODULE}"], cwd=WORK, check=True)


def competitors():
    """Yields name, command without its last word, and environment variables."""
    yield OUR_NAME, [OURS], {}
    ask = "from google.protobuf.internal import api_implementation as a; print(a.Type())"
    for kind, title in [("upb", "protobuf in C"), ("python", "protobuf in Python")]:
        env = {WHICH_PROTOBUF: kind}
        asked = subprocess.run(
            [PYTHON, "-c", ask], env=os.environ | env, capture_output=True, text=True
        )
        if asked.stdout.strip() == kind:
            yield f"Python, aws_kinesis_agg {PYTHON_MODULE}, {title}", [PYTHON, DRIVERS / "python.py"], env
        else:
            print(f"{title} is not available here", file=sys.stderr)
    env = {"NODE_PATH": str(WORK / "node_modules")}
    yield f"Node, aws-kinesis-agg {NODE_MODULE}", ["node", DRIVERS / "node.js"], env


def make_user_records(count, path):
    """Writes user records that are the same in every run."""
    with path.open("w") as lines:
        for n in range(count):
            key = str(uuid.UUID(bytes=hashlib.md5(b"%d" % (n * 7919 % KEYS)).digest()))
            data = (hashlib.sha512(b"%d" % n).digest() * 2)[:DATA_LEN]
            user_record = {"partitionKey": key, "data": base64.b64encode(data).decode()}
            lines.write(json.dumps(user_record) + "\n")


def digest_of(lines):
    """Returns a digest of the keys and data of the user records; ignores other fields."""
    digest = hashlib.sha256()
    for line in lines:
        user_record = json.loads(line)
        digest.update(f"{user_record['partitionKey']} {user_record['data']}\n".encode())
    return digest.hexdigest()


def check(what, name, command, env, source, expected):
    output = WORK / "output.ndjson"
    with source.open() as stdin, output.open("w") as stdout:
        subprocess.run([*command, what], env=os.environ | env, stdin=stdin, stdout=stdout, check=True)
    if what == "aggregate":
        taken_apart = WORK / "taken-apart.ndjson"
        with taken_apart.open("w") as stdout:
            subprocess.run([OURS, "deaggregate", "--from", "ndjson", output], stdout=stdout, check=True)
        output = taken_apart
    with output.open() as lines:
        if digest_of(lines) != expected:
            sys.exit(f"{name}: {what} returns other user records")


def measure(what, command, env, source):
    """Returns elapsed seconds, processor seconds, and peak memory in kilobytes."""
    # A child of this process would count this process's memory as its own.
    timed = ["/usr/bin/time", "-f", "%e %U %S %M", *command, what]
    with source.open() as stdin:
        done = subprocess.run(
            timed, env=os.environ | env, stdin=stdin, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, check=True,
        )
    elapsed, user, system, peak = map(float, done.stderr.split())
    return elapsed, user + system, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--user-records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--machine", default="this machine", help="where it was measured")
    parser.add_argument("--readme", action="store_true", help="write the table")
    args = parser.parse_args()
    install()
    user_records, blobs = WORK / "user-records.ndjson", WORK / "blobs.ndjson"
    make_user_records(args.user_records, user_records)
    with user_records.open() as stdin, blobs.open("w") as stdout:
        subprocess.run([OURS, "aggregate"], stdin=stdin, stdout=stdout, check=True)
    with user_records.open() as lines:
        expected = digest_of(lines)
    all_competitors = list(competitors())
    rows = [
        (what, name, command, env, source)
        for what, source in [("deaggregate", blobs), ("aggregate", user_records)]
        for name, command, env in all_competitors
    ]
    for what, name, command, env, source in rows:
        check(what, name, command, env, source, expected)
    runs = {row[:2]: [] for row in rows}
    for run in range(args.runs):
        for what, name, command, env, source in rows:
            runs[what, name].append(measure(what, command, env, source))
        print(f"run {run + 1} of {args.runs}", file=sys.stderr)
    lines = [
        f"Whole processes, JSON lines in and out, {args.user_records:,} user records of"
        f" {DATA_LEN} bytes under {KEYS:,} keys, on {args.machine}: user records a second,"
        " time / ours, seconds of a processor, peak memory. kinesis-agg runs on two threads.",
        "",
        "| | deaggregate | aggregate |",
        "|---|---|---|",
    ]
    medians = {
        row: [statistics.median(column) for column in zip(*measured)]
        for row, measured in runs.items()
    }
    for name, _, _ in all_competitors:
        cells = []
        for what in ["deaggregate", "aggregate"]:
            elapsed, busy, peak = medians[what, name]
            our_elapsed, our_busy, _ = medians[what, OUR_NAME]
            if elapsed < SHORTEST:
                sys.exit(f"{name}: {elapsed} s are too short to measure: increase --user-records")
            times = "" if name == OUR_NAME else f", {elapsed / our_elapsed:.0f}x"
            rate = f"{args.user_records / elapsed:,.0f}{times}"
            cells.append(f"{rate}, {busy:.2f} s, {peak / 1024:.0f} MiB")
            of_processor = f"{busy:.2f} s of a processor, {busy / our_busy:.1f}x"
            print(f"{what}, {name}: {of_processor}", file=sys.stderr)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if args.readme:
        readme.write(readme.TABLES, "whole processes", table)


main()
