"""Messages built from parts, and what a reader must return for them.

Nothing here parses bytes: the expected outcome is derived from the parts.
"""

import hashlib

MAGIC = bytes.fromhex("f3899ac2")
SEED = 1


class Random:
    """SplitMix64, so that the cases do not depend on a version of Python."""

    def __init__(self, *seed):
        digest = hashlib.md5(repr((SEED, *seed)).encode()).digest()
        self.state = int.from_bytes(digest[:8], "big")

    def below(self, bound):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return (z ^ (z >> 31)) % bound

    def pick(self, items):
        return items[self.below(len(items))]

    def bytes(self, count):
        return bytes(self.below(256) for _ in range(count))

    def shuffled(self, items):
        return sorted(items, key=lambda _: self.below(1 << 30))


def varint(value, spare_len=0):
    """Returns a varint that is `spare_len` bytes longer than it has to be."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    groups += [0] * spare_len
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def tag(number, wire_type):
    return varint(number << 3 | wire_type)


def group(number, content=b"", depth=1):
    return tag(number, 3) * depth + content + tag(number, 4) * depth


def seal(message):
    """Returns the blob of a message."""
    return MAGIC + message + hashlib.md5(message).digest()


class Skipped:
    """A field that a reader skips."""

    name = None

    def __init__(self, encoded):
        self.encoded = encoded


class Fault(Skipped):
    """Malformed bytes. The offset of the fault is `place` bytes into them, or the end of the
    enclosing message."""

    END = -1

    def __init__(self, kind, encoded, place=0):
        super().__init__(encoded)
        self.kind, self.place = kind, place


class Value:
    """A field that holds bytes or a number."""

    FIELDS = {
        "key": (1, 2),
        "hash_key": (2, 2),
        "index": (1, 0),
        "hash_key_index": (2, 0),
        "data": (3, 2),
        "tag_key": (1, 2),
        "tag_value": (2, 2),
    }

    def __init__(self, name, value, spare_tag=0, spare_number=0, raw=None):
        """`raw` holds the encoded bytes of the number."""
        number, wire_type = self.FIELDS[name]
        self.name, self.value, self.raw = name, value, raw
        self.encoded = varint(number << 3 | wire_type, spare_tag)
        if wire_type == 2:
            self.encoded += varint(len(value), spare_number) + value
        else:
            self.encoded += raw or varint(value, spare_number)


class Message:
    """A message inside another: a record, or a tag of a record."""

    NUMBERS = {"record": 3, "tag": 4}
    REQUIRED = {"record": ["index", "data"], "tag": ["tag_key"]}

    def __init__(self, name, parts):
        self.name, self.parts = name, list(parts)
        self.spare_tag = self.spare_number = 0

    @property
    def head(self):
        length = varint(len(encoded(self.parts)), self.spare_number)
        return varint(self.NUMBERS[self.name] << 3 | 2, self.spare_tag) + length

    @property
    def encoded(self):
        return self.head + encoded(self.parts)


def encoded(parts):
    return b"".join(part.encoded for part in parts)


class Found(Exception):
    """The fault that a reader has to report: kind and offset."""


def outcome(parts):
    """Returns what a reader must return for the blob of these parts, as the case files write it."""
    try:
        message = _meaning(parts, len(MAGIC))
        return {"user_records": _user_records(message)}
    except Found as found:
        kind, offset = found.args
        return {"malformed": kind, "offset": offset}


def _meaning(parts, at):
    """Returns the values of a message that starts at this offset, in order and by name,
    each with the offset of its field."""
    end = at + len(encoded(parts))
    values = {}
    for part in parts:
        if isinstance(part, Fault):
            raise Found(part.kind, end if part.place == Fault.END else at + part.place)
        if isinstance(part, Value):
            values.setdefault(part.name, []).append((part.value, at))
        if isinstance(part, Message):
            inner = _meaning(part.parts, at + len(part.head))
            if not set(part.REQUIRED[part.name]) <= set(inner):
                raise Found("missing_field", at)
            values.setdefault(part.name, []).append((inner, at))
        at += len(part.encoded)
    return values


def _user_records(message):
    user_records = []
    for record, _ in message.get("record", []):
        key = _entry(message, "key", *_last(record, "index"))
        hash_key = _entry(message, "hash_key", *_last(record, "hash_key_index"))
        tags = [
            [_hex(_last(values, "tag_key")[0]), _hex(_last(values, "tag_value")[0])]
            for values, _ in record.get("tag", [])
        ]
        user_records.append([key, hash_key, _hex(_last(record, "data")[0]), tags])
    return user_records


def _last(values, name):
    return values.get(name, [(None, None)])[-1]


def _entry(message, table, index, offset):
    entries = message.get(table, [])
    if index is None:
        return None
    if index >= len(entries):
        raise Found(f"{table}_index", offset)
    return _hex(entries[index][0])


def _hex(value):
    return None if value is None else value.hex()


class Sketch:
    """A message that is being generated. It starts valid, in the KPL's order."""

    def __init__(self, random):
        self.random = random
        keys = [Value("key", b"key-%d" % n) for n in range(1 + random.below(3))]
        hash_keys = [Value("hash_key", b"%d" % random.below(1 << 60)) for _ in range(random.below(3))]
        self.parts = keys + hash_keys
        self.parts += [self.record() for _ in range(1 + random.below(4))]

    def all(self, name):
        return [part for part in self.parts if part.name == name]

    def record(self, data=None):
        random, hash_key_count = self.random, len(self.all("hash_key"))
        parts = [Value("index", random.below(len(self.all("key"))))]
        if hash_key_count and random.below(3):
            parts.append(Value("hash_key_index", random.below(hash_key_count)))
        parts.append(Value("data", random.bytes(random.below(6)) if data is None else data))
        return Message("record", parts)

    def any_record(self):
        """Returns a record of the message, which gets one if it has none."""
        if not self.all("record"):
            self.parts.append(self.record())
        return self.random.pick(self.all("record"))

    def any_tag(self):
        """Returns a tag of a record, which gets one if it has none."""
        record = self.any_record()
        tags = [part for part in record.parts if part.name == "tag"]
        if not tags:
            tags = [Message("tag", [Value("tag_key", b"t"), Value("tag_value", b"v")])]
            record.parts.append(tags[0])
        return self.random.pick(tags)

    def level(self, name):
        """Returns the parts of a message of that level."""
        if name == "top":
            return self.parts
        return self.any_record().parts if name == "record" else self.any_tag().parts

    def insert(self, level, part):
        parts = self.level(level)
        parts.insert(self.random.below(len(parts) + 1), part)

    def add_to_table(self, table, value):
        """Adds a key to a table and returns its index."""
        index = len(self.all(table))
        tables = [place for place, part in enumerate(self.parts) if part.name in (table, "key")]
        self.parts.insert(max(tables, default=-1) + 1, Value(table, value))
        return index
