"""The lines that a program behind `run.py` reads and prints, for the peers in Python."""

import base64
import json
import sys


def base64_of(data):
    return base64.b64encode(data).decode()


def text(name, value):
    """A text field, in base64 if the value is bytes that are not UTF-8."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return {f"{name}Base64": base64_of(value)}
    return {name: value}


def user_record(number, place, partition_key, explicit_hash_key, data, tags=()):
    return {
        "record": number,
        "aggregated": True,
        "subSequenceNumber": place,
        **text("partitionKey", partition_key),
        **text("explicitHashKey", explicit_hash_key),
        "data": base64_of(data),
        "tags": list(tags),
    }


def plain(number, data):
    return {"record": number, "aggregated": False, "data": base64_of(data)}


def malformed(number, error):
    return {"record": number, "aggregated": False, "reason": "malformed", "error": repr(error)}


def serve(decode, encode=None):
    """Runs `decode(number, blob)`, which yields lines, for each blob, or `encode(user
    records)`, which yields aggregates (partition key, explicit hash key, blob)."""
    if sys.argv[1] == "encode":
        lines = map(json.loads, sys.stdin)
        given = [
            (line["partitionKey"], line["explicitHashKey"], base64.b64decode(line["data"]))
            for line in lines
        ]
        for partition_key, explicit_hash_key, blob in encode(given):
            fields = {"partitionKey": partition_key, "explicitHashKey": explicit_hash_key}
            print(json.dumps({**fields, "data": base64_of(blob)}))
        return
    for number, line in enumerate(sys.stdin):
        try:
            for answer in decode(number, bytes.fromhex(line)):
                print(json.dumps(answer))
        except Exception as error:
            print(json.dumps(malformed(number, error)))
