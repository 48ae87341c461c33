#!/usr/bin/env python3
"""Speed and memory beside the real aws_kinesis_agg, in the same run: ratios, in a table.

    bench.py THEIR_PYTHON OUR_PYTHON [ROUNDS]

Each measurement is a separate process that runs the whole loop and reports processor
time. The processes of the contestants take turns, and the fastest round of each is used.
"""

import base64
import json
import os
import random
import resource
import subprocess
import sys
import time

SEED = 7
CONTESTANTS = ["aws_kinesis_agg", "drop-in", "native"]

# Kinesis records, user records in each, bytes of data in each.
READ = {
    "1 aggregate of 1,000 x 100 bytes": (1, 1000, 100),
    "10 aggregates of 1,000 x 100 bytes": (10, 1000, 100),
    "100 aggregates of 100 x 100 bytes": (100, 100, 100),
    "100 aggregates of 20 x 1 kB": (100, 20, 1000),
    "40 aggregates of 10 x 10 kB": (40, 10, 10_000),
}
# User records, bytes of data in each.
WRITE = {
    "aggregating 20,000 x 100 bytes": (20_000, 100),
    "aggregating 20,000 x 1 kB": (20_000, 1000),
}
# The scenarios whose peak memory is measured, each in a separate process.
MEMORY = ["40 aggregates of 10 x 10 kB", "aggregating 20,000 x 1 kB"]


def user_records(count, data_len):
    rng = random.Random(SEED)
    for _ in range(count):
        yield f"device-{rng.randrange(50):05}", rng.randbytes(data_len)


def event(record_count, user_record_count, data_len):
    """Made with the installed module, so that both read the same bytes."""
    import kinesis_agg

    records = []
    source = user_records(record_count * user_record_count, data_len)
    for n in range(record_count):
        aggregator = kinesis_agg.Aggregator(max_size=10 << 20)
        for _ in range(user_record_count):
            assert aggregator.add(*next(source)) is None
        kinesis = {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "device-00007",
            "sequenceNumber": str(49590338271490256608559692538361571095921575989136588898 + n),
            "data": base64.b64encode(aggregator.flush().data).decode(),
            "approximateArrivalTimestamp": 1545084650.987,
        }
        records.append({
            "kinesis": kinesis,
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-000000000006:{kinesis['sequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
            "awsRegion": "us-east-2",
            "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream",
        })  # fmt: skip
    return records


def reader(contestant):
    if contestant == "native":
        from kinesis_agg import deaggregate
    elif contestant == "drop-in":
        from kinesis_agg.compat import iter_deaggregate_records as deaggregate
    else:
        from aws_kinesis_agg.deaggregator import iter_deaggregate_records as deaggregate

    def read(records):
        count = 0
        for _ in deaggregate(records):
            count += 1
        return count

    return read


def writer(contestant):
    if contestant == "native":
        from kinesis_agg import Aggregator

        def write(given):
            aggregator, size = Aggregator(), 0
            add = aggregator.add
            for partition_key, data in given:
                full = add(partition_key, data)
                if full is not None:
                    size += len(full.data)
            return size + len(aggregator.flush().data)

        return write
    if contestant == "drop-in":
        from kinesis_agg.compat import RecordAggregator
    else:
        from aws_kinesis_agg.aggregator import RecordAggregator

    def write(given):
        aggregator, size = RecordAggregator(), 0
        add = aggregator.add_user_record
        for partition_key, data in given:
            full = add(partition_key, data)
            if full is not None:
                size += len(full.get_contents()[2])
        return size + len(aggregator.clear_and_get().get_contents()[2])

    return write


def measure(contestant, scenario, path, rounds):
    """In a process of its own: prints seconds, what was done, and the peak memory."""
    if scenario in READ:
        with open(path, encoding="utf-8") as file:
            given = json.load(file)
        work = reader(contestant)
    else:
        given = list(user_records(*WRITE[scenario]))
        work = writer(contestant)
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        done = work(given)
        best = min(best, time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([best, done, peak]))


def main(theirs, ours, rounds=10, turns=5):
    folder = os.path.join(os.path.dirname(os.path.abspath(ours)), "bench")
    os.makedirs(folder, exist_ok=True)
    print("| | user records a second | drop-in | native |\n|---|---|---|---|")
    memory = []
    for number, scenario in enumerate([*READ, *WRITE]):
        path = os.path.join(folder, f"{number}.json")
        if scenario in READ:
            make = [ours, __file__, "--event", scenario, path]
            subprocess.run(make, check=True)
        count = READ[scenario][0] * READ[scenario][1] if scenario in READ else WRITE[scenario][0]

        def run(contestant, rounds):
            python = theirs if contestant == "aws_kinesis_agg" else ours
            command = [python, __file__, "--measure", contestant, scenario, path, str(rounds)]
            return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

        best = dict.fromkeys(CONTESTANTS, float("inf"))
        for _ in range(turns):
            done = set()
            for contestant in CONTESTANTS:
                seconds, what, _ = run(contestant, rounds)
                best[contestant] = min(best[contestant], seconds)
                done.add(what)
            # All do the same work, except for a few bytes of overhead per aggregate.
            assert max(done) - min(done) <= max(done) // 1000, (scenario, done)
        module = best["aws_kinesis_agg"]
        ratios = [f"{module / best[contestant]:.1f}x" for contestant in CONTESTANTS[1:]]
        print(f"| {scenario} | {count / module:,.0f} | " + " | ".join(ratios) + " |", flush=True)
        if scenario in MEMORY:
            peaks = [run(contestant, 1)[2] / 1024 for contestant in CONTESTANTS]
            memory.append((scenario, peaks))
    print(
        "\n| Peak memory of the process | aws_kinesis_agg | drop-in | native |\n|---|---|---|---|"
    )
    for scenario, peaks in memory:
        print(f"| {scenario} | " + " | ".join(f"{peak:.0f} MB" for peak in peaks) + " |")


if __name__ == "__main__":
    if sys.argv[1] == "--event":
        made = event(*READ[sys.argv[2]])
        with open(sys.argv[3], "w", encoding="utf-8") as out:
            json.dump(made, out)
    elif sys.argv[1] == "--measure":
        measure(*sys.argv[2:5], int(sys.argv[5]))
    elif len(sys.argv) > 3:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]), 1)
    else:
        main(sys.argv[1], sys.argv[2])
