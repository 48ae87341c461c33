"""Random records, seeded, through the real aws_kinesis_agg and through ours. Protects that
they differ only where the table in docs/from-aws-kinesis-agg.md says so."""

import base64
import hashlib
import random

import kinesis_agg
import pytest
from kinesis_agg.compat import RecordAggregator, deaggregate_records, iter_deaggregate_records

KEYS = ["a", "sensor-7", "ä", "\U0001f600", "k" * 130, "0", "x" * 256]


def user_records(rng, count):
    keys = [rng.choice(KEYS) + str(n) if rng.random() < 0.5 else rng.choice(KEYS) for n in range(9)]
    keys = [key[:256] if len(key.encode()) == len(key) else key for key in keys]
    hash_keys = [None, None, str(rng.getrandbits(128)), "0", str(2**128 - 1)]
    lengths = [0, 1, 10, 127, 128, rng.randrange(20_000)]
    for _ in range(count):
        data = rng.randbytes(rng.choice(lengths))
        yield rng.choice(keys), data, rng.choice(hash_keys)


def read_ours(records, data_format):
    yielded = []
    try:
        for record in iter_deaggregate_records(records, data_format):
            yielded.append(record)
    except Exception as error:
        return [yielded, type(error).__name__]
    return [yielded, None]


def hash_keys_of_module(yielded):
    """The module invents an explicit hash key for user records that have none."""
    return [record["kinesis"].get("explicitHashKey") for record in yielded]


def assert_same(ours, module, tables):
    assert ours[1] == module[1]
    assert len(ours[0]) == len(module[0])
    for one, other in zip(ours[0], module[0]):
        if "explicitHashKey" in one["kinesis"] and one["kinesis"]["explicitHashKey"] is None:
            assert other["kinesis"]["explicitHashKey"] in tables
            other["kinesis"]["explicitHashKey"] = None
        assert one == other
        assert list(one) == list(other) and list(one["kinesis"]) == list(other["kinesis"])
        assert all(type(one["kinesis"][k]) is type(other["kinesis"][k]) for k in one["kinesis"])


SHAPES = ["lambda", "analytics", "firehose", "boto3", "lambda in boto3"]


def record_of(rng, shape, blob):
    base = {
        "sequenceNumber": str(rng.getrandbits(180)),
        "partitionKey": "outer",
        "approximateArrivalTimestamp": rng.choice([1545084650.987, 1545084650, 1545084650987]),
    }
    text = base64.b64encode(blob).decode()
    if shape == "analytics":
        metadata = {**base, "shardId": "shardId-000000000000"}
        return {"recordId": "r7", "data": text, "kinesisStreamRecordMetadata": metadata}
    if shape == "firehose":
        metadata = {**base, "shardId": "shardId-000000000000", "subsequenceNumber": ""}
        return {"recordId": "r7", "data": text, "kinesisRecordMetadata": metadata}
    if shape == "boto3":
        names = {name[0].upper() + name[1:]: value for name, value in base.items()}
        return {**names, "Data": blob}
    data = blob if shape == "lambda in boto3" else text
    record = {"kinesis": {"kinesisSchemaVersion": "1.0", **base, "data": data}}
    if rng.random() < 0.3:
        record["kinesis"]["recordId"] = "r8"
    record["eventSource"] = "aws:kinesis"
    record["data"] = "beside"
    record["eventID"] = 7
    return record


def blobs(rng):
    for _ in range(rng.randrange(1, 6)):
        kind = rng.choice(["aggregate", "aggregate", "plain", "damaged", "short"])
        aggregator = kinesis_agg.Aggregator()
        for user_record in user_records(rng, rng.randrange(1, 30)):
            aggregator.add(*user_record)
        blob = aggregator.flush().data
        if kind == "plain":
            blob = rng.randbytes(rng.randrange(200))
        elif kind == "damaged":
            place = rng.randrange(4, len(blob))
            blob = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        elif kind == "short":
            blob = blob[: rng.randrange(25)]
        yield blob


@pytest.mark.parametrize("seed", range(120))
def test_both_read_the_same(peer, seed):
    rng = random.Random(seed)
    shape = SHAPES[seed % len(SHAPES)]
    data_format = "Boto3" if "boto3" in shape else rng.choice([None, None, "Other"])
    written = list(blobs(rng))
    records = [record_of(rng, shape, blob) for blob in written]
    if rng.random() < 0.2:
        wrong = rng.choice(records)
        wrong.get("kinesis", wrong).pop(rng.choice(["data", "Data"]), None)
    if rng.random() < 0.1:
        records = records[0]
    tables = {r.explicit_hash_key for r in kinesis_agg.deaggregate(written)}
    assert_same(read_ours(records, data_format), peer("read", records, data_format), tables)


@pytest.mark.parametrize(
    "text", ["!", "AAA", "84mawg", "84ma\nwg==", "84ma wg==", "ä", "", "=", 7, None]
)
def test_both_judge_base64_the_same(peer, text):
    record = {"kinesis": {"data": text}}
    assert read_ours([record], None) == list(peer("read", [record], None))


@pytest.mark.parametrize("seed", range(40))
def test_each_reads_what_the_other_writes(peer, seed):
    rng = random.Random(1000 + seed)
    max_size = rng.choice([1 << 20, 25_600, 3_000])
    given = list(user_records(rng, rng.randrange(1, 300)))
    given = [r for r in given if len(r[1]) + 2 * len(r[0].encode()) + 200 < max_size]
    if not given:
        given = [("a", b"x", None)]

    written = peer("write", given, max_size)
    read = list(kinesis_agg.deaggregate([data for _, _, data in written]))
    ours = [(r.partition_key, r.data, r.explicit_hash_key) for r in read]
    assert ours == given

    aggregator = RecordAggregator(max_size)
    complete = [aggregator.add_user_record(*user_record) for user_record in given]
    complete.append(aggregator.clear_and_get())
    contents = [record.get_contents() for record in complete if record]
    assert all(len(data) + len(key.encode()) <= max_size for key, _, data in contents)
    if max_size > 100_000:
        # The module counts a key at each use, and does not count the outer key.
        assert len(contents) <= len(written)
    firsts = {(r[0], r[2]) for r in given}
    assert all((key, explicit) in firsts for key, explicit, _ in contents)

    records = [record_of(rng, "lambda", data) for _, _, data in contents]
    yielded, error = peer("read", records, None)
    assert error is None
    assert [r["kinesis"]["partitionKey"] for r in yielded] == [r[0] for r in given]
    assert [base64.b64decode(r["kinesis"]["data"]) for r in yielded] == [r[1] for r in given]
    assert_same([deaggregate_records(records), None], [yielded, None], {r[2] for r in given})
    hash_keys = [r["kinesis"]["explicitHashKey"] for r in deaggregate_records(records)]
    assert hash_keys == [r[2] for r in given]


def test_where_the_module_loses_what_we_keep(peer):
    """The rows of the table of differences that can be shown with bytes."""
    # Within 20 bytes of the limit, it emits an empty aggregate and loses the record.
    lost = [("a", bytes((1 << 20) - 25), None)]
    written = peer("write", lost, 1 << 20)
    assert not any(r.outcome == "aggregated" for r in kinesis_agg.deaggregate([written[0][2]]))
    # A bad index: the module yields the first user records and drops the others.
    message = b"\x0a\x01a\x1a\x05\x08\x00\x1a\x01x\x1a\x05\x08\x07\x1a\x01y"
    blob = kinesis_agg.MAGIC + message + hashlib.md5(message).digest()
    record = record_of(random.Random(7), "lambda", blob)
    assert len(peer("read", [record], None)[0]) == 1
    assert deaggregate_records([record]) == [record]
    # Explicit hash keys that the producer did not set.
    two = [("a", b"x", "7"), ("b", b"y", None)]
    aggregator = RecordAggregator()
    for user_record in two:
        aggregator.add_user_record(*user_record)
    record = record_of(random.Random(7), "lambda", aggregator.clear_and_get().get_contents()[2])
    invented, _ = peer("read", [record], None)
    assert hash_keys_of_module(invented) == ["7", "7"]
    assert hash_keys_of_module(deaggregate_records([record])) == ["7", None]
