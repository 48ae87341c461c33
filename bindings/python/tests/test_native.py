"""The native interface. Protects that its settings do what the core's do, that what it accepts
from boto3 and Powertools is read, and that no user record is lost on the way to a shard."""

import base64
import threading
import time

import kinesis_agg
import pytest
from kinesis_agg import AggregationManager, Aggregator

HALF = 2**127


def aggregate(*user_records, **settings):
    aggregator = Aggregator(**settings)
    for user_record in user_records:
        assert aggregator.add(*user_record) is None
    return aggregator.flush()


def test_a_user_record_has_all_that_was_written():
    aggregator = Aggregator()
    tags = [("unit", "C"), ("bare", None)]
    aggregator.add("sensor-7", "21.5", 2**128 - 1, tags=tags)
    aggregator.add("sensor-8", b"")
    assert (len(aggregator), aggregator.size) == (2, len(aggregator.flush().data))
    aggregator.add("sensor-7", "21.5", 2**128 - 1, tags=tags)
    aggregator.add("sensor-8", b"")
    record = {"Data": aggregator.flush().data, "SequenceNumber": "77", "PartitionKey": "outer"}
    first, second = kinesis_agg.deaggregate([record])
    assert (first.partition_key, first.data, first.explicit_hash_key) == (
        "sensor-7", b"21.5", str(2**128 - 1),
    )  # fmt: skip
    assert first.hash_key == 2**128 - 1 and first.tags == (("unit", "C"), ("bare", None))
    assert second.explicit_hash_key is None and second.tags == ()
    assert second.hash_key == kinesis_agg.hash_key("sensor-8")
    assert [r.sub_sequence_number for r in (first, second)] == [0, 1]
    assert [r.is_last for r in (first, second)] == [False, True]
    assert first.checkpoint == "77:0" and second.checkpoint == f"77:{2**63 - 1}"
    assert first.outcome == "aggregated" and first.malformed is None and first.plain_reason is None
    assert first.enclosing is record and first.record_index == 0
    assert "sensor-7" in repr(first) and "4 bytes" in repr(first)


def test_an_aggregate_is_an_entry_for_boto3():
    one = aggregate(("a", "x", "7"), ("b", "y"))
    assert one.entry() == {"Data": one.data, "PartitionKey": "a", "ExplicitHashKey": "7"}
    assert "ExplicitHashKey" not in aggregate(("a", "x")).entry()
    kpl = aggregate(("b", "x"), outer_key="kpl")
    assert kpl.partition_key == "a" and kpl.explicit_hash_key == str(kinesis_agg.hash_key("b"))
    assert (len(one), one.shard_id) == (2, None)
    raw = aggregate(("a", b"x"), lone="raw")
    assert raw.data == b"x"


def test_limits():
    aggregator = Aggregator(max_count=3)
    complete = [aggregator.add("a", str(n)) for n in range(10)]
    assert [n for n, one in enumerate(complete) if one] == [3, 6, 9]
    assert [len(one) for one in complete if one] == [3, 3, 3] and len(aggregator) == 1
    aggregator.clear()
    assert aggregator.flush() is None and aggregator.size == 0
    for wrong in ({"max_size": 0}, {"max_size": -1}, {"max_size": 2**70}, {"max_count": 0},
                  {"outer_key": "x"}, {"lone": "x"}):  # fmt: skip
        with pytest.raises(ValueError):
            Aggregator(**wrong)
    with pytest.raises(kinesis_agg.RejectedError, match="1048576"):
        aggregator.add("a", bytes(1 << 20))


def sequence(blobs):
    return [{"Data": blob, "SequenceNumber": str(n)} for n, blob in enumerate(blobs, 100)]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Aggregator(max_size=0), ValueError, "max_size must be 1 to 10485760"),
        (lambda: Aggregator(max_size=-1), ValueError, "max_size must be 1 to 10485760"),
        (lambda: Aggregator(max_size="7"), TypeError, "max_size must be int, not str"),
        (lambda: Aggregator(max_count=0), ValueError, "max_count must be at least 1"),
        (lambda: Aggregator(max_count=-1), ValueError, "max_count must be at least 1"),
        (lambda: Aggregator().add("a", "x", tags=7), TypeError, "tags must be tuples"),
        (lambda: Aggregator().add("a", "x", tags=["ab"]), TypeError, "tags must be tuples"),
        (lambda: Aggregator().add("a", 7), TypeError, "data must be .*, not int"),
        (lambda: kinesis_agg.deaggregate(7), TypeError, "must be an iterable, not int"),
        (lambda: list(kinesis_agg.deaggregate([{"kinesis": 7}])), TypeError, "record 0"),
        (lambda: AggregationManager([7]), TypeError, "a shard must be .*, not 7"),
        (lambda: AggregationManager([LOW, HIGH], max_age=-1), ValueError, "max_age is -1"),
    ],
)
def test_errors_name_the_argument(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_resuming_at_every_place():
    blobs = [aggregate(*(("k", str(n)) for n in range(count))).data for count in (3, 1, 4)]
    records = sequence([*blobs, b"plain"])
    iterator = kinesis_agg.deaggregate(records)
    everything = []
    for user_record in iterator:
        everything.append(user_record.data)
        assert user_record.checkpoint == iterator.checkpoint
    for n, user_record in enumerate(kinesis_agg.deaggregate(records), 1):
        rest = kinesis_agg.deaggregate(records, resume_after=user_record.checkpoint)
        assert [r.data for r in rest] == everything[n:]
    for wrong in ("", "7", "x:1", "7:"):
        with pytest.raises(ValueError, match="resume_after"):
            kinesis_agg.deaggregate([], resume_after=wrong)


def test_filters_count_what_they_leave_out():
    records = sequence([aggregate(("a", "x", 5), ("b", "y", HALF)).data, b"plain"])
    low = (0, HALF - 1)
    whole = kinesis_agg.deaggregate(records, hash_key_range=low)
    assert [r.data for r in whole] == [b"plain"]
    assert whole.counters["user_records_left_out"] == 2
    single = kinesis_agg.deaggregate(records, hash_key_range=low, filter="per-user-record")
    assert [r.data for r in single] == [b"x", b"plain"]
    assert single.counters == {
        "kinesis_records": 2, "plain": 1, "aggregated": 1, "malformed": 0,
        "user_records_left_out": 1, "kinesis_records_skipped": 0, "user_records_skipped": 0,
    }  # fmt: skip
    for wrong in ({"filter": "x"}, {"malformed": "x"}, {"hash_key_range": (2, 1)},
                  {"hash_key_range": (0, 2**128)}):  # fmt: skip
        with pytest.raises(ValueError):
            kinesis_agg.deaggregate([], **wrong)


def test_malformed_aggregates(fixture_lines):
    [case] = [c for c in fixture_lines("decode.jsonl") if c["class"] == "bad_index"][:1]
    records = sequence([b"one", bytes.fromhex(case["input_hex"]), b"two"])
    delivered = list(kinesis_agg.deaggregate(records))
    assert [r.outcome for r in delivered] == ["plain", "malformed", "plain"]
    left = kinesis_agg.deaggregate(records, malformed="leave-out")
    assert [r.data for r in left] == [b"one", b"two"] and left.counters["malformed"] == 1
    raising = kinesis_agg.deaggregate(records, malformed="raise")
    assert next(raising).data == b"one"
    with pytest.raises(
        kinesis_agg.MalformedRecordError, match="record 1 .*101.* at byte"
    ) as raised:
        next(raising)
    assert (raised.value.record_index, raised.value.sequence_number) == (1, "101")
    assert raised.value.offset == delivered[1].malformed.offset and raised.value.reason
    assert [r.data for r in raising] == [b"two"]


def test_what_is_no_kinesis_record():
    for wrong in (7, None, "text", object(), [7], ["text"], [None]):
        with pytest.raises(TypeError):
            list(kinesis_agg.deaggregate(wrong))
    for wrong in ({}, {"x": 1}, [{"x": 1}], {"kinesis": {}}):
        with pytest.raises(KeyError, match="record 0"):
            list(kinesis_agg.deaggregate(wrong))
    iterator = kinesis_agg.deaggregate([b"kept", {"x": 1}, b"not reached"])
    assert next(iterator).data == b"kept"
    with pytest.raises(KeyError, match="record 1"):
        next(iterator)
    assert list(iterator) == []


def test_answers_of_boto3_and_events_of_subscribe_to_shard():
    blob = aggregate(("a", "x"), ("b", "y")).data
    record = {"SequenceNumber": "1", "ApproximateArrivalTimestamp": None, "Data": blob,
              "PartitionKey": "outer", "EncryptionType": "NONE"}  # fmt: skip
    answer = {"Records": [record, {**record, "Data": b"plain"}], "MillisBehindLatest": 0,
              "ResponseMetadata": {"HTTPStatusCode": 200}}  # fmt: skip
    for source in (answer, {"SubscribeToShardEvent": answer}):
        read = list(kinesis_agg.deaggregate(source))
        assert [r.partition_key for r in read] == ["a", "b", "outer"]
    printed = {**record, "Data": base64.b64encode(blob).decode()}
    assert len(list(kinesis_agg.deaggregate([printed]))) == 2


def test_powertools():
    powertools = pytest.importorskip("aws_lambda_powertools.utilities.data_classes")
    data = base64.b64encode(aggregate(("a", "x"), ("b", "y")).data).decode()
    kinesis = {"data": data, "partitionKey": "outer", "sequenceNumber": "7"}
    event = powertools.KinesisStreamEvent({"Records": [{"kinesis": kinesis}] * 2})
    for source in (event, event.records, list(event.records)):
        read = list(kinesis_agg.deaggregate(source))
        assert [r.partition_key for r in read] == ["a", "b"] * 2
    [one, _] = kinesis_agg.deaggregate(next(iter(event.records)))
    assert one.sequence_number == "7" and one.enclosing.kinesis.partition_key == "outer"


class Client:
    """A client with the part of boto3's that a manager needs: ListShards, in pages."""

    def __init__(self, *pages):
        self.pages, self.calls = list(pages), []

    def list_shards(self, **arguments):
        self.calls.append(arguments)
        page = self.pages.pop(0)
        return {"Shards": page, **({"NextToken": "t"} if self.pages else {})}


def listed(name, starting, ending, **more):
    span = {"StartingHashKey": str(starting), "EndingHashKey": str(ending)}
    return {"ShardId": name, "HashKeyRange": span, "SequenceNumberRange": {}, **more}


LOW, HIGH = listed("low", 0, HALF - 1), listed("high", HALF, 2**128 - 1)


def assert_in_its_shard(aggregates, spans):
    data = []
    for one in aggregates:
        low, high = spans[one.shard_id]
        for user_record in kinesis_agg.deaggregate(one.data):
            assert low <= user_record.hash_key <= high
            data.append(user_record.data)
        assert low <= kinesis_agg.hash_key(one.partition_key, one.explicit_hash_key) <= high
    return data


def test_a_manager_keeps_shards_apart_also_after_a_reshard():
    client = Client([LOW], [HIGH])
    manager = AggregationManager(client=client, stream_name="s", max_age=60, max_count=40)
    assert client.calls == [{"StreamName": "s"}, {"NextToken": "t"}]
    assert manager.shard_ids == ["low", "high"] and manager.next_due is None
    aggregates = []
    for n in range(100):
        aggregates += manager.add_user_record(f"k{n}", str(n))
    assert manager.next_due <= 60
    quarter = HALF // 2
    client.pages = [[
        {**LOW, "SequenceNumberRange": {"EndingSequenceNumber": "9"}}, HIGH,
        listed("l1", 0, quarter - 1, ParentShardId="low"),
        listed("l2", quarter, HALF - 1, ParentShardId="low"),
    ]]  # fmt: skip
    aggregates += manager.refresh()
    assert manager.shard_ids == ["l1", "l2", "high"]
    for n in range(100, 200):
        aggregates += manager.add_user_record(f"k{n}", str(n))
    aggregates += manager.flush()
    spans = {"low": (0, HALF - 1), "high": (HALF, 2**128 - 1), "l1": (0, quarter - 1),
             "l2": (quarter, HALF - 1)}  # fmt: skip
    data = assert_in_its_shard(aggregates, spans)
    assert sorted(data, key=int) == [str(n).encode() for n in range(200)]
    with pytest.raises(ValueError, match="no open shard"):
        manager.replace_shards([LOW])
    assert manager.shard_ids == ["l1", "l2", "high"]


def test_a_manager_s_age_limit():
    now = [5.0]
    manager = AggregationManager([("s", 0, 2**128 - 1)], max_age=0.1, clock=lambda: now[0])
    assert manager.add_user_record("a", "x") == [] and manager.next_due == pytest.approx(0.1)
    now[0] += 0.05
    assert manager.flush_due() == []
    now[0] += 0.06
    assert [len(one) for one in manager.flush_due()] == [1]
    manager.add_user_record("a", "x")
    now[0] += 0.2
    assert [len(one) for one in manager.add_user_record("a", "y")] == [2]


def test_a_manager_s_thread_flushes_what_is_due():
    seen = []
    with AggregationManager([("s", 0, 2**128 - 1)], seen.append, max_age=0.02) as manager:
        manager.add_user_record("a", "x")
        deadline = time.monotonic() + 20
        while not seen and time.monotonic() < deadline:
            time.sleep(0.005)
        assert len(seen) == 1
        manager.add_user_record("a", "y")
    assert sum(len(one) for one in seen) == 2
    names = [thread.name for thread in threading.enumerate()]
    assert "kinesis_agg.AggregationManager" not in names


def test_a_manager_hands_out_again_what_a_callback_did_not_take():
    seen, failing = [], [True]

    def callback(one):
        if failing[0]:
            raise OSError("no network")
        seen.append(one)

    manager = AggregationManager([("s", 0, 2**128 - 1)], callback, max_age=60, max_count=2)
    manager.add_user_record("a", "1")
    manager.add_user_record("a", "2")
    with pytest.raises(OSError):
        manager.add_user_record("a", "3")
    failing[0] = False
    manager.flush()
    assert assert_in_its_shard(seen, {"s": (0, 2**128 - 1)}) == [b"1", b"2", b"3"]


def test_a_manager_s_callback_may_add():
    sent = []

    def callback(one):
        if not sent:
            manager.add_user_record("again", "again")
        sent.append(one)

    manager = AggregationManager([("s", 0, 2**128 - 1)], callback, max_age=60, max_count=1)
    for n in range(3):
        manager.add_user_record("a", str(n))
    manager.flush()
    data = assert_in_its_shard(sent, {"s": (0, 2**128 - 1)})
    assert sorted(data) == [b"0", b"1", b"2", b"again"]


@pytest.mark.parametrize(
    "shards",
    [[], [LOW], [LOW, LOW], [LOW, HIGH, listed("both", 0, 2**128 - 1)], [("s", 0, 2**128)],
     [("s", 5, 4)], [listed("s", "x", "7")]],
)  # fmt: skip
def test_shards_that_do_not_cover_every_hash_key_once(shards):
    with pytest.raises(ValueError):
        AggregationManager(shards)


def test_a_manager_needs_shards_and_a_callback():
    with pytest.raises(ValueError, match="client"):
        AggregationManager()
    with pytest.raises(ValueError, match="callback"):
        AggregationManager([("s", 0, 2**128 - 1)]).__enter__()
    with pytest.raises(TypeError):
        AggregationManager([7])
    sharded = kinesis_agg.ShardedAggregator([LOW, HIGH], max_buffered_bytes=50)
    with pytest.raises(ValueError, match="now"):
        sharded.add("a", "x", now=-1.0)
    sharded.add("a", "x", now=0.0)
    with pytest.raises(BufferError, match="available"):
        sharded.add("a", "x" * 20, now=0.0)
    with pytest.raises(kinesis_agg.RejectedError, match="user record rejected"):
        sharded.add("a", "x" * 60, now=0.0)
    assert sharded.shard_of(HALF) == "high" and sharded.buffered_bytes > 0
