"""`aiokpl`: its codec, called as in its documentation."""

import contract
from aiokpl import UserRecord, decode_aggregated, encode_aggregated, is_aggregated
from aiokpl.hashing import parse_explicit_hash_key


def decode(number, blob):
    if not is_aggregated(blob):
        yield contract.plain(number, blob)
        return
    for place, record in enumerate(decode_aggregated(blob)):
        tags = [{"key": tag.key, "value": tag.value} for tag in record.tags]
        yield contract.user_record(
            number, place, record.partition_key, record.explicit_hash_key, record.data, tags
        )


def encode(user_records):
    for _, explicit_hash_key, _ in user_records:
        if explicit_hash_key is not None:
            parse_explicit_hash_key(explicit_hash_key)  # aiokpl's producer calls this first, too.
    records = [UserRecord(key, data, hash_key) for key, hash_key, data in user_records]
    yield user_records[0][0], user_records[0][1], encode_aggregated(records)


contract.serve(decode, encode)
