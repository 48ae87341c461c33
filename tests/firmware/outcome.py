"""Checks that a program printed what it should.

Standard input: the program's output. Arguments: the command line tool, the
program's name. The tool checks and deaggregates the blobs.
"""

import base64
import json
import subprocess
import sys

tool, program = sys.argv[1:]
lines = sys.stdin.read().splitlines()
blobs = [line.removeprefix("blob ") for line in lines if line.startswith("blob ")]
values = [line.split("=") for line in lines if "=" in line]


def run(*arguments):
    hex_lines = "".join(blob + "\n" for blob in blobs)
    return subprocess.run([tool, *arguments], input=hex_lines, text=True, check=True, capture_output=True).stdout


def numbers_named(name):
    return [int(value) for key, value in values if key == name]


def expect(truth, what):
    if not truth:
        sys.exit(f"{program}: {what}")


run("verify", "--from", "hex")
records = [json.loads(line) for line in run("deaggregate", "--from", "hex").splitlines()]
expect(all(record["partitionKey"] == "device-42" for record in records), "a user record under another key")
readings = [int.from_bytes(base64.b64decode(record["data"])[:4], "big") for record in records]

if program == "producer":
    expect(readings == list(range(100)), f"not every reading once, in order: {readings}")
elif program == "async_stream":
    expect(readings == 2 * list(range(10)), f"expected two whole aggregates: {readings}")
elif program == "flash_log":
    # Sealed aggregates must be sent. A reset may happen before or after their line is printed.
    sealed = []
    for (key, value), (next_key, next_value) in zip(values, values[1:]):
        if (key, next_key) == ("sealed_from", "sealed_to"):
            sealed += range(int(value), int(next_value) + 1)
    expect(len(sealed) > 200, f"only {len(sealed)} readings were sealed")
    arrived = set(readings)
    expect(arrived.issuperset(sealed), f"sealed, but not sent: {sorted(set(sealed) - arrived)}")
    # Every loss must be reported: each gap is an aggregate that the next start reported as lost.
    missing = set(range(400)) - arrived
    gaps = sum(number - 1 not in missing for number in missing)
    lost = sum(numbers_named("found_lost"))
    expect(0 < gaps <= lost, f"{gaps} gaps, {lost} aggregates reported as lost")
    expect(numbers_named("resets") == [12], "expected 12 resets")
else:
    sys.exit(f"unknown program: {program}")
print(f"{program}: {len(blobs)} blobs, {len(readings)} user records")
