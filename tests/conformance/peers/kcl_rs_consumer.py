"""`kcl-rs`: a whole consumer, on moto's Kinesis, DynamoDB and CloudWatch.

It reports neither explicit hash keys nor whether a record was aggregated. A record counts as
plain if its data is the blob itself and its key the outer key.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import boto3
import contract
from kcl_rs import RecordProcessorBase, Scheduler

END = b"the last record"

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
endpoint = f"http://127.0.0.1:{port}"
command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
for _ in range(120):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        break
    except OSError:
        time.sleep(0.5)
os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_REGION="us-east-1",
    AWS_ENDPOINT_URL=endpoint,
    RUST_LOG="off",
)
kinesis = boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1")
kinesis.create_stream(StreamName="cases", ShardCount=1)

blobs = [bytes.fromhex(line) for line in sys.stdin]
numbers = {}
for start in range(0, len(blobs) + 1, 200):
    records = [*blobs, END][start : start + 200]
    entries = [{"Data": data, "PartitionKey": "outer"} for data in records]
    put = kinesis.put_records(StreamName="cases", Records=entries)
    for number, result in enumerate(put["Records"], start):
        numbers[result["SequenceNumber"]] = number

lines, ended = [], threading.Event()


class Processor(RecordProcessorBase):
    def initialize(self, initialize_input):
        pass

    def process_records(self, given):
        for record in given.records:
            number = numbers[record.sequence_number]
            data = record.binary_data
            if number == len(blobs):
                ended.set()
            elif record.partition_key == "outer" and data == blobs[number]:
                lines.append(contract.plain(number, data))
            else:
                key, place = record.partition_key, record.sub_sequence_number
                lines.append(contract.user_record(number, place, key, None, data))
        given.checkpointer.checkpoint()

    def lease_lost(self, _):
        pass

    def shard_ended(self, given):
        given.checkpointer.checkpoint()

    def shutdown_requested(self, given):
        given.checkpointer.checkpoint()


scheduler = Scheduler(
    stream_name="cases",
    application_name="conformance",
    record_processor_factory=Processor,
    region="us-east-1",
    endpoint_url=endpoint,
    initial_position="TRIM_HORIZON",
    retrieval_mode="POLLING",
    max_records=500,
    idle_time_between_reads_millis=200,
)
scheduler.start()
in_time = ended.wait(300)
server.kill()
for line in lines:
    print(json.dumps(line))
sys.stdout.flush()
os._exit(0 if in_time else 1)
