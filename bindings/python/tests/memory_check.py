"""What valgrind watches: each kind of object made, used, misused and dropped, once."""

import base64
import gc

import kinesis_agg
from kinesis_agg import compat

shards = [("low", 0, 2**127 - 1), ("high", 2**127, 2**128 - 1)]
aggregator = kinesis_agg.Aggregator(max_size=3000)
blobs = []
for n in range(200):
    full = aggregator.add(f"key-{n % 7}", b"x" * n, n if n % 2 else None, tags=[("a", None)])
    blobs += [full.data] if full else []
blobs.append(aggregator.flush().data)

for source in (blobs, tuple(map(bytearray, blobs)), iter(map(memoryview, blobs))):
    iterator = kinesis_agg.deaggregate(source, hash_key_range=(0, 2**128 - 1))
    for one in iterator:
        one.data, one.tags, one.partition_key, one.explicit_hash_key, repr(one), one.enclosing
    iterator.counters, iterator.checkpoint
half = kinesis_agg.deaggregate(blobs)
kept = next(half)
del half, blobs[1:]
gc.collect()
assert kept.data == b""

damaged = kinesis_agg.MAGIC + bytes(40)
records = [
    {"kinesis": {"data": base64.b64encode(blob).decode()}} for blob in (blobs[0], damaged, b"")
]
assert len(compat.deaggregate_records(records)) > 3
next(compat.iter_deaggregate_records(records))
for wrong in (7, [7], [{}], [None], [{"kinesis": {"data": "AAA"}}], "x"):
    for read in (compat.deaggregate_records, lambda wrong: list(kinesis_agg.deaggregate(wrong))):
        try:
            read(wrong)
        except (TypeError, ValueError, KeyError):
            pass

packer = compat.RecordAggregator(2000)
packer.on_record_complete(lambda record: record.get_contents(), False)
packer.on_record_complete(lambda record: record.get_contents())
for n in range(100):
    packer.add_user_record(f"k{n}", "x" * 50, str(n))
for wrong in (("", b""), ("a", None), ("a", bytes(3000)), ("a", b"", "x")):
    try:
        packer.add_user_record(*wrong)
    except (TypeError, ValueError):
        pass
packer.current_record.partition_keys

with kinesis_agg.AggregationManager(shards, lambda one: one.entry(), max_age=0.01) as manager:
    for n in range(100):
        manager.add_user_record(f"k{n}", "x" * 50)
    manager.replace_shards([("all", 0, 2**128 - 1)])
