"""Tests our command line tool against AWS's Python and Node modules, in both directions.

check.py TOOL TWIN PYTHON NODE: paths of the programs. TWIN is the example
lambda_kinesis, our port of the Python module's sample function. NODE finds its module
through NODE_PATH.
"""

import base64
import json
import pathlib
import subprocess
import sys

TOOL, TWIN, PYTHON, NODE = sys.argv[1:]
HERE = pathlib.Path(__file__).parent
CASES = 300


class Random:
    """SplitMix64, the generator of the fixtures."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return (z ^ (z >> 31)) % bound

    def pick(self, items):
        return items[self.below(len(items))]


# The kinds of cases. Each known fault of the modules has a kind of its own.
KINDS = [
    "keys",
    "explicit hash keys",
    "some explicit hash keys",
    "unicode keys",
    "integer keys",
    "small explicit hash keys",
    "many",
]


def case(number):
    random = Random(number)
    kind = KINDS[number % len(KINDS)]
    count = 200 + random.below(200) if kind == "many" else 1 + random.below(12)
    records = []
    for _ in range(count):
        n = random.below(7)
        key = {
            "unicode keys": f"schl\u00fcssel-{n}-\u65e5\u672c-\U0001f511",
            "integer keys": str((n * 7919) % 23),
        }.get(kind, f"key-{n}")
        hash_key = None
        if kind == "explicit hash keys" or kind == "some explicit hash keys" and n % 2:
            # Too large for JavaScript to treat as an array index.
            hash_key = str((1 + random.below(5)) * 18446744073709551617)
        if kind == "small explicit hash keys":
            hash_key = str(random.below(50))
        length = random.pick([0, 1, 5, 127, 128, 300])
        data = bytes(random.below(256) for _ in range(length))
        records.append(
            {
                "partitionKey": key,
                "explicitHashKey": hash_key,
                "data": base64.b64encode(data).decode(),
            }
        )
    return kind, records


class Peer:
    def __init__(self, *command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, **asked):
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def tool(*args, lines):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    ended = subprocess.run([TOOL, *args], input=text, text=True, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return [json.loads(line) for line in ended.stdout.splitlines()]


def event_record(data):
    number = "49581544954143914480256700934210366840104395343224897586"
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "outer",
            "sequenceNumber": number,
            "data": data,
            "approximateArrivalTimestamp": 1518133507.063,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000003:{number}",
        "awsRegion": "us-east-1",
    }


def ours(data):
    """Returns the event output of our tool, and the user records in it."""
    lines = tool("deaggregate", "--to", "event", lines=[event_record(data)])
    for place, line in enumerate(lines):
        assert line["kinesis"]["subSequenceNumber"] == place
    return lines, plain(line["kinesis"] for line in lines)


def plain(records, hash_key="explicitHashKey"):
    names = ("partitionKey", hash_key, "data")
    return [tuple(record.get(name) for name in names) for record in records]


def invents(records):
    """Returns what Python and Node read.

    If only some user records have an explicit hash key, they give the first one in the
    table to the others.
    """
    hash_keys = [hash_key for _, hash_key, _ in records if hash_key is not None]
    first = hash_keys[0] if hash_keys else None
    return [(key, hash_key or first, data) for key, hash_key, data in records]


def reorders(keys):
    """Maps keys to keys in JavaScript's order of properties: integers first, by value."""
    first_use = list(dict.fromkeys(key for key in keys if key is not None))
    integers = [key for key in first_use if key.isdigit() and int(key) < 2**32 - 1]
    others = [key for key in first_use if key not in integers]
    return dict(zip(first_use, sorted(integers, key=int) + others))


def rekeys(records):
    """Returns what Node writes: indices in order of first use, tables in JavaScript's."""
    keys = reorders(key for key, _, _ in records)
    hash_keys = reorders(hash_key for _, hash_key, _ in records)
    return [(keys[key], hash_keys.get(hash_key), data) for key, hash_key, data in records]


python = Peer(PYTHON, str(HERE / "peer.py"))
node = Peer(NODE, str(HERE / "peer.js"))
passed = 0
seen = dict.fromkeys(["invents", "rekeys"], 0)


def check(what, number, got, expected):
    global passed
    if got != expected:
        kind = KINDS[number % len(KINDS)]
        sys.exit(f"case {number} ({kind}), {what}: got {got}, expected {expected}")
    passed += 1


for number in range(CASES):
    kind, given = case(number)
    records = plain(given)
    [aggregate] = tool("aggregate", lines=given)
    events, read = ours(aggregate["data"])
    check("ours to ours", number, read, records)

    # They read our bytes. Both invent explicit hash keys that our bytes do not have.
    yielded = python(decode=[event_record(aggregate["data"])])
    check("ours to Python", number, plain(r["kinesis"] for r in yielded), invents(records))
    if invents(records) != records:
        seen["invents"] += 1
    else:
        check("our event output and Python's", number, events, yielded)
    yielded = node(decode=[event_record(aggregate["data"])])
    # Node returns undefined if there is no explicit hash key.
    check("ours to Node", number, plain(yielded, "explicitPartitionKey"), invents(records))

    # We read their bytes, which equal ours unless Node writes wrong keys.
    theirs = python(encode=given)
    check("Python's bytes", number, theirs, aggregate["data"])
    check("Python to ours", number, ours(theirs)[1], records)
    theirs = node(encode=given)
    written = rekeys(records)
    check("Node to ours", number, ours(theirs)[1], written)
    if written != records:
        seen["rekeys"] += 1
        # The fault is not in our reader: Python reads the same wrong keys from Node's bytes.
        read = plain(r["kinesis"] for r in python(decode=[event_record(theirs)]))
        check("Node to Python", number, read, invents(written))
    else:
        check("Node's bytes", number, theirs, aggregate["data"])

# Our port of the Python module's sample function, with the events of the fixtures.
fixtures = json.loads((HERE / "../fixtures/events.json").read_text())
samples = [case["event"] for case in fixtures["events"] if "Records" in case["event"]]
samples.append({"Records": [c["record"] for c in fixtures["records"] if "kinesis" in c["record"]]})
assert len(samples) == 2
for number, sample in enumerate(samples):
    path = pathlib.Path(TWIN + ".json")
    path.write_text(json.dumps(sample))
    *lines, answer, words = subprocess.check_output([TWIN, path], text=True).splitlines()
    yielded = python(decode=sample["Records"])
    check("the ported function's output", number, [json.loads(line) for line in lines], yielded)
    check("the lazy handler's response", number, json.loads(answer), {"batchItemFailures": []})
    expected = f"Successfully processed {len(yielded)} records."
    check("the bulk handler's response", number, words, expected)

# Within 20 bytes of 1 MiB, Python returns an aggregate without user records and loses
# the user record. Our tool reports that it is too large.
OVERHEAD = 33
for length, is_lost in [((1 << 20) - OVERHEAD - 1, False), ((1 << 20) - OVERHEAD + 1, True)]:
    check("Python near 1 MiB", 0, python(push=length), [0] if is_lost else [1])
    data = base64.b64encode(bytes(length)).decode()
    line = json.dumps({"partitionKey": "k", "data": data})
    ended = subprocess.run([TOOL, "aggregate"], input=line, text=True, capture_output=True)
    check("ours near 1 MiB", 0, ended.returncode, 1 if is_lost else 0)
    check("ours near 1 MiB", 0, len(ended.stdout.splitlines()), 0 if is_lost else 1)
    check("ours near 1 MiB", 0, "the limit is" in ended.stderr, is_lost)

# Node counts the UTF-16 code units of a key, but the service counts its bytes.
key = "\u00fc" * 256
length = (1 << 20) - 300
check("Node's UTF-16 units", 0, node(push={"key": key, "length": length}) > 1 << 20, True)
line = json.dumps({"partitionKey": key, "data": base64.b64encode(bytes(length)).decode()})
ended = subprocess.run([TOOL, "aggregate"], input=line, text=True, capture_output=True)
check("our bytes", 0, (ended.returncode, "the limit is" in ended.stderr), (1, True))

for fault, count in seen.items():
    assert count > 10, (fault, count)
print(f"{CASES} inputs: Python and Node invented explicit hash keys in {seen['invents']},")
print(f"and Node wrote wrong keys in {seen['rekeys']}; our tool did neither")
print(f"interop: {passed} passed, 0 failed")
