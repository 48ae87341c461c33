"""Compares `law.py` with the output of real programs that the fixtures recorded."""

import collections
import hashlib

import fixtures
import law


def of_kcl(line):
    """The KCL's user records, which have no tags."""
    return [
        [
            record["partition_key"].encode().hex(),
            None if record["explicit_hash_key"] is None else record["explicit_hash_key"].encode().hex(),
            record["data_hex"],
        ]
        for record in line["kcl"]["records"]
    ]


def of_protobuf(line):
    """The user records of the message as C++ protobuf read it."""
    message = line["cpp_protobuf_3_21_12"]
    keys, hash_keys = message["partition_keys_hex"], message["explicit_hash_keys_hex"]
    return [
        [
            keys[int(record["pk_index"])],
            None if record["ehk_index"] is None else hash_keys[int(record["ehk_index"])],
            record["data_hex"],
        ]
        for record in message["records"]
    ]


def check_decode(line):
    outcome = law.decode(bytes.fromhex(line["input_hex"]))
    kind = line["class"]
    user_records = [record[:3] for record in outcome.get("user_records", [])]
    if kind == "not_aggregated":
        assert "plain" in outcome, line["id"]
    elif kind in ("malformed", "bad_index"):
        assert "malformed" in outcome, line["id"]
        assert (kind == "bad_index") == outcome["malformed"].endswith("key_index"), line["id"]
    elif kind == "records":
        assert user_records == of_kcl(line), line["id"]
    elif kind != "runtimes_disagree":
        assert "user_records" in outcome, line["id"]
        assert (kind == "no_records") == (not user_records), line["id"]
        if line["cpp_protobuf_3_21_12"]["parses"]:
            assert user_records == of_protobuf(line), line["id"]
    return kind


def check_encode(line):
    """The KPL's bytes, where the KPL writes an aggregate."""
    if not line.get("kpl_hex") and "kpl_len" not in line:
        return "not written by the KPL"
    aggregates = law.encode(fixtures.user_records(line))
    assert len(aggregates) == 1, line["id"]
    blob = aggregates[0][2]
    if line["kpl_hex"]:
        assert blob.hex() == line["kpl_hex"], line["id"]
    else:
        assert len(blob) == line["kpl_len"], line["id"]
        assert hashlib.sha256(blob).hexdigest() == line["kpl_sha256"], line["id"]
    return "the KPL's bytes"


seen = collections.Counter(check_decode(line) for line in fixtures.lines("decode.jsonl"))
assert sum(seen.values()) > 500 and len(seen) == 9, seen
seen = collections.Counter(check_encode(line) for line in fixtures.lines("encode.jsonl"))
assert seen["the KPL's bytes"] > 50, seen
print("law.py agrees with the recorded programs")
