"""AWS's Python module, `aws_kinesis_agg`."""

import base64

import contract
from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import iter_deaggregate_records


def decode(number, blob):
    given = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "outer",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 0,
            "data": contract.base64_of(blob),
        }
    }
    for yielded in iter_deaggregate_records([given]):
        record = yielded["kinesis"]
        data = base64.b64decode(record["data"])
        if record.get("aggregated"):
            yield contract.user_record(
                number,
                record["subSequenceNumber"],
                record["partitionKey"],
                record["explicitHashKey"],
                data,
            )
        else:
            yield contract.plain(number, data)


def encode(user_records):
    aggregator = RecordAggregator()
    aggregates = []
    for partition_key, explicit_hash_key, data in user_records:
        aggregates.append(aggregator.add_user_record(partition_key, data, explicit_hash_key))
    aggregates.append(aggregator.clear_and_get())
    for aggregate in filter(None, aggregates):
        yield aggregate.get_contents()


contract.serve(decode, encode)
