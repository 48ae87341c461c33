"""Fixtures from real programs, and the real aws_kinesis_agg in its own environment."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from peer_json import from_json, to_json

FIXTURES = Path(__file__).parents[3] / "tests" / "fixtures"


class Peer:
    def __init__(self, python):
        self.process = subprocess.Popen(
            [python, str(Path(__file__).with_name("peer.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, name, *arguments):
        self.process.stdin.write(json.dumps(to_json([name, arguments])) + "\n")
        self.process.stdin.flush()
        return from_json(json.loads(self.process.stdout.readline()))


@pytest.fixture(scope="session")
def peer():
    python = os.environ.get("AWS_KINESIS_AGG_PYTHON")
    if python is None:
        pytest.skip("AWS_KINESIS_AGG_PYTHON is not set: test.sh sets it")
    peer = Peer(python)
    yield peer
    peer.process.stdin.close()
    assert peer.process.wait() == 0


@pytest.fixture(scope="session")
def fixture_lines():
    def lines(name):
        with open(FIXTURES / name, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    return lines


@pytest.fixture(scope="session")
def events():
    return json.loads((FIXTURES / "events.json").read_text())
