"""The page of aws_kinesis_agg 1.2.3: what its samples do, they do here, also those that
fail with the module itself. Each runs in its own process, after the one line."""

import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import kinesis_agg; kinesis_agg.install_as_aws_kinesis_agg()
import base64, sys
from types import SimpleNamespace
records = [SimpleNamespace(PartitionKey=f"k{n}", Data="x" * 1000, ExplicitHashKey=str(n))
           for n in range(1500)]
sent = []
class Client:
    def put_record(self, StreamName, Data, PartitionKey, ExplicitHashKey):
        sent.append(Data)
sys.modules["boto3"] = SimpleNamespace(client=lambda name, region_name: Client())
def get_record(n):
    return f"k{n}", str(n), "x" * 2000
def event_of(blobs):
    return {"Records": [{"kinesis": {"data": base64.b64encode(blob).decode(),
        "kinesisSchemaVersion": "1.0", "partitionKey": "a", "sequenceNumber": str(n),
        "approximateArrivalTimestamp": 1.5}, "eventSource": "aws:kinesis"}
        for n, blob in enumerate(blobs)]}
def aggregate_of(records):
    import aws_kinesis_agg.aggregator
    aggregator = aws_kinesis_agg.aggregator.RecordAggregator()
    for rec in records:
        assert aggregator.add_user_record(rec.PartitionKey, rec.Data, rec.ExplicitHashKey) is None
    return aggregator.clear_and_get().get_contents()[2]
def settle():
    import threading
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()
def count(blobs):
    return sum(1 for _ in kinesis_agg.deaggregate(blobs))
"""

SAMPLES = {
    "iterative aggregation": """
        import aws_kinesis_agg as agg
        kinesis_aggregator = agg.RecordAggregator()
        for rec in records:
            result = kinesis_aggregator.add_user_record(rec.PartitionKey, rec.Data, rec.ExplicitHashKey)
            if result:
                sent.append(result.get_contents()[2])
        sent.append(kinesis_aggregator.clear_and_get().get_contents()[2])
        assert len(sent) == 2 and count(sent) == 1500
    """,
    "callback-based aggregation": """
        import aws_kinesis_agg as agg
        kinesis_aggregator = agg.RecordAggregator()
        def my_callback(agg_record):
            sent.append(agg_record.get_contents()[2])
        kinesis_aggregator.on_record_complete(my_callback)
        for rec in records:
            kinesis_aggregator.add_user_record(rec.PartitionKey, rec.Data, rec.ExplicitHashKey)
        settle()
        assert len(sent) == 1
    """,
    "aggregation and transmission": """
        import boto3
        import aws_kinesis_agg.aggregator
        kinesis_client = None
        def send_record(agg_record):
            global kinesis_client
            pk, ehk, data = agg_record.get_contents()
            kinesis_client.put_record(StreamName='MyKinesisStreamName',
                Data=data,
                PartitionKey=pk,
                ExplicitHashKey=ehk)
        if __name__ == '__main__':
            kinesis_client = boto3.client('kinesis', region_name='us-west-2')
            kinesis_agg = aws_kinesis_agg.aggregator.RecordAggregator()
            kinesis_agg.on_record_complete(send_record)
            for i in range(0,1024):
                pk, ehk, data = get_record(i)
                kinesis_agg.add_user_record(pk, data, ehk)
            send_record(kinesis_agg.clear_and_get())
        settle()
        import kinesis_agg
        assert len(sent) == 2 and count(sent) == 1024
    """,
    "bulk conversion": """
        from __future__ import print_function
        from aws_kinesis_agg.deaggregator import deaggregate_records
        import base64
        def lambda_bulk_handler(event, context):
            raw_kinesis_records = event['Records']
            user_records = deaggregate_records(raw_kinesis_records)
            for record in user_records:
                payload = base64.b64decode(record['kinesis']['data'])
                assert payload == b"x" * 1000
            return 'Successfully processed {} records.'.format(len(user_records))
        event = event_of([aggregate_of(records[:700]), b"x" * 1000])
        assert lambda_bulk_handler(event, None) == "Successfully processed 701 records."
    """,
    "generator-based conversion": """
        from __future__ import print_function
        from aws_kinesis_agg.deaggregator import iter_deaggregate_records
        import base64
        def lambda_generator_handler(event, context):
            raw_kinesis_records = event['Records']
            record_count = 0
            for record in iter_deaggregate_records(raw_kinesis_records):
                payload = base64.b64decode(record['kinesis']['data'])
                record_count += 1
            return 'Successfully processed {} records.'.format(record_count)
        event = event_of([aggregate_of(records[:700]), b"x" * 1000])
        assert lambda_generator_handler(event, None) == "Successfully processed 701 records."
    """,
    "functions of the package itself": """
        from aws_kinesis_agg import deaggregate_records, iter_deaggregate_records
        raw_kinesis_records = event_of([aggregate_of(records[:7])])["Records"]
        user_records = deaggregate_records(raw_kinesis_records)
        for record in iter_deaggregate_records(raw_kinesis_records):
            pass
        assert len(user_records) == 7 and record == user_records[-1]
        assert set(record["kinesis"]) == {
            "partitionKey", "explicitHashKey", "data", "kinesisSchemaVersion", "sequenceNumber",
            "subSequenceNumber", "aggregated", "approximateArrivalTimestamp"}
    """,
    "the manager that the page recommends": """
        from aws_kinesis_agg.aggregator import AggregationManager
        half = 2**127
        shards = [("low", 0, half - 1), ("high", half, 2**128 - 1)]
        with AggregationManager(shards, lambda aggregate: sent.append(aggregate.data)) as manager:
            for rec in records:
                manager.add_user_record(rec.PartitionKey, rec.Data)
        assert count(sent) == 1500
    """,
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_sample(sample):
    body = textwrap.dedent(SAMPLES[sample]).strip().split("\n")
    future = [line for line in body if "__future__" in line]
    code = "\n".join([*future, PRELUDE, *(line for line in body if line not in future)])
    subprocess.run([sys.executable, "-c", code], check=True)


IMPORTS = [
    "import aws_kinesis_agg; aws_kinesis_agg.aggregator.RecordAggregator()",
    "import aws_kinesis_agg.aggregator; aws_kinesis_agg.aggregator.AggRecord",
    "import aws_kinesis_agg.deaggregator as d; d.iter_deaggregate_records",
    "from aws_kinesis_agg import aggregator, deaggregator; aggregator.KeySet()",
    "from aws_kinesis_agg import MAGIC, DIGEST_SIZE, MAX_BYTES_PER_RECORD",
    "from aws_kinesis_agg.aggregator import RecordAggregator, AggRecord, KeySet",
    "from aws_kinesis_agg.deaggregator import deaggregate_records, iter_deaggregate_records",
    "from aws_kinesis_agg.deaggregator import *; deaggregate_records([])",
    "from aws_kinesis_agg import *; aggregator.RecordAggregator()",
    "import importlib; importlib.import_module('aws_kinesis_agg.aggregator').KeySet",
    "import importlib; importlib.import_module('.deaggregator', 'aws_kinesis_agg')",
    "import importlib.util; assert importlib.util.find_spec('aws_kinesis_agg.aggregator')",
    "__import__('aws_kinesis_agg.aggregator').aggregator.RecordAggregator",
    "import pkgutil, aws_kinesis_agg as a; assert len(list(pkgutil.iter_modules(a.__path__))) == 2",
    "import aws_kinesis_agg, importlib; importlib.reload(aws_kinesis_agg).RecordAggregator",
    "import pickle, aws_kinesis_agg.aggregator as a; pickle.loads(pickle.dumps(a.AggRecord))",
]


@pytest.mark.parametrize("statement", IMPORTS)
def test_every_form_of_import(statement):
    line = "import kinesis_agg; kinesis_agg.install_as_aws_kinesis_agg(); "
    subprocess.run([sys.executable, "-c", line + statement], check=True)


@pytest.mark.parametrize("name", ["messages_pb2", "config_pb2", "kpl_pb2"])
def test_the_protobuf_modules_are_absent(name):
    line = "import kinesis_agg; kinesis_agg.install_as_aws_kinesis_agg(); "
    code = f"{line}import aws_kinesis_agg.{name}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1 and "ModuleNotFoundError" in run.stderr


def test_protobuf_is_never_imported():
    code = "import kinesis_agg.compat, sys; assert not any('google' in m for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
