"""Runs the real aws_kinesis_agg: one JSON request a line on stdin, one answer on stdout.

Runs in the peer's own environment.
"""

import json
import sys

from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import deaggregate_records, iter_deaggregate_records
from peer_json import from_json, to_json


def read(records, data_format):
    yielded = []
    try:
        for record in iter_deaggregate_records(records, data_format):
            yielded.append(record)
    except Exception as error:
        return yielded, type(error).__name__
    if data_format is None:
        assert deaggregate_records(records) == yielded
    return yielded, None


def write(user_records, max_size):
    aggregator = RecordAggregator(max_size)
    complete = [aggregator.add_user_record(*user_record) for user_record in user_records]
    complete.append(aggregator.clear_and_get())
    return [record.get_contents() for record in complete if record is not None]


if __name__ == "__main__":
    for line in sys.stdin:
        name, arguments = from_json(json.loads(line))
        answer = {"read": read, "write": write}[name](*arguments)
        print(json.dumps(to_json(answer)), flush=True)
