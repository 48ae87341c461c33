"""Generates the case files of the conformance suite.

`generate.py` writes `cases/`; `generate.py --check` fails if a file there differs. The
same seed gives the same bytes. The generator derives the outcome of a case from the parts
that it built the message from (`parts.py`), and `law.py`, which sees only the bytes, must
come to the same outcome. For the rule `mutated`, only `law.py` determines the outcome.
"""

import itertools
import json
import pathlib
import sys

import law
from parts import MAGIC, Message, Random, Sketch, Value, encoded, outcome, seal
from run import data_of, short
from twists import LAST_IN_MESSAGE, OMISSIONS, TWISTS, fault, fault_counts

CASES = pathlib.Path(__file__).parent / "cases"


class Numbered:
    """Makes cases, and numbers them within their rules."""

    def __init__(self):
        self.counts = {}

    def __call__(self, rule, also=(), **fields):
        number = self.counts[rule] = self.counts.get(rule, 0) + 1
        also = {"also": also} if also else {}
        return {"id": f"{rule}/{number}", "rule": rule, **also, **fields}


def decode_case(case, rule, blob, expected, also=()):
    found = law.decode(blob)
    if found != expected:
        sys.exit(f"{rule} {also}: the parts demand {expected}, law.py found {found}: {blob.hex()}")
    return case(rule, also, hex=blob.hex(), **expected)


def decode_cases():
    case = Numbered()
    yield from frames(case)
    yield from twisted_messages(case)
    yield from many_keys(case)
    yield from mutated(case)


def twisted_messages(case):
    def twisted(rule, twists, also=(), seed=0):
        sketch = Sketch(Random(rule, also, seed))
        for twist in twists:
            twist(sketch)
        return decode_case(case, rule, seal(encoded(sketch.parts)), outcome(sketch.parts), also)

    for rule, twist in TWISTS.items():
        for seed in range(8):
            yield twisted(rule, [twist], seed=seed)
    for one, two in itertools.combinations(TWISTS, 2):
        order = [two, one] if one in ("table-order", "field-order") else [one, two]
        yield twisted(two, [TWISTS[rule] for rule in order], [one])
    fault_rules = fault_counts(Random())
    for rule, count in fault_rules.items():
        for number in range(count):
            yield twisted(rule, [fault(rule, number)], seed=number)
        for number, (name, twist) in enumerate(TWISTS.items()):
            yield twisted(rule, [twist, fault(rule, number)], [name])
    for rule, omission in OMISSIONS.items():
        for seed in range(12):
            yield twisted(rule, [omission], seed=seed)
        for name, twist in TWISTS.items():
            yield twisted(rule, [twist, omission], [name])
    for number, pair in enumerate(itertools.combinations([*fault_rules, *OMISSIONS], 2)):
        if set(pair) <= set(LAST_IN_MESSAGE):
            continue
        order = sorted(pair, key=lambda rule: rule in LAST_IN_MESSAGE)
        twists = [OMISSIONS.get(rule) or fault(rule, number) for rule in order]
        yield twisted("first-fault", twists, list(pair))


def frames(case):
    def plain(rule, reason, blob):
        return decode_case(case, rule, blob, {"plain": reason})

    def valid(*seed):
        return bytearray(seal(encoded(Sketch(Random(*seed)).parts)))

    for blob in [b"{}", MAGIC[:1], MAGIC[:2], MAGIC[:3], MAGIC[::-1] + bytes(40)]:
        yield plain("no-magic", "no_magic", blob)
    yield plain("no-magic", "no_magic", b"\x00" + valid("behind another byte"))
    for bit in range(8 * len(MAGIC)):
        blob = valid("no-magic", bit)
        blob[bit // 8] ^= 1 << bit % 8
        yield plain("no-magic", "no_magic", bytes(blob))
    for length in range(17):
        yield plain("too-short", "too_short", MAGIC + Random("too-short", length).bytes(length))
    yield plain("too-short", "too_short", seal(b""))
    for number in range(40):
        blob = valid("digest", number)
        bit = 8 * len(MAGIC) + Random("bit", number).below(8 * (len(blob) - len(MAGIC)))
        blob[bit // 8] ^= 1 << bit % 8
        yield plain("digest", "digest_mismatch", bytes(blob))
    for number in range(10):
        random, blob = Random("length", number), bytes(valid("cut", number))
        yield plain("digest", "digest_mismatch", blob[: 21 + random.below(len(blob) - 21)])
        yield plain("digest", "digest_mismatch", blob + random.bytes(1 + random.below(4)))
        yield plain("digest", "digest_mismatch", MAGIC + random.bytes(17 + random.below(40)))


def many_keys(case):
    """Makes key tables so long that an index takes two bytes."""
    for number, count in enumerate([127, 128, 129, 140, 300]):
        random = Random("many-keys", number)
        parts = [Value("key", b"%x" % n) for n in range(count)]
        parts += [Value("hash_key", b"%d" % n) for n in range(count)]
        for index in [0, count - 1, 126, 0, *(random.below(count) for _ in range(6))]:
            record = Message("record", [Value("index", index), Value("data", b"d")])
            if random.below(2):
                record.parts.insert(1, Value("hash_key_index", count - 1 - index))
            parts.append(record)
        yield decode_case(case, "many-keys", seal(encoded(parts)), outcome(parts))


def mutated(case):
    """Makes messages with bytes changed, removed, doubled or inserted."""
    names = list(TWISTS)
    for number in range(400):
        random = Random("mutated", number)
        sketch = Sketch(random)
        for _ in range(random.below(3)):
            TWISTS[random.pick(names)](sketch)
        message = bytearray(encoded(sketch.parts))
        for _ in range(1 + random.below(2)):
            place, how = random.below(len(message)), random.below(4)
            if how == 0:
                message[place] ^= 1 << random.below(8)
            elif how == 1:
                del message[place : place + 1 + random.below(3)]
            elif how == 2:
                message[place:place] = message[place : place + 1 + random.below(8)]
            else:
                message[place:place] = random.bytes(1)
        blob = seal(bytes(message))
        yield decode_case(case, "mutated", blob, law.decode(blob))


def encode_cases():
    case = Numbered()
    for rule, *user_records in written():
        given = [(key, hash_key, data_of(data)) for key, hash_key, data in user_records]
        try:
            aggregates = [[key, hash_key, short(blob)] for key, hash_key, blob in law.encode(given)]
            expected = {"aggregates": aggregates}
        except law.Rejected as rejected:
            expected = {"rejected": rejected.args[0]}
        yield case(rule, user_records=user_records, **expected)


def written():
    """Yields rules and the user records to write for each."""
    for number in range(40):
        random = Random("keys-once", number)
        keys = [f"key-{n}" for n in range(1 + random.below(5))]
        hash_keys = [None, *(str(n << 64) for n in range(random.below(4)))]
        count = 1 + random.below(12)
        yield "keys-once", *(
            (random.pick(keys), random.pick(hash_keys), random.bytes(random.below(8)).hex())
            for _ in range(count)
        )
    for number in range(12):
        random = Random("integer-keys", number)
        keys = [str(random.below(30)) for _ in range(6)]
        yield "integer-keys", *((random.pick(keys), None, f"{n:02x}") for n in range(8))
        yield "integer-keys", *(("k", random.pick(keys), f"{n:02x}") for n in range(6))
    for key in ["__proto__", "constructor", " ", "\0", "\u00fc", "\u65e5\u672c", "\U0001f511", "e\u0301"]:
        yield "key-text", (key, None, "01"), ("b", None, "02"), (key, None, "03")
    for text in ["0", "7", "007", "+7", " 7", "7\t", "\n +07 ", str((1 << 128) - 1)]:
        yield "hash-key-text", ("a", text, "01"), ("b", None, "02")
    not_hash_keys = ["", " ", "+", "-1", "-0", "++1", "1 2", "0x1", "1e3", "\u0667"]
    for text in [*not_hash_keys, str(1 << 128), "9" * 60]:
        yield "not-a-hash-key", ("a", None, "01"), ("b", text, "02")
    for key in ["k" * 256, "\u65e5" * 256, "\U0001f511" * 128]:
        yield "key-length", (key, None, "01")
    for key in ["", "k" * 257, "\u65e5" * 257, "\U0001f511" * 129]:
        yield "key-length", ("a", None, "01"), (key, None, "02")
    for length in [0, 1, *range(118, 129), 16379, 16383, 16384, 70000]:
        yield "data-length", ("a", None, [7, length]), ("b", "1", [8, length])
    yield "empty-data", ("a", None, "")
    yield "empty-data", ("a", "5", ""), ("a", "5", "")
    for key in ["k", "\u00fc" * 256]:
        # The size of a Kinesis record with one user record, without the data: the frame, the
        # key in the table and as the outer key, and the heads of all fields.
        length = len(key.encode())
        rest = 20 + len(law._len_field(1, key.encode())) + length + 4 + 2 + 4
        for data_len in [law.DEFAULT_MAX_SIZE - rest + over for over in (-1, 0, 1)]:
            yield "size", (key, None, [0, data_len])
            yield "size", (key, None, [0, data_len // 2]), (key, None, [0, data_len - data_len // 2 - 10])


def main():
    stale = []
    for name, cases in [("decode.jsonl", decode_cases()), ("encode.jsonl", encode_cases())]:
        text = "".join(json.dumps(case, separators=(",", ":")) + "\n" for case in cases)
        path = CASES / name
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text() != text:
                stale.append(name)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        print(f"{name}: {text.count(chr(10))} cases, {len(text)} bytes")
    if stale:
        sys.exit(f"differs from what generate.py makes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
