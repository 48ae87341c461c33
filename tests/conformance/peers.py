"""Runs other programs on the conformance cases and stores their answers.

    peers.py [--check] [PEER...]

Runs the named peers (`peers.sh` installs them), writes their answers to `answers/`, and
writes the tables in `codec-std/PEERS.md` from all stored answers. With `--check`, writes
nothing, and fails if an answer or the tables differ from what is stored.
"""

import base64
import json
import os
import pathlib
import re
import sys

import fixtures
import run

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "codec-std" / "PEERS.md"
MARKS = ("<!-- conformance: made by tests/conformance/peers.py -->", "<!-- conformance: end -->")

PYTHON = os.environ.get("PYTHON", "python3")
KCL = f"java -Dlogback.configurationFile={HERE}/peers/logback.xml -cp {os.environ.get('KCL_JARS')}"
NONE_SHOWN = ["reason", "offset"]

# Name, title in the tables, commands, and the aspects that it does not show, which are therefore
# not compared.
PEERS = {
    "kcl": (
        "KCL 3.1.3",
        f"{KCL} {HERE}/peers/Kcl.java",
        None,
        [*NONE_SHOWN, "tags"],
    ),
    "python": (
        "aws_kinesis_agg 1.2.3 (Python)",
        f"{PYTHON} {HERE}/peers/aws_kinesis_agg_module.py decode",
        f"{PYTHON} {HERE}/peers/aws_kinesis_agg_module.py encode",
        [*NONE_SHOWN, "tags"],
    ),
    "node": (
        "aws-kinesis-agg 4.2.8 (Node)",
        f"node {HERE}/peers/aws-kinesis-agg-module.js decode",
        f"node {HERE}/peers/aws-kinesis-agg-module.js encode",
        [*NONE_SHOWN, "tags"],
    ),
    "kcl-rs": (
        "kcl-rs 0.1.4",
        f"{os.environ.get('KCL_RS_PYTHON')} {HERE}/peers/kcl_rs_consumer.py",
        None,
        [*NONE_SHOWN, "tags", "hash-key"],
    ),
    "aiokpl": (
        "aiokpl 0.2.0",
        f"{PYTHON} {HERE}/peers/aiokpl_codec.py decode",
        f"{PYTHON} {HERE}/peers/aiokpl_codec.py encode",
        [*NONE_SHOWN, "wrapping"],
    ),
    "async-kinesis": (
        "async-kinesis 3.0.1",
        f"{PYTHON} {HERE}/peers/async_kinesis_module.py decode",
        None,
        [*NONE_SHOWN, "tags", "key", "hash-key"],
    ),
}


def answers_of(peer):
    """Runs a peer. Returns the cases that it fails, grouped by verdict."""
    title, decode, encode, without = PEERS[peer]
    verdicts, status = run.decode(decode, without)
    if status:
        sys.exit(f"{title} ended with exit status {status}")
    answers = {"peer": title, "not_compared": without, "decode": summary(verdicts)}
    if encode:
        answers["encode"] = summary(run.encode(encode, without))
    return answers


def summary(verdicts):
    failed = {}
    for _, case, verdict in verdicts:
        if verdict != "ok":
            failed.setdefault(verdict, []).append(case)
    return {verdict: failed[verdict] for verdict in sorted(failed)}


def recorded(column):
    """Returns the same for a peer's answers that the fixtures recorded."""
    verdicts = []
    for line, case in zip(
        (line for line in fixtures.lines("decode.jsonl") if line["input_hex"]), fixtures.decode_cases()
    ):
        without = [*NONE_SHOWN, "tags", *(["hash-key", "number"] if column == "go" else [])]
        lines = recorded_lines(case, line[column])
        verdicts.append((case["rule"], case["id"], run.judge_decode(case, lines, without)))
    return summary(verdicts)


def recorded_lines(case, answer):
    error = answer.get("error") or answer.get("panic") or answer.get("exception")
    lines = []
    if answer.get("aggregated"):
        for place, record in enumerate(answer.get("records") or []):
            lines.append({
                "aggregated": True,
                "subSequenceNumber": record.get("sub_sequence", place),
                **key_of("partitionKey", record),
                **key_of("explicitHashKey", record),
                "data": base64.b64encode(bytes.fromhex(record["data_hex"])).decode(),
            })  # fmt: skip
    elif not error:
        data = base64.b64encode(bytes.fromhex(case["hex"])).decode()
        lines.append({"aggregated": False, "data": data})
    if error:
        lines.append({"aggregated": False, "reason": "malformed", "error": str(error)})
    return lines


def key_of(name, record):
    """Returns a key in the form that run.py reads. In the fixtures, a key that is not UTF-8 is in hex."""
    recorded_name = {"partitionKey": "partition_key", "explicitHashKey": "explicit_hash_key"}[name]
    if encoded := record.get(f"{recorded_name}_hex"):
        return {f"{name}Base64": base64.b64encode(bytes.fromhex(encoded)).decode()}
    return {name: record.get(recorded_name)}


# --- Tables ---


def rows(side):
    """The cases of each rule, in order; the fixtures are one row."""
    cases = run.decode_cases() if side == "decode" else run.encode_cases()
    rules = {}
    for case in cases:
        rule = "fixtures" if case["rule"].startswith("fixtures") else case["rule"]
        rules.setdefault(rule, []).append(case["id"])
    return rules


def passed_table(side, columns):
    """How many cases of a rule each peer passes."""
    columns = {title: side_of[side] for title, side_of in columns.items() if side in side_of}
    failed = {title: set().union(*verdicts.values()) for title, verdicts in columns.items()}
    yield f"| Rule | Cases | {' | '.join(columns)} |"
    yield "|---" * (2 + len(columns)) + "|"
    rules = rows(side)
    for rule, cases in [*rules.items(), ("all", sum(rules.values(), []))]:
        cells = []
        for title in columns:
            count = sum(case not in failed[title] for case in cases)
            cells.append("all" if count == len(cases) else str(count))
        yield f"| {rule} | {len(cases)} | {' | '.join(cells)} |"


def verdict_table(side, columns):
    """How often each peer gave which wrong answer."""
    columns = {title: side_of[side] for title, side_of in columns.items() if side in side_of}
    verdicts = sorted({verdict for failed in columns.values() for verdict in failed})
    yield f"| Answer instead | {' | '.join(columns)} |"
    yield "|---" * (1 + len(columns)) + "|"
    for verdict in verdicts:
        cells = [str(len(failed.get(verdict, [])) or "") for failed in columns.values()]
        yield f"| {verdict} | {' | '.join(cells)} |"


def recorded_table():
    """What the fixtures recorded of peers that are not run here."""
    columns = {"KCL 3.5.1": recorded("kcl"), "Go c2774b1": recorded("go")}
    cases = len(fixtures.decode_cases())
    yield f"| Answer, of {cases} blobs | {' | '.join(columns)} |"
    yield "|---" * (1 + len(columns)) + "|"
    passed = [str(cases - sum(map(len, failed.values()))) for failed in columns.values()]
    yield f"| as the rules demand | {' | '.join(passed)} |"
    for verdict in sorted({verdict for failed in columns.values() for verdict in failed}):
        cells = [str(len(failed.get(verdict, [])) or "") for failed in columns.values()]
        yield f"| {verdict} | {' | '.join(cells)} |"


def page():
    """Returns PEERS.md with its tables made from the stored answers."""
    kept = [json.loads((HERE / "answers" / f"{peer}.json").read_text()) for peer in PEERS]
    columns = {answers["peer"]: answers for answers in kept}
    parts = [
        "Reading: cases passed.",
        "\n".join(passed_table("decode", columns)),
        "Reading: what happened in the others.",
        "\n".join(verdict_table("decode", columns)),
        "Writing: cases passed.",
        "\n".join(passed_table("encode", columns)),
        "Writing: what happened in the others.",
        "\n".join(verdict_table("encode", columns)),
        "Recorded in `tests/fixtures` of programs that are not run here; Go shows no explicit hash keys.",
        "\n".join(recorded_table()),
    ]
    start, end = MARKS
    text = PAGE.read_text()
    block = f"{start}\n\n" + "\n\n".join(parts) + f"\n\n{end}"
    pattern = re.escape(start) + ".*" + re.escape(end)
    if not re.search(pattern, text, re.DOTALL):
        sys.exit(f"{PAGE.name} has no block for the tables")
    return re.sub(pattern, lambda _: block, text, flags=re.DOTALL)


def main():
    arguments = sys.argv[1:]
    check = "--check" in arguments
    for peer in [argument for argument in arguments if argument != "--check"]:
        path = HERE / "answers" / f"{peer}.json"
        text = json.dumps(answers_of(peer), indent=1) + "\n"
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif path.read_text() != text:
            sys.exit(f"{peer}: answers differ from {path.name}")
        print(f"{peer}: {'unchanged' if check else 'stored'}")
    text = page()
    if not check:
        PAGE.write_text(text)
    elif PAGE.read_text() != text:
        sys.exit(f"the tables in {PAGE.name} differ from the stored answers: run peers.py")


if __name__ == "__main__":
    main()
