"""What real programs wrote and read. Protects that Python gets what the core promises."""

import base64
import copy
import hashlib

import kinesis_agg
import pytest
from kinesis_agg.compat import RecordAggregator, deaggregate_records, iter_deaggregate_records


def event_record(blob):
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "outer",
            "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
            "approximateArrivalTimestamp": 1545084650.987,
            "data": base64.b64encode(blob).decode(),
        },
        "eventSource": "aws:kinesis",
    }


def as_key(key):
    """Returns a key of the Python column: str, or bytes if it is not UTF-8."""
    return bytes.fromhex(key["bytes_hex"]) if isinstance(key, dict) else key


def test_every_blob_gives_what_its_class_says(fixture_lines):
    for case in fixture_lines("decode.jsonl"):
        blob = bytes.fromhex(case["input_hex"])
        delivered = list(kinesis_agg.deaggregate([blob]))
        outcomes = {user_record.outcome for user_record in delivered}
        kind = case["class"]
        if kind == "records":
            seen = [
                (r.partition_key, r.explicit_hash_key, r.data.hex(), r.sub_sequence_number)
                for r in delivered
            ]
            assert seen == [
                (r["partition_key"], r["explicit_hash_key"], r["data_hex"], r["sub_sequence"])
                for r in case["kcl"]["records"]
            ], case["id"]
            assert outcomes == {"aggregated"}
            assert [r.is_last for r in delivered] == [False] * (len(delivered) - 1) + [True]
        elif kind == "no_records":
            assert delivered == [], case["id"]
        elif kind == "not_aggregated":
            assert outcomes == {"plain"} and delivered[0].data == blob, case["id"]
            assert delivered[0].plain_reason and delivered[0].malformed is None
        elif kind in ("malformed", "bad_index"):
            assert outcomes == {"malformed"} and delivered[0].data == blob, case["id"]
            error = delivered[0].malformed
            assert 4 <= error.offset < len(blob) and f"at byte {error.offset}" in str(error)
        elif kind in ("invalid_utf8", "ehk_not_a_number", "ehk_out_of_range"):
            records = case["python"]["records"] or case["kcl"]["records"]
            assert len(delivered) == len(records) and outcomes == {"aggregated"}, case["id"]
        else:
            assert kind == "runtimes_disagree", kind


def test_a_key_that_is_not_utf_8_is_bytes(fixture_lines):
    checked = 0
    for case in fixture_lines("decode.jsonl"):
        if case["class"] != "invalid_utf8" or "exception" in case["python"]:
            continue
        blob = bytes.fromhex(case["input_hex"])
        expected = case["python"]["records"]
        native = list(kinesis_agg.deaggregate(blob))
        compat = deaggregate_records([event_record(blob)])
        assert [r.partition_key for r in native] == [as_key(r["partition_key"]) for r in expected]
        assert [r["kinesis"]["partitionKey"] for r in compat] == [r.partition_key for r in native]
        keys = [r["kinesis"]["explicitHashKey"] for r in compat]
        assert keys == [r.explicit_hash_key for r in native]
        checked += 1
    assert checked > 5


def test_the_drop_in_yields_what_the_module_yielded(fixture_lines):
    same = 0
    for case in fixture_lines("decode.jsonl"):
        if case["class"] not in ("records", "not_aggregated", "no_records"):
            continue
        blob = bytes.fromhex(case["input_hex"])
        record = event_record(blob)
        yielded = deaggregate_records([copy.deepcopy(record)])
        if not case["python"]["aggregated"]:
            if case["class"] == "not_aggregated":
                assert yielded == [record], case["id"]
            continue
        expected = []
        for of_module in case["python"]["records"]:
            kinesis = {
                **{name: record["kinesis"][name] for name in list(record["kinesis"])[:1]},
                "sequenceNumber": record["kinesis"]["sequenceNumber"],
                "approximateArrivalTimestamp": record["kinesis"]["approximateArrivalTimestamp"],
                "explicitHashKey": as_key(of_module["explicit_hash_key"]),
                "partitionKey": as_key(of_module["partition_key"]),
                "subSequenceNumber": of_module["sub_sequence"],
                "aggregated": True,
                "data": base64.b64encode(bytes.fromhex(of_module["data_hex"])),
            }
            expected.append({"kinesis": kinesis, "eventSource": "aws:kinesis"})
        # The module invents explicit hash keys: it takes entry 0 of the table.
        if "logged_error" in case["python"] or "exception" in case["python"]:
            continue
        native = list(kinesis_agg.deaggregate(blob))
        if len(native) != len(expected):
            continue
        for one, user_record in zip(expected, native):
            if user_record.explicit_hash_key is None:
                one["kinesis"]["explicitHashKey"] = None
        if [r["kinesis"]["partitionKey"] for r in expected] == [r.partition_key for r in native]:
            assert yielded == expected, case["id"]
            assert [list(r["kinesis"]) for r in yielded] == [list(r["kinesis"]) for r in expected]
            same += 1
    assert same > 140, same


def test_events_of_every_shape(events):
    for case in events["records"]:
        for records in (case["record"], [case["record"]], iter((case["record"],))):
            yielded = deaggregate_records(records)
            for record in yielded:
                if isinstance(record["kinesis"]["data"], bytes):
                    record["kinesis"]["data"] = record["kinesis"]["data"].decode()
            assert yielded == case["python_output"], case["id"]
            assert [list(r) for r in yielded] == [list(r) for r in case["python_output"]]
        native = list(kinesis_agg.deaggregate(case["record"]))
        kinesis = [record["kinesis"] for record in case["python_output"]]
        assert [r.data for r in native] == [base64.b64decode(r["data"]) for r in kinesis]
        assert [r.partition_key for r in native] == [r["partitionKey"] for r in kinesis]
        assert [r.sequence_number for r in native] == [r["sequenceNumber"] for r in kinesis]
        assert all(r.enclosing is case["record"] for r in native)
    for case in events["events"]:
        event = case["event"]
        records = event.get("Records") or event["records"]
        native = list(kinesis_agg.deaggregate(event))
        assert len(native) == len(deaggregate_records(records)) > 0
        assert [r.data for r in native] == [r.data for r in kinesis_agg.deaggregate(records)]


def user_records(case):
    for record in case["records"]:
        if "data_rep" in record:
            data = bytes([record["data_rep"]["byte"]]) * record["data_rep"]["len"]
        else:
            data = bytes.fromhex(record["data_hex"])
        yield record["partition_key"], data, record["explicit_hash_key"]


def test_aggregates_are_the_kpl_s_bytes(fixture_lines):
    checked = 0
    for case in fixture_lines("encode.jsonl"):
        if "gen" in case or not isinstance(case["records"], list) or "kpl_error" in case:
            continue
        if case["kpl_hex"] is None and "kpl_sha256" not in case:
            continue
        aggregator = kinesis_agg.Aggregator(max_size=10 << 20, outer_key="kpl")
        compat = RecordAggregator()
        for partition_key, data, explicit_hash_key in user_records(case):
            assert aggregator.add(partition_key, data, explicit_hash_key) is None
            compat.add_user_record(partition_key, data, explicit_hash_key)
        aggregate = aggregator.flush()
        if case["kpl_hex"] is not None:
            assert aggregate.data.hex() == case["kpl_hex"], case["id"]
        else:
            assert hashlib.sha256(aggregate.data).hexdigest() == case["kpl_sha256"], case["id"]
        assert [aggregate.partition_key, aggregate.explicit_hash_key] == case["outer"]["kpl"]
        if len(aggregate.data) < 1 << 20:
            assert compat.clear_and_get().get_contents()[2] == aggregate.data
        checked += 1
    assert checked > 40, checked


def test_hash_keys(fixture_lines):
    for case in fixture_lines("hashkeys.jsonl"):
        assert kinesis_agg.hash_key(case["partition_key"]) == int(case["hash_key"])
        assert kinesis_agg.hash_key(case["partition_key"].encode()) == int(case["hash_key"])


def test_a_filter_leaves_out_what_the_kcl_leaves_out(fixture_lines):
    for case in fixture_lines("range.jsonl"):
        # The KCL delivers the user records before an explicit hash key that is not a number,
        # and casts an index of 2^32 to 0.
        if "logged_error" in case["kcl"] or case["id"] == "pk-2^32-index":
            continue
        blobs = [bytes.fromhex(blob) for blob in case["inputs_hex"]]
        span = case["starting_hash_key"], case["ending_hash_key"]
        if int(span[0]) > int(span[1]):
            with pytest.raises(ValueError, match="hash_key_range"):
                kinesis_agg.deaggregate(blobs, hash_key_range=span)
            continue
        iterator = kinesis_agg.deaggregate(blobs, hash_key_range=span)
        seen = [(r.record_index, r.partition_key, r.data.hex()) for r in iterator]
        expected = [
            (r["input"], r["partition_key"], r["data_hex"])
            for r in case["kcl"]["records"]
            if r["aggregated"]
        ]
        plain = [r for r in seen if blobs[r[0]][:4] != kinesis_agg.MAGIC]
        assert [r for r in seen if r not in plain] == expected, case["id"]


@pytest.mark.parametrize("aggregator", ["compat", "native"])
def test_nothing_is_lost_near_the_limit(fixture_lines, aggregator):
    for case in fixture_lines("limits.jsonl"):
        put, sizes = [], []
        compat, native = RecordAggregator(), kinesis_agg.Aggregator()
        accepted = rejected = 0
        for group in case["input"]:
            for n in range(group["count"]):
                key = group["partition_key"].replace("{i}", str(n))
                arguments = key, bytes(group["zero_bytes"]), group["explicit_hash_key"]
                try:
                    if aggregator == "compat":
                        full = compat.add_user_record(*arguments)
                        put += [full.get_contents()] if full else []
                    else:
                        full = native.add(*arguments)
                        put += [(full.partition_key, None, full.data)] if full else []
                    accepted += 1
                except ValueError as error:
                    assert "1048576" in str(error)
                    rejected += 1
        if aggregator == "compat":
            rest = compat.clear_and_get()
            put += [rest.get_contents()] if rest else []
        else:
            rest = native.flush()
            put += [(rest.partition_key, None, rest.data)] if rest else []
        for partition_key, _, data in put:
            sizes.append(len(data) + len(partition_key.encode()))
        assert all(size <= kinesis_agg.MAX_BYTES_PER_RECORD for size in sizes), case["id"]
        read = sum(1 for _ in kinesis_agg.deaggregate([data for _, _, data in put]))
        assert read == accepted and accepted + rejected == sum(g["count"] for g in case["input"])


def test_blobs_of_the_real_kpl(events):
    record = events["records"][0]["record"]
    [blob] = [base64.b64decode(record["kinesis"]["data"])]
    boto3 = {
        "Data": blob,
        "PartitionKey": "a",
        "SequenceNumber": "7",
        "ApproximateArrivalTimestamp": 0,
    }
    for shape in (blob, bytearray(blob), memoryview(blob), [blob], {"Records": [boto3]}, boto3):
        assert len(list(kinesis_agg.deaggregate(shape))) == 4
    yielded = list(iter_deaggregate_records([boto3], data_format="Boto3"))
    assert [r["kinesis"]["sequenceNumber"] for r in yielded] == ["7"] * 4
