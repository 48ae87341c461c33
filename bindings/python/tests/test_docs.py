"""Runs the Python code in README.md and docs. Protects users who copy it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]

PRELUDE = """
import base64, sys
from types import SimpleNamespace
import kinesis_agg
sent = []
class Client:
    def list_shards(self, StreamName):
        span = {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)}
        return {"Shards": [{"ShardId": "s", "HashKeyRange": span}]}
    def put_record(self, StreamName, Data, PartitionKey, ExplicitHashKey=None):
        sent.append(Data)
sys.modules["boto3"] = SimpleNamespace(client=lambda name: Client())
sys.modules["pandas"] = SimpleNamespace(DataFrame=lambda rows, columns: [*rows])
data = base64.b64encode(BLOB).decode()
kinesis = {"data": data, "sequenceNumber": "7", "partitionKey": "a"}
event = {"Records": [{"kinesis": kinesis}]}
seen = []
process = seen.append
"""

CHECKS = """
if "handler" in globals():
    assert handler(event, None) in (None, {"batchItemFailures": []}) and seen == [b"x", b"y"]
    def process(_):
        raise OSError
    try:
        assert handler(event, None) == {"batchItemFailures": [{"itemIdentifier": "7"}]}
    except OSError:
        pass
if "send" in globals():
    assert sum(1 for _ in kinesis_agg.deaggregate(sent)) == 1000
if "COLUMNS" in globals():
    frame = {"data": SimpleNamespace(tolist=lambda: [BLOB])}
    assert list(user_records([frame])) == [[("a", b"x", 0), ("b", b"y", 1)]]
if "rest" in globals():
    assert full is None and len(rest) == 1
"""


def blocks():
    for page in (FOLDER / "README.md", FOLDER / "docs" / "from-aws-kinesis-agg.md"):
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S)):
            yield pytest.param(block, id=f"{page.name}-{number}")


@pytest.mark.parametrize("block", list(blocks()))
def test_block(block):
    import kinesis_agg

    aggregator = kinesis_agg.Aggregator()
    aggregator.add("a", "x")
    aggregator.add("b", "y")
    code = f"BLOB = {aggregator.flush().data!r}\n{PRELUDE}\n{block}\n{CHECKS}"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
