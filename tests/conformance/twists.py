"""Changes to a valid message: twists, which keep it valid, and faults, which do not."""

from parts import Fault, Message, Skipped, Value, group, seal, tag, varint

LEVELS = ["top", "record", "tag"]
NESTING = {"top": 0, "record": 1, "tag": 2}
KNOWN = {"top": [(1, 2), (2, 2), (3, 2)], "record": [(1, 0), (2, 0), (3, 2), (4, 2)], "tag": [(1, 2), (2, 2)]}

UNKNOWN_NUMBERS = [5, 6, 15, 16, 1000, (1 << 29) - 1]
VALUES = [
    (0, b"\x01"),
    (0, varint((1 << 64) - 1)),
    (1, b"\x08\x00\x1a\x01x\x1a\x01y"),
    (2, b"\x00"),
    (2, b"\x03\x0a\x01z"),
    (5, b"\x1a\x02ab"),
]
KEYS = [b"", b" ", b"\x00", "\u00fc\u65e5\U0001f511".encode(), b"0", b"10", b"k" * 300]
NOT_UTF8 = [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"a\xf5b", b"\xf4\x90\x80\x80", b"\xe2\x82"]
HASH_KEYS = [b"0", b"+7", b"007", str((1 << 128) - 1).encode(), b"0" * 50 + b"1"]
NOT_HASH_KEYS = [b"", b"-1", b"1e3", b"0x10", b" 1", b"+", b"++1", "\u0661".encode()]
NOT_HASH_KEYS += [str(1 << 128).encode(), b"9" * 60]


def table_order(sketch):
    sketch.parts = sketch.random.shuffled(sketch.parts)


def field_order(sketch):
    for record in sketch.all("record"):
        order = sketch.random.shuffled(record.parts)
        record.parts = order[::-1] if order == record.parts else order


def unknown_field(sketch):
    random = sketch.random
    for level in LEVELS:
        for _ in range(1 + random.below(3)):
            wire_type, value = random.pick(VALUES)
            sketch.insert(level, Skipped(tag(random.pick(UNKNOWN_NUMBERS), wire_type) + value))


def unknown_group(sketch):
    random = sketch.random
    for level in LEVELS:
        values = [random.pick(VALUES) for _ in range(random.below(3))]
        content = b"".join(tag(1 + random.below(6), wire_type) + value for wire_type, value in values)
        content += group(1 + random.below(6), content)
        sketch.insert(level, Skipped(group(1 + random.below(6), content)))


def nesting(sketch):
    level = sketch.random.pick(LEVELS)
    sketch.insert(level, Skipped(group(5, depth=100 - NESTING[level])))


def wire_type(sketch):
    random = sketch.random
    for level in LEVELS:
        number, right = random.pick(KNOWN[level])
        wrong, value = random.pick([pair for pair in VALUES if pair[0] != right])
        sketch.insert(level, Skipped(tag(number, wrong) + value))


def last_wins(sketch):
    for parts in (sketch.any_record().parts, sketch.any_tag().parts):
        value = sketch.random.pick([part for part in parts if isinstance(part, Value)])
        # The first value may be an index outside its table, since it is ignored.
        first = value.value + 99 if isinstance(value.value, int) else value.value + b"!"
        parts.insert(0, Value(value.name, first))


def long_varint(sketch):
    def longer(part):
        if isinstance(part, Value) and part.raw is None:
            return Value(part.name, part.value, random.below(5), random.below(9))
        return part

    random = sketch.random
    sketch.parts = [longer(part) for part in sketch.parts]
    for record in sketch.all("record"):
        record.spare_tag, record.spare_number = random.below(5), random.below(9)
        record.parts = [longer(part) for part in record.parts]


def spare_bits(sketch):
    last_byte = sketch.random.pick([0x02, 0x7E, 0x10])
    raw = b"\x80" * 9 + bytes([last_byte])
    sketch.any_record().parts.append(Value("index", 0, raw=raw))
    sketch.insert("top", Skipped(tag(9, 0) + b"\xff" * 9 + b"\x7f"))


def key_of(values):
    def twist(sketch):
        index = sketch.add_to_table("key", sketch.random.pick(values))
        sketch.parts.append(Message("record", [Value("index", index), Value("data", b"d")]))

    return twist


def hash_key_of(values):
    def twist(sketch):
        index = sketch.add_to_table("hash_key", sketch.random.pick(values))
        sketch.any_record().parts.append(Value("hash_key_index", index))

    return twist


def no_hash_key(sketch):
    sketch.add_to_table("hash_key", b"12345678901234567890")
    sketch.parts.append(Message("record", [Value("index", 0), Value("data", b"none")]))


def record_tags(sketch):
    random = sketch.random
    for record in sketch.all("record"):
        for _ in range(random.below(3)):
            parts = [Value("tag_key", random.pick([b"k", b"", b"\xff"]))]
            if random.below(2):
                parts.append(Value("tag_value", random.pick([b"v", b"", b"\xfe"])))
            tag_of_record = Message("tag", random.shuffled(parts))
            record.parts.insert(random.below(len(record.parts) + 1), tag_of_record)


def zero_records(sketch):
    sketch.parts = [part for part in sketch.parts if part.name != "record"]


def opened_once(sketch):
    blob = seal(b"\x0a\x01k\x1a\x05\x08\x00\x1a\x01x")
    sketch.parts.append(sketch.record(data=blob))


def data_length(sketch):
    length = sketch.random.pick([0, 1, *range(118, 130), 250])
    sketch.parts.append(sketch.record(data=bytes([length]) * length))


TWISTS = {
    "table-order": table_order,
    "field-order": field_order,
    "unknown-field": unknown_field,
    "unknown-group": unknown_group,
    "nesting": nesting,
    "wire-type": wire_type,
    "last-wins": last_wins,
    "long-varint": long_varint,
    "spare-bits": spare_bits,
    "key-text": key_of(KEYS),
    "not-utf8": key_of(NOT_UTF8),
    "hash-key-text": hash_key_of(HASH_KEYS),
    "not-a-hash-key": hash_key_of(NOT_HASH_KEYS + NOT_UTF8),
    "no-hash-key": no_hash_key,
    "tags": record_tags,
    "opened-once": opened_once,
    "data-length": data_length,
    "zero-records": zero_records,
}

TOO_LONG = b"\x80" * 10 + b"\x00"


def faults(random, level):
    """Returns the faults that a field can have at that level, by rule."""
    depth = 100 - NESTING[level]
    number = random.pick(UNKNOWN_NUMBERS)
    known = 1 + random.below(2 if level == "tag" else 3)
    start = tag(number, 3)
    return {
        "varint-too-long": [
            Fault("varint_too_long", tag(number, 0) + TOO_LONG),
            Fault("varint_too_long", tag(number, 2) + TOO_LONG),
            Fault("varint_too_long", start + tag(number, 0) + TOO_LONG, len(start)),
        ],
        "tag-too-long": [
            Fault("varint_too_long", varint(known << 3 | 2, 5)),
            Fault("invalid_tag", varint((1 << 29) << 3 | 2) + b"\x00"),
            Fault("invalid_tag", b"\xff\xff\xff\xff\x7d"),
            Fault("invalid_tag", start + varint(1 << 34 | 48), len(start)),
        ],
        "length": [
            Fault("length", tag(known, 2) + varint((1 << 31) - 1)),
            Fault("length", tag(number, 2) + varint(1 << 32)),
            Fault("length", tag(known, 2) + varint((1 << 32) + 1)),
            Fault("length", tag(number, 2) + varint((1 << 64) - 1)),
            Fault("length", start + tag(known, 2) + varint(1 << 31), len(start)),
        ],
        "length-by-one": [Fault("length", tag(known, 2) + b"\x04abc")],
        "field-number-0": [
            Fault("invalid_tag", b"\x00\x00"),
            Fault("invalid_tag", b"\x02\x00"),
            Fault("invalid_tag", b"\x82\x00\x00"),
            Fault("invalid_tag", b"\x2b\x00\x00\x2c", 1),
        ],
        "wire-type-6-7": [
            Fault("invalid_tag", tag(known, 6)),
            Fault("invalid_tag", tag(number, 7)),
            Fault("invalid_tag", start + tag(known, 7), len(start)),
        ],
        "end-group": [
            Fault("end_group", tag(known, 4)),
            Fault("end_group", tag(number, 4)),
            Fault("end_group", b"\x33\x2c", 1),
            Fault("end_group", group(6) + b"\x34", 2),
            Fault("end_group", b"\x2b\x33\x2c\x34", 2),
        ],
        "truncated": [
            Fault("truncated", b"\x80", Fault.END),
            Fault("truncated", tag(number, 0), Fault.END),
            Fault("truncated", tag(known, 2), Fault.END),
            Fault("truncated", tag(known, 2) + b"\xff", Fault.END),
            Fault("truncated", tag(number, 0) + b"\xff" * 9, Fault.END),
            Fault("truncated", tag(known, 1) + b"1234567", Fault.END),
            Fault("truncated", tag(known, 5) + b"123", Fault.END),
            Fault("truncated", tag(known, 3), Fault.END),
            Fault("truncated", group(5) + start + b"\x28\x01", Fault.END),
        ],
        "nesting-too-deep": [
            Fault("nesting", group(5, depth=depth + 1), depth),
            Fault("nesting", tag(5, 3) * (depth + 1), depth),
        ],
    }


# These must be last in their message: before another field, they would be other faults.
LAST_IN_MESSAGE = ["truncated", "length-by-one"]


def fault(rule, number):
    """Returns a change that inserts one of the faults of a rule."""

    def twist(sketch):
        level = LEVELS[number % len(LEVELS)]
        choice = faults(sketch.random, level)[rule]
        part = choice[number // len(LEVELS) % len(choice)]
        if rule in LAST_IN_MESSAGE:
            sketch.level(level).append(part)
        else:
            sketch.insert(level, part)

    return twist


def without(name):
    """Returns a change that omits a required field."""

    def twist(sketch):
        random = sketch.random
        parts = sketch.any_tag().parts if name == "tag_key" else sketch.any_record().parts
        parts[:] = [part for part in parts if part.name != name]
        if random.below(2):  # A field of the wrong wire type does not replace it.
            number, right = Value.FIELDS[name]
            wrong, value = random.pick([pair for pair in VALUES if pair[0] != right])
            parts.append(Skipped(tag(number, wrong) + value))

    return twist


def index_outside(table, field):
    """Returns a change that adds an index outside its table."""

    def twist(sketch):
        count = len(sketch.all(table))
        choice = [count, count + 1, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1]
        sketch.any_record().parts.append(Value(field, sketch.random.pick(choice)))

    return twist


def fault_counts(random):
    """Returns how many cases are needed for every fault at every level, by rule."""
    return {rule: len(LEVELS) * len(choice) for rule, choice in faults(random, "top").items()}


OMISSIONS = {
    "missing-index": without("index"),
    "missing-data": without("data"),
    "missing-tag-key": without("tag_key"),
    "key-index": index_outside("key", "index"),
    "hash-key-index": index_outside("hash_key", "hash_key_index"),
}
