"""Does the work of the kinesis-agg command with aws_kinesis_agg: JSON lines in, JSON lines out."""

import base64
import json
import sys

from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import iter_deaggregate_records


def print_line(value):
    sys.stdout.write(json.dumps(value) + "\n")


def kinesis_records():
    for line in sys.stdin:
        record = json.loads(line)
        yield {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["partitionKey"],
                "sequenceNumber": "1",
                "approximateArrivalTimestamp": 0,
                "data": record["data"],
            }
        }


def deaggregate():
    for user_record in iter_deaggregate_records(kinesis_records()):
        kinesis = user_record["kinesis"]
        data = kinesis["data"]
        if isinstance(data, bytes):
            data = data.decode()
        print_line({"partitionKey": kinesis["partitionKey"], "data": data})


def aggregate():
    def put(aggregate):
        partition_key, _, data = aggregate.get_contents()
        data = base64.b64encode(data).decode()
        print_line({"partitionKey": partition_key, "data": data})

    aggregator = RecordAggregator()
    for line in sys.stdin:
        record = json.loads(line)
        data = base64.b64decode(record["data"])
        full = aggregator.add_user_record(record["partitionKey"], data)
        if full:
            put(full)
    put(aggregator.clear_and_get())


{"aggregate": aggregate, "deaggregate": deaggregate}[sys.argv[1]]()
