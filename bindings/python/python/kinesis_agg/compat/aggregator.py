"""``aws_kinesis_agg.aggregator``: packs user records into aggregated records."""

from __future__ import annotations

import copy
import threading
from typing import Any, Callable, TypeVar

from .. import _native
from .._native import MAX_BYTES_PER_RECORD
from ..manager import AggregationManager

__all__ = ["AggRecord", "AggregationManager", "KeySet", "RecordAggregator"]

Callback = Callable[["AggRecord"], object]
Self = TypeVar("Self", bound="AggRecord")


class KeySet:
    """A list of keys without duplicates, and the index of each."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.lookup: dict[Any, int] = {}

    def get_potential_index(self, key: Any) -> int:
        """Returns the index of a key, or the index that it would get if it is new."""
        return self.lookup.get(key, len(self.keys))

    def add_key(self, key: Any) -> tuple[bool, int]:
        """Adds a key if it is new. Returns whether it was, and its index."""
        index = self.get_potential_index(key)
        is_new = index == len(self.keys)
        if is_new:
            self.lookup[key] = index
            self.keys.append(key)
        return is_new, index

    def contains(self, key: Any) -> bool:
        """Returns whether the list contains the key; False for None."""
        return key is not None and key in self.lookup

    def clear(self) -> None:
        """Removes all keys."""
        self.keys.clear()
        self.lookup.clear()


class AggRecord(_native.AggRecord):
    """An aggregated record, to which user records are added until it is full."""

    @property
    def partition_keys(self) -> KeySet:
        """A copy of the partition keys, in the order of their first use."""
        return _key_set(self._keys()[0])

    @property
    def explicit_hash_keys(self) -> KeySet:
        """A copy of the explicit hash keys, in the order of their first use."""
        return _key_set(self._keys()[1])

    def __copy__(self: Self) -> Self:
        other = type(self)(self.max_size)
        other.__dict__.update(self.__dict__)
        other._share(self)
        return other

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        other = copy.copy(self)
        memo[id(self)] = other
        for name, value in other.__dict__.items():
            other.__dict__[name] = copy.deepcopy(value, memo)
        return other

    def __reduce__(self) -> Any:
        data = self.get_contents()[2] if self.get_num_user_records() else None
        return type(self), (self.max_size,), (data, self.__dict__)

    def __setstate__(self, state: tuple[bytes | None, dict[str, Any]]) -> None:
        data, attributes = state
        if data is not None:
            self._restore(data)
        self.__dict__.update(attributes)


def _key_set(keys: list[Any]) -> KeySet:
    key_set = KeySet()
    for key in keys:
        key_set.add_key(key)
    return key_set


class RecordAggregator(_native.RecordAggregator):
    """Packs user records into aggregated records, one after the other.

    Only one thread at a time may use it. Threads may share a ``kinesis_agg.Aggregator``.
    """

    current_record: AggRecord

    def __init__(self, max_size: float = MAX_BYTES_PER_RECORD) -> None:
        """max_size: the largest Kinesis record in bytes, data plus partition key."""
        if max_size > MAX_BYTES_PER_RECORD:
            raise ValueError(f"max_size is {max_size}; the largest is {MAX_BYTES_PER_RECORD}")
        self.max_size = max_size
        self.current_record = AggRecord(max_size)
        self.callbacks: list[tuple[Callback, bool]] = []
        self._is_completing = False

    def on_record_complete(self, callback: Callback, execute_on_new_thread: bool = True) -> None:
        """Registers a function to call with each aggregated record that is full.

        execute_on_new_thread: True calls it on a new thread each time, False on the thread
        that calls ``add_user_record``. If a callback on that thread raises,
        ``add_user_record`` raises the exception, and the user record has not been added.
        """
        if all(callback != known for known, _ in self.callbacks):
            self.callbacks.append((callback, execute_on_new_thread))

    def get_num_user_records(self) -> int:
        """Returns the number of user records in the current aggregated record."""
        return self.current_record.get_num_user_records()

    def get_size_bytes(self) -> int:
        """Returns the length of the current aggregated record's data, in bytes."""
        return self.current_record.get_size_bytes()

    def clear_record(self) -> None:
        """Drops the user records in the current aggregated record."""
        self.current_record = AggRecord(self.max_size)

    def clear_callbacks(self) -> None:
        """Removes all callbacks."""
        self.callbacks.clear()

    def clear_and_get(self) -> AggRecord | None:
        """Returns the current aggregated record and starts the next.

        Returns None if there are no user records.
        """
        if self.get_num_user_records() == 0:
            return None
        record = self.current_record
        self.clear_record()
        return record

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "current_record": self.current_record}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def _complete(
        self,
        partition_key: str | bytes,
        data: str | bytes,
        explicit_hash_key: str | bytes | int | None,
    ) -> AggRecord:
        """Starts the next aggregated record with a user record that does not fit."""
        if self._is_completing:
            raise RuntimeError("the aggregated record is full, and its callbacks are still running")
        following = AggRecord(self.max_size)
        following.add_user_record(partition_key, data, explicit_hash_key)
        complete = copy.copy(self.current_record) if self.callbacks else self.current_record
        self._is_completing = True
        try:
            for callback, execute_on_new_thread in list(self.callbacks):
                if execute_on_new_thread:
                    threading.Thread(target=callback, args=(complete,)).start()
                else:
                    callback(complete)
        finally:
            self._is_completing = False
        self.current_record = following
        return complete
