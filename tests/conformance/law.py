"""The rules of the format in plain Python.

`decode(blob)` returns what a reader must return for a blob, `encode(user_records)` what a
writer must write for user records. It is slow and has no dependencies. It was written from
the rules and shares no code with the crates or with `generate.py`, so that an error in any
of them causes a difference.
"""

import hashlib

MAGIC = bytes.fromhex("f3899ac2")
DIGEST_LEN = 16
MAX_NESTING = 100
MAX_VARINT_LEN = 10
MAX_TAG_LEN = 5
DEFAULT_MAX_SIZE = 1 << 20
MAX_PARTITION_KEY_UTF16_LEN = 256

VARINT, FIXED64, LEN, START_GROUP, END_GROUP, FIXED32 = range(6)


class Malformed(Exception):
    """A fault of the message: its kind, and its offset in the blob."""

    def __init__(self, kind, offset):
        super().__init__(f"{kind} at byte {offset}")
        self.kind, self.offset = kind, offset


def decode(blob):
    """The outcome for a blob, as the case files write it.

    {"plain": REASON}, {"malformed": KIND, "offset": BYTES} or {"user_records": [...]},
    where a user record is [partition key, explicit hash key or null, data, tags], all
    in hex, and a tag is [key, value or null].
    """
    if not blob.startswith(MAGIC):
        return {"plain": "no_magic"}
    if len(blob) <= len(MAGIC) + DIGEST_LEN:
        return {"plain": "too_short"}
    end = len(blob) - DIGEST_LEN
    if hashlib.md5(blob[len(MAGIC) : end]).digest() != blob[end:]:
        return {"plain": "digest_mismatch"}
    try:
        return {"user_records": _user_records(blob, len(MAGIC), end)}
    except Malformed as fault:
        return {"malformed": fault.kind, "offset": fault.offset}


def _user_records(blob, start, end):
    partition_keys, hash_keys, records = [], [], []
    for tag_offset, number, wire_type, value in _fields(blob, start, end, nesting=0):
        if wire_type != LEN:
            continue  # A field with another wire type is unknown, even if its number is known.
        if number == 1:
            partition_keys.append(blob[slice(*value)])
        elif number == 2:
            hash_keys.append(blob[slice(*value)])
        elif number == 3:
            records.append(_record(blob, tag_offset, *value))
    # All structural faults come before all index faults.
    return [_user_record(record, partition_keys, hash_keys) for record in records]


def _record(blob, record_offset, start, end):
    index = hash_key_index = data = None
    tags = []
    for tag_offset, number, wire_type, value in _fields(blob, start, end, nesting=1):
        if (number, wire_type) == (1, VARINT):
            index = (value, tag_offset)
        elif (number, wire_type) == (2, VARINT):
            hash_key_index = (value, tag_offset)
        elif (number, wire_type) == (3, LEN):
            data = blob[slice(*value)]
        elif (number, wire_type) == (4, LEN):
            tags.append(_tag(blob, tag_offset, *value))
    if index is None or data is None:
        raise Malformed("missing_field", record_offset)
    return index, hash_key_index, data, tags


def _tag(blob, tag_field_offset, start, end):
    key = value = None
    for _, number, wire_type, span in _fields(blob, start, end, nesting=2):
        if (number, wire_type) == (1, LEN):
            key = blob[slice(*span)].hex()
        elif (number, wire_type) == (2, LEN):
            value = blob[slice(*span)].hex()
    if key is None:
        raise Malformed("missing_field", tag_field_offset)
    return [key, value]


def _user_record(record, partition_keys, hash_keys):
    (index, index_offset), hash_key_index, data, tags = record
    if index >= len(partition_keys):
        raise Malformed("key_index", index_offset)
    hash_key = None
    if hash_key_index is not None:
        index_of_hash_key, offset = hash_key_index
        if index_of_hash_key >= len(hash_keys):
            raise Malformed("hash_key_index", offset)
        hash_key = hash_keys[index_of_hash_key].hex()
    return [partition_keys[index].hex(), hash_key, data.hex(), tags]


def _fields(blob, at, end, nesting):
    """The fields of one message: offset of the tag, number, wire type, value.

    The value is a number for a varint, start and end for a length-delimited field, and
    None for what is skipped. `nesting` counts the messages around it.
    """
    while at < end:
        tag_offset = at
        number, wire_type, at = _tag_of_field(blob, at, end)
        value, at = _value(blob, tag_offset, number, wire_type, at, end, nesting)
        yield tag_offset, number, wire_type, value


def _value(blob, tag_offset, number, wire_type, at, end, nesting):
    if wire_type == VARINT:
        value, at = _varint(blob, tag_offset, at, end, MAX_VARINT_LEN)
        return value & (1 << 64) - 1, at  # Spare bits of the tenth byte are dropped.
    if wire_type == LEN:
        length, at = _varint(blob, tag_offset, at, end, MAX_VARINT_LEN)
        if length > end - at:  # Includes lengths of more than 32 bits: no blob is so long.
            raise Malformed("length", tag_offset)
        return (at, at + length), at + length
    if wire_type in (FIXED64, FIXED32):
        at += 8 if wire_type == FIXED64 else 4
        if at > end:
            raise Malformed("truncated", end)
        return None, at
    if wire_type == START_GROUP:
        return None, _skip_group(blob, tag_offset, number, at, end, nesting)
    raise Malformed("end_group", tag_offset)


def _skip_group(blob, tag_offset, number, at, end, nesting):
    """The end of the group that starts with this tag."""
    open_groups = [number]
    if nesting + len(open_groups) > MAX_NESTING:
        raise Malformed("nesting", tag_offset)
    while open_groups:
        if at == end:
            raise Malformed("truncated", end)
        tag_offset = at
        number, wire_type, at = _tag_of_field(blob, at, end)
        if wire_type == START_GROUP:
            open_groups.append(number)
            if nesting + len(open_groups) > MAX_NESTING:
                raise Malformed("nesting", tag_offset)
        elif wire_type == END_GROUP:
            if open_groups.pop() != number:
                raise Malformed("end_group", tag_offset)
        else:
            _, at = _value(blob, tag_offset, number, wire_type, at, end, nesting)
    return at


def _tag_of_field(blob, at, end):
    tag, after = _varint(blob, at, at, end, MAX_TAG_LEN)
    number, wire_type = tag >> 3, tag & 7
    if tag >= 1 << 32 or number == 0 or wire_type > FIXED32:
        raise Malformed("invalid_tag", at)
    return number, wire_type, after


def _varint(blob, tag_offset, at, end, max_len):
    value = 0
    for place in range(max_len):
        if at == end:
            raise Malformed("truncated", end)
        byte = blob[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at
    raise Malformed("varint_too_long", tag_offset)


class Rejected(Exception):
    """A user record that no aggregate may hold."""


def encode(user_records, max_size=DEFAULT_MAX_SIZE):
    """The aggregates for user records (partition key, explicit hash key or None, data):
    (outer partition key, outer explicit hash key or None, blob) each, in order.

    Each user record joins the aggregate before it if that then fits `max_size`. Raises
    `Rejected` for the first user record that could never be written.
    """
    aggregates, together, sum_of_sizes = [], [], 0
    for number, (partition_key, hash_key, data) in enumerate(user_records):
        user_record = (partition_key, _hash_key(number, hash_key), data)
        utf16_len = len(partition_key.encode("utf-16-le")) // 2
        if not 1 <= utf16_len <= MAX_PARTITION_KEY_UTF16_LEN:
            raise Rejected(number)
        alone = _size([user_record])
        if alone > max_size:
            raise Rejected(number)
        # An aggregate is never larger than the sum of its user records alone: below the limit,
        # there is no need to compute its exact size.
        sum_of_sizes += alone
        if sum_of_sizes > max_size and together and _size([*together, user_record]) > max_size:
            aggregates.append(together)
            together, sum_of_sizes = [], alone
        together.append(user_record)
    if together:
        aggregates.append(together)
    return [(records[0][0], records[0][1], _seal(records)) for records in aggregates]


def _hash_key(number, text):
    if text is None:
        return None
    digits = text.strip(" \t\n\r\f").removeprefix("+")
    if not (digits and set(digits) <= set("0123456789")) or int(digits) >= 1 << 128:
        raise Rejected(number)
    return str(int(digits))


def _size(user_records):
    return len(_seal(user_records)) + len(user_records[0][0].encode())


def _seal(user_records):
    keys = list(dict.fromkeys(key for key, _, _ in user_records))
    hash_keys = list(dict.fromkeys(key for _, key, _ in user_records if key is not None))
    message = b"".join(_len_field(1, key.encode()) for key in keys)
    message += b"".join(_len_field(2, key.encode()) for key in hash_keys)
    key_places = {key: place for place, key in enumerate(keys)}
    hash_key_places = {key: place for place, key in enumerate(hash_keys)}
    records = []
    for key, hash_key, data in user_records:
        record = _number_field(1, key_places[key])
        if hash_key is not None:
            record += _number_field(2, hash_key_places[hash_key])
        records.append(_len_field(3, record + _len_field(3, data)))
    message += b"".join(records)
    return MAGIC + message + hashlib.md5(message).digest()


def _len_field(number, value):
    return _shortest(number << 3 | LEN) + _shortest(len(value)) + value


def _number_field(number, value):
    return _shortest(number << 3 | VARINT) + _shortest(value)


def _shortest(value):
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
