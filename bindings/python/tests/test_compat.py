"""Behaviour of the drop-in that no bytes show. Protects what programs rely on: names,
arguments, types of exceptions, when callbacks run, and that the caller loses nothing."""

import base64
import binascii
import copy
import gc
import inspect
import pickle
import threading
import weakref

import kinesis_agg
import pytest
from kinesis_agg import compat
from kinesis_agg.compat import aggregator as module
from kinesis_agg.compat import deaggregator
from kinesis_agg.compat.aggregator import AggRecord, KeySet, RecordAggregator


def full(aggregator, data=b"x" * 1000):
    """Adds until an aggregated record is full, and returns that."""
    while True:
        record = aggregator.add_user_record("a", data)
        if record is not None:
            return record


def read(record):
    return [user_record.data for user_record in kinesis_agg.deaggregate(record.get_contents()[2])]


def test_constants():
    assert (compat.MAGIC, compat.DIGEST_SIZE) == (b"\xf3\x89\x9a\xc2", 16)
    assert compat.MAX_BYTES_PER_RECORD == 1024 * 1024


def test_arguments_have_the_module_s_names():
    def names(function):
        return list(inspect.signature(function).parameters)

    assert names(RecordAggregator) == ["max_size"]
    assert names(RecordAggregator.add_user_record) == [
        "self", "partition_key", "data", "explicit_hash_key",
    ]  # fmt: skip
    assert names(AggRecord.add_user_record) == names(RecordAggregator.add_user_record)
    assert names(RecordAggregator.on_record_complete) == [
        "self", "callback", "execute_on_new_thread",
    ]  # fmt: skip
    assert names(deaggregator.deaggregate_records) == ["records"]
    assert names(deaggregator.iter_deaggregate_records) == ["records", "data_format"]
    assert inspect.isgeneratorfunction(deaggregator.iter_deaggregate_records)


def test_an_empty_aggregator():
    aggregator = RecordAggregator()
    assert aggregator.clear_and_get() is None
    assert aggregator.get_num_user_records() == 0 and aggregator.get_size_bytes() == 20
    record = AggRecord()
    assert record.get_partition_key() is None and record.get_explicit_hash_key() is None
    with pytest.raises(ValueError, match="empty"):
        record.get_contents()


def test_contents_do_not_change_the_record():
    record = AggRecord()
    assert record.add_user_record("a", "text", "7") is True
    assert record.add_user_record(b"b", b"bytes", b"8") is True
    contents = record.get_contents()
    assert contents == record.get_contents() and contents[:2] == ("a", "7")
    assert record.get_size_bytes() == len(contents[2]) and record.get_num_user_records() == 2
    assert record.add_user_record("a", memoryview(b"view")) is True
    assert read(record) == [b"text", b"bytes", b"view"]
    assert record.partition_keys.keys == ["a", "b"]
    assert record.explicit_hash_keys.lookup == {"7": 0, "8": 1}
    record.clear()
    assert record.get_num_user_records() == 0


def test_a_record_that_is_full_stays_as_it_was():
    record = AggRecord(max_size=100)
    assert record.add_user_record("a", b"x" * 50) is True
    before = record.get_contents()
    assert record.add_user_record("a", b"x" * 50) is False
    with pytest.raises(ValueError, match="too large|bytes"):
        record.add_user_record("a", b"x" * 100)
    assert record.get_contents() == before and record.max_size == 100
    record.max_size = 1000
    assert record.add_user_record("a", b"x" * 100) is True
    assert len(read(record)) == 2


@pytest.mark.parametrize("max_size", [0, -1, -(2**100), 1, 0.5, 19, True])
def test_a_size_that_holds_nothing_is_found_when_adding(max_size):
    aggregator = RecordAggregator(max_size=max_size)
    with pytest.raises(ValueError):
        aggregator.add_user_record("a", b"x")
    assert aggregator.get_num_user_records() == 0


def test_a_size_above_the_limit():
    for max_size in (1024 * 1024 + 1, 2**200, float("inf")):
        with pytest.raises(ValueError, match="max_size"):
            RecordAggregator(max_size)
    for wrong in ("7", None, b"7"):
        with pytest.raises(TypeError):
            RecordAggregator(wrong)


def test_copies_and_pickles_go_on_by_themselves():
    record = AggRecord()
    record.add_user_record("a", b"x", "7")
    record.note = ["kept"]
    for copied in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert type(copied) is AggRecord and copied.note == ["kept"]
        assert copied.get_contents() == record.get_contents()
        copied.add_user_record("b", b"y")
        assert (record.get_num_user_records(), copied.get_num_user_records()) == (1, 2)
    assert copy.deepcopy(AggRecord(77)).max_size == 77
    assert pickle.loads(pickle.dumps(AggRecord(77))).get_num_user_records() == 0
    aggregator = RecordAggregator(3000)
    aggregator.add_user_record("a", b"x")
    for copied in (copy.deepcopy(aggregator), pickle.loads(pickle.dumps(aggregator))):
        assert copied.max_size == 3000 and copied.callbacks == []
        copied.add_user_record("b", b"y")
        assert read(copied.clear_and_get()) == [b"x", b"y"]
        assert aggregator.get_num_user_records() == 1
    shared = copy.copy(aggregator)
    assert shared.current_record is aggregator.current_record


def test_an_aggregator_in_a_cycle_is_collected():
    for kind in (AggRecord, type("Mine", (AggRecord,), {})):
        aggregator = RecordAggregator()
        aggregator.current_record = record = kind()
        record.owner = aggregator
        watch = weakref.ref(record)
        del aggregator, record
        gc.collect()
        assert watch() is None


def test_any_object_may_be_the_current_record():
    class Recording:
        def add_user_record(self, *arguments):
            seen.append(arguments)
            return True

    seen = []
    aggregator = RecordAggregator()
    aggregator.current_record = Recording()
    assert aggregator.add_user_record(7, None) is None and seen == [(7, None, None)]
    with pytest.raises(AttributeError):
        RecordAggregator.__new__(RecordAggregator).add_user_record("a", b"x")


def test_settings_of_another_aggregator_are_not_inherited():
    """Memory is reused, settings are not."""
    other = kinesis_agg.Aggregator(max_size=200, outer_key="kpl", lone="raw")
    while other.add("b", b"x" * 50) is None:
        pass
    record = AggRecord()
    record.add_user_record("b", b"x")
    assert record.get_contents()[:2] == ("b", None) and read(record) == [b"x"]


def test_subclasses():
    class Tagged(RecordAggregator):
        def add_user_record(self, partition_key, data, explicit_hash_key=None):
            return super().add_user_record(partition_key, b"tag:" + data, explicit_hash_key)

    class Mine(AggRecord):
        def get_partition_key(self):
            return "mine"

    aggregator = Tagged()
    aggregator.current_record = Mine()
    aggregator.add_user_record("a", b"x")
    record = aggregator.clear_and_get()
    assert record.get_partition_key() == "mine" and read(record) == [b"tag:x"]


def test_key_set():
    keys = KeySet()
    assert keys.get_potential_index("a") == 0
    assert keys.add_key("a") == (True, 0) and keys.add_key("b") == (True, 1)
    assert keys.add_key("a") == (False, 0) and keys.get_potential_index("c") == 2
    assert keys.contains("a") and not keys.contains("c") and not keys.contains(None)
    keys.clear()
    assert keys.keys == [] and keys.lookup == {}


def test_callbacks_run_on_a_new_thread_each_time():
    aggregator = RecordAggregator(3000)
    seen, threads, lock = [], set(), threading.Lock()

    def callback(record):
        with lock:
            seen.append(record.get_contents()[2])
            threads.add(threading.current_thread())

    aggregator.on_record_complete(callback)
    aggregator.on_record_complete(callback)
    returned = [full(aggregator).get_contents()[2] for _ in range(3)]
    for thread in list(threads):
        thread.join()
    while len(seen) < 3:
        pass
    assert sorted(seen) == sorted(returned) and threading.main_thread() not in threads
    assert len(threads) == 3
    aggregator.clear_callbacks()
    full(aggregator)
    assert aggregator.callbacks == [] and len(seen) == 3


def test_callbacks_on_the_caller_s_thread():
    aggregator = RecordAggregator(3000)
    seen = []
    aggregator.on_record_complete(seen.append, execute_on_new_thread=False)
    returned = full(aggregator)
    assert seen == [returned] and aggregator.get_num_user_records() == 1


def test_a_callback_that_raises_leaves_everything_as_it_was():
    aggregator = RecordAggregator(3000)
    failing = True

    def callback(record):
        if failing:
            raise OSError("no network")

    aggregator.on_record_complete(callback, False)
    with pytest.raises(OSError, match="no network"):
        full(aggregator)
    before = aggregator.get_num_user_records()
    with pytest.raises(OSError):
        aggregator.add_user_record("b", b"y" * 1000)
    assert aggregator.get_num_user_records() == before
    failing = False
    complete = aggregator.add_user_record("b", b"y" * 1000)
    assert len(read(complete)) == before and read(aggregator.clear_and_get()) == [b"y" * 1000]


def test_a_callback_that_adds_again_gets_an_error():
    aggregator = RecordAggregator(3000)
    aggregator.on_record_complete(
        lambda record: aggregator.add_user_record("c", b"z" * 1000), False
    )
    with pytest.raises(RuntimeError, match="callbacks"):
        full(aggregator)
    aggregator.clear_callbacks()
    assert full(aggregator).get_num_user_records() >= 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((None, b"x"), TypeError),
        ((7, b"x"), TypeError),
        (("a", None), TypeError),
        (("a", 7), TypeError),
        (("a", b"x", []), TypeError),
        (("", b"x"), ValueError),
        (("k" * 257, b"x"), ValueError),
        (("\ud800", b"x"), UnicodeEncodeError),
        (("a", "\udfff"), UnicodeEncodeError),
        ((b"\xff", b"x"), ValueError),
        (("a", b"x", "abc"), ValueError),
        (("a", b"x", "-1"), ValueError),
        (("a", b"x", 2**128), ValueError),
        (("a", b"x", -1), ValueError),
        (("a", bytes(1 << 20)), ValueError),
    ],
)
def test_what_no_record_can_hold_changes_nothing(arguments, error):
    aggregator = RecordAggregator()
    aggregator.add_user_record("a", b"kept", "7")
    with pytest.raises(error):
        aggregator.add_user_record(*arguments)
    assert read(aggregator.clear_and_get()) == [b"kept"]


def test_a_malformed_aggregate_is_yielded_unchanged_and_logged(caplog, fixture_lines):
    [case] = [c for c in fixture_lines("decode.jsonl") if c["class"] == "bad_index"][:1]
    data = base64.b64encode(bytes.fromhex(case["input_hex"])).decode()
    record = {"kinesis": {"data": data}}
    good = {"kinesis": {"data": "eA=="}}
    assert compat.deaggregate_records([good, record, good]) == [good, record, good]
    [entry] = caplog.records
    assert entry.name == "kinesis_agg" and "record 1" in entry.message
    assert "at byte" in entry.message


def test_errors_name_the_record():
    good = {"kinesis": {"data": "eA=="}}
    iterator = compat.iter_deaggregate_records([good, {"kinesis": {"data": "AAA"}}, good])
    assert next(iterator) is good
    with pytest.raises(binascii.Error, match="record 1"):
        next(iterator)
    assert list(iterator) == []
    with pytest.raises(KeyError, match="record 0 has no .*kinesis"):
        compat.deaggregate_records([{"records": []}])


@pytest.mark.parametrize(
    ("text", "error", "character"),
    [
        ("AAA", binascii.Error, 3),
        ("AAAA\nAA=", binascii.Error, 8),
        ("AA!A", binascii.Error, 2),
        ("A=AA", binascii.Error, 1),
        (b"AA\xff", binascii.Error, 2),
        (bytearray(b"A"), binascii.Error, 1),
        ("AAä=", ValueError, 2),
        ("A\ud800A", ValueError, 1),
    ],
)
def test_base64_errors_name_the_character(text, error, character):
    records = [{"kinesis": {"data": "eA=="}}, {"kinesis": {"data": text}}]
    for read in (compat.deaggregate_records, lambda given: list(kinesis_agg.deaggregate(given))):
        with pytest.raises(error, match=f"record 1: .* at character {character}: "):
            read(records)


def test_a_generator_is_read_as_it_yields():
    taken = []

    def source():
        for n in range(5):
            taken.append(n)
            yield {"kinesis": {"data": "eA=="}}

    iterator = compat.iter_deaggregate_records(source())
    assert taken == []
    next(iterator)
    assert taken == [0]
    iterator.close()
    assert list(iterator) == []


def test_mappings_that_are_no_dicts():
    from collections import ChainMap, OrderedDict, UserDict
    from types import MappingProxyType

    aggregator = RecordAggregator()
    aggregator.add_user_record("a", b"x")
    kinesis = {"data": base64.b64encode(aggregator.clear_and_get().get_contents()[2])}
    plain = compat.deaggregate_records([{"kinesis": kinesis, "eventID": 7}])
    assert plain[0]["kinesis"]["partitionKey"] == "a" and plain[0]["eventID"] == 7
    for kind in (OrderedDict, UserDict, ChainMap, MappingProxyType):
        record = kind({"kinesis": kind(dict(kinesis)), "eventID": 7})
        assert compat.deaggregate_records(record) == plain
        assert compat.deaggregate_records((record,)) == plain


def test_the_module_s_public_names_are_here():
    assert {"AggRecord", "KeySet", "RecordAggregator"} <= set(dir(module))
    methods = {
        AggRecord: "add_user_record clear get_contents get_explicit_hash_key "
        "get_num_user_records get_partition_key get_size_bytes",
        KeySet: "add_key clear contains get_potential_index",
        RecordAggregator: "add_user_record clear_and_get clear_callbacks clear_record "
        "get_num_user_records get_size_bytes on_record_complete",
    }
    for kind, names in methods.items():
        assert all(callable(getattr(kind, name)) for name in names.split())
    assert {"callbacks", "current_record", "max_size"} <= set(dir(RecordAggregator()))
    assert {"partition_keys", "explicit_hash_keys", "max_size"} <= set(dir(AggRecord()))
