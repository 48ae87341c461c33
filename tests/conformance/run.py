"""Runs a program on the conformance cases and reports where it does not follow the rules.

    run.py --decode 'kinesis-agg deaggregate --from hex' --encode 'kinesis-agg aggregate'

README.md beside this file describes what the program reads and prints. The exit status is
0 if every case passes, 1 if one does not, and 2 if the program could not be run.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import re
import shlex
import subprocess
import sys

import fixtures
import law

CASES = pathlib.Path(__file__).resolve().parent / "cases"
# Lines of standard error to show of a program that failed.
ERROR_LINES = 20
ASPECTS = ["reason", "offset", "key", "hash-key", "tags", "number", "wrapping", "bytes", "outer-key"]


def load(name):
    with (CASES / name).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def decode_cases():
    return load("decode.jsonl") + fixtures.decode_cases()


def encode_cases():
    return load("encode.jsonl")


def run(command, given, timeout=600):
    """Returns what a program printed, as objects, its exit status, and its standard error."""
    ended = subprocess.run(
        shlex.split(command), input=given.encode(), capture_output=True, timeout=timeout, check=False
    )
    # Not splitlines, which would also split at U+2028 inside a JSON string.
    lines = ended.stdout.decode().split("\n")
    errors = ended.stderr.decode(errors="replace")
    return [json.loads(line) for line in lines if line.strip()], ended.returncode, errors


# --- Reading ---


def judge_decode(case, lines, without=(), kinds=None):
    """Returns "ok", or a few words on how the lines for a blob differ from its outcome."""
    user_records = [line for line in lines if line["aggregated"]]
    others = [line for line in lines if not line["aggregated"]]
    refused = any(line.get("reason") == "malformed" for line in others)
    if "plain" in case:
        return judge_plain(case, user_records, others, refused, without)
    if "malformed" in case:
        return judge_malformed(case, user_records, others, refused, without, kinds)
    return judge_user_records(case, user_records, others, refused, without)


def judge_plain(case, user_records, others, refused, without):
    if user_records:
        return "opened"
    if not others:
        return "lost"
    if refused:
        return "an error"
    if len(others) > 1 or base64.b64decode(others[0]["data"]).hex() != case["hex"]:
        return "other data"
    if "reason" not in without and others[0].get("reason") != case["plain"]:
        return "another reason"
    return "ok"


def judge_malformed(case, user_records, others, refused, without, kinds):
    if user_records:
        return "some delivered, then an error" if others else "user records delivered"
    if not others:
        return "lost"
    if not refused:
        return "passed on as plain"
    error = others[0].get("error", "")
    place = re.search(r" at byte (\d+)$", error)
    if "offset" not in without and (not place or int(place[1]) != case["offset"]):
        return "another offset"
    if kinds and not re.search(kinds[case["malformed"]], error):
        return "another kind"
    return "ok"


def judge_user_records(case, user_records, others, refused, without):
    expected = case["user_records"]
    if others:
        if user_records:
            return "some delivered, then an error"
        return "an error" if refused else "passed on as plain"
    if len(user_records) < len(expected):
        return "lost" if not user_records else "some lost"
    if len(user_records) > len(expected):
        return "some made up"
    for place, (line, (key, hash_key, data, tags)) in enumerate(zip(user_records, expected)):
        if "key" not in without and field(line, "partitionKey") != key:
            return "another key"
        if "hash-key" not in without and field(line, "explicitHashKey") != hash_key:
            return "another explicit hash key"
        if base64.b64decode(line["data"]).hex() != data:
            return "other data"
        found = [[field(tag, "key"), field(tag, "value")] for tag in line.get("tags") or []]
        if "tags" not in without and found != tags:
            return "other tags"
        if "number" not in without and line.get("subSequenceNumber") != place:
            return "another sub-sequence number"
    return "ok"


def field(line, name):
    """Returns the bytes of a text field in hex. Text that is not UTF-8 is in base64."""
    if line.get(name) is not None:
        return line[name].encode("utf-8", "surrogatepass").hex()
    encoded = line.get(name + "Base64")
    return None if encoded is None else base64.b64decode(encoded).hex()


def decode(command, without=(), kinds=None):
    """Returns a verdict for each case, and the exit status. Shows the errors of a program that failed."""
    cases = decode_cases()
    printed, status, errors = run(command, "".join(case["hex"] + "\n" for case in cases))
    if status:
        print(*errors.splitlines()[-ERROR_LINES:], sep="\n", file=sys.stderr)
    lines = [[] for _ in cases]
    for line in printed:
        lines[line["record"]].append(line)
    verdicts = [
        (case["rule"], case["id"], judge_decode(case, some, without, kinds))
        for case, some in zip(cases, lines)
    ]
    return verdicts, status


# --- Writing ---


def data_of(data):
    """Returns the bytes of hex, or of [byte, count]."""
    return bytes.fromhex(data) if isinstance(data, str) else bytes(data[:1]) * data[1]


def judge_encode(case, aggregates, status, without=()):
    """Returns "ok", or a few words on how the aggregates differ from the expected ones."""
    rejected = status != 0 or any("rejected" in line for line in aggregates)
    blobs = [base64.b64decode(line["data"]) for line in aggregates if "data" in line]
    if "wrapping" in without and case.get("aggregates") and len(blobs) == len(case["user_records"]) == 1:
        if blobs[0] == data_of(case["user_records"][0][2]):
            return "ok"  # The KPL does the same.
    outcomes = [law.decode(blob) for blob in blobs]
    if not all("user_records" in outcome for outcome in outcomes):
        return "not an aggregate"
    found = [record[:3] for outcome in outcomes for record in outcome["user_records"]]
    given = [
        [key.encode().hex(), None if hash_key is None else hash_key.encode().hex(), data_of(data).hex()]
        for key, hash_key, data in case["user_records"]
    ]
    if "rejected" in case:
        if given[case["rejected"]][2] in [data for _, _, data in found]:
            return "written"
        return "ok" if rejected else "lost"
    if rejected:
        return "rejected"
    if not all(outcome["user_records"] for outcome in outcomes):
        return "an aggregate without user records"
    expected = [[key, canonical(hash_key), data] for key, hash_key, data in given]
    if len(found) != len(expected):
        return "some lost"
    for one, other in zip(found, expected):
        if one[0] != other[0]:
            return "another key"
        if one[1] != other[1]:
            return "another explicit hash key"
        if one[2] != other[2]:
            return "other data"
    if any(len(blob) + len(line["partitionKey"].encode()) > law.DEFAULT_MAX_SIZE
           for blob, line in zip(blobs, aggregates)):  # fmt: skip
        return "too large"
    if len(blobs) != len(case["aggregates"]):
        return "another split"
    if "bytes" not in without and [short(blob) for blob in blobs] != [e[2] for e in case["aggregates"]]:
        return "other bytes"
    keys = [[line["partitionKey"], line.get("explicitHashKey")] for line in aggregates]
    if "outer-key" not in without and keys != [e[:2] for e in case["aggregates"]]:
        return "another outer key"
    return "ok"


def canonical(hash_key):
    if hash_key is None:
        return None
    return str(int(bytes.fromhex(hash_key).decode().strip())).encode().hex()


def short(blob):
    if len(blob) <= 4096:
        return blob.hex()
    return {"len": len(blob), "md5": hashlib.md5(blob).hexdigest()}


def encode(command, without=()):
    """Returns a verdict for each case; the program runs once for each."""
    verdicts = []
    for case in encode_cases():
        given = "".join(
            json.dumps({
                "partitionKey": key,
                "explicitHashKey": hash_key,
                "data": base64.b64encode(data_of(data)).decode(),
            }) + "\n"
            for key, hash_key, data in case["user_records"]
        )  # fmt: skip
        aggregates, status, _ = run(command, given)
        verdicts.append((case["rule"], case["id"], judge_encode(case, aggregates, status, without)))
    return verdicts


# --- Report ---


def by_rule(verdicts):
    """Returns the number of cases of each rule, and how many of them got each verdict."""
    rules = {}
    for rule, _, verdict in verdicts:
        counts = rules.setdefault(rule, {})
        counts[verdict] = counts.get(verdict, 0) + 1
    return rules


def table(title, verdicts):
    rules = by_rule(verdicts)
    width = max(map(len, rules))
    yield f"{title:{width}}  cases  passed"
    for rule, counts in rules.items():
        total, passed = sum(counts.values()), counts.get("ok", 0)
        failed = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if verdict != "ok")
        yield f"{rule:{width}}  {total:5}  {passed:6}  {failed}".rstrip()
    passed = sum(verdict == "ok" for _, _, verdict in verdicts)
    yield f"{'all':{width}}  {len(verdicts):5}  {passed:6}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--decode", metavar="CMD", help="reads blobs as hex lines, prints JSON lines")
    parser.add_argument("--encode", metavar="CMD", help="reads user records, prints aggregates")
    parser.add_argument("--without", metavar="ASPECT,...", default="", help=f"do not compare: {', '.join(ASPECTS)}")
    parser.add_argument("--kinds", metavar="FILE", help="JSON: for each kind of fault a regular expression of its error text")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--failed", action="store_true", help="list the cases that do not pass")
    args = parser.parse_args()
    without = [aspect for aspect in args.without.split(",") if aspect]
    if unknown := set(without) - set(ASPECTS):
        parser.error(f"--without does not know {', '.join(sorted(unknown))}")
    if not (args.decode or args.encode):
        parser.error("give --decode, --encode or both")
    kinds = json.loads(pathlib.Path(args.kinds).read_text()) if args.kinds else None
    results, status = {}, 0
    try:
        if args.decode:
            results["decode"], status = decode(args.decode, without, kinds)
        if args.encode:
            results["encode"] = encode(args.encode, without)
    except (OSError, ValueError, LookupError, subprocess.TimeoutExpired) as error:
        print(f"run.py: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
    if args.json:
        report = {
            side: {
                "rules": by_rule(verdicts),
                "failed": {case: verdict for _, case, verdict in verdicts if verdict != "ok"},
            }
            for side, verdicts in results.items()
        }
        print(json.dumps(report, indent=1))
    else:
        for side, verdicts in results.items():
            print("\n".join(table(side, verdicts)))
            for _, case, verdict in verdicts:
                if args.failed and verdict != "ok":
                    print(f"{case}: {verdict}")
    if status:
        print(f"run.py: the program ended with exit status {status}", file=sys.stderr)
    passed = all(verdict == "ok" for verdicts in results.values() for _, _, verdict in verdicts)
    sys.exit(0 if passed and status == 0 else 1)


if __name__ == "__main__":
    main()
