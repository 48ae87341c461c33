"""Runs AWS's Python module: reads requests and writes responses as lines of JSON.

{"encode": [{"partitionKey", "explicitHashKey", "data"}, ...]} -> the data of a Kinesis record
{"decode": [event record, ...]} -> what the module yields
{"push": length} -> for each aggregate that the module returns when one user record of
    that length is pushed, the number of its user records
"""

import base64
import json
import sys

from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import iter_deaggregate_records


def encode(user_records):
    aggregator = RecordAggregator()
    for record in user_records:
        data = base64.b64decode(record["data"])
        full = aggregator.add_user_record(
            record["partitionKey"], data, record["explicitHashKey"]
        )
        assert full is None
    _, _, data = aggregator.clear_and_get().get_contents()
    return base64.b64encode(data).decode()


def push(length):
    aggregator = RecordAggregator()
    handed_out = [aggregator.add_user_record("k", bytes(length)), aggregator.clear_and_get()]
    return [record.get_num_user_records() for record in handed_out if record]


def readable(value):
    return value.decode() if isinstance(value, bytes) else value


for line in sys.stdin:
    asked = json.loads(line)
    if "encode" in asked:
        answer = encode(asked["encode"])
    elif "push" in asked:
        answer = push(asked["push"])
    else:
        answer = list(iter_deaggregate_records(asked["decode"]))
        for record in answer:
            record["kinesis"]["data"] = readable(record["kinesis"]["data"])
    print(json.dumps(answer), flush=True)
