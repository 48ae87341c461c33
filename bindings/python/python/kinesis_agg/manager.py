"""One aggregate for each shard of a stream, with a clock, a callback and a boto3 client."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Callable

from ._native import MAX_BYTES_PER_RECORD, Aggregate, ShardedAggregator

_log = logging.getLogger("kinesis_agg")


class AggregationManager:
    """Packs user records into aggregates, one for each shard.

    All user records of an aggregate belong to one shard. Consumers drop user records that
    are stored in another shard.

    An aggregate is complete when it is full, or when its oldest user record has waited for
    ``max_age`` seconds. Each call of ``add_user_record`` and ``flush_due`` checks the age.
    In a ``with`` statement, which needs a callback, a background thread checks it, too.

    shards: the shards as ListShards returns them, or tuples of shard id, lowest and highest
    hash key. None: the manager lists the shards with ``client``, a boto3 client, and
    ``stream_name`` or ``stream_arn``.

    callback: a function that is called with each complete Aggregate, one at a time, in
    order. If it raises, the method that completed the aggregate raises that exception, and
    the next call passes the same aggregate to the callback again.

    max_age: how long a user record waits at most, in seconds.
    max_size: the largest Kinesis record in bytes, data plus partition key.
    max_count: the largest number of user records in an aggregate.
    clock: returns the time in seconds; for tests.

    ``add_user_record``, ``flush_due``, ``flush``, ``replace_shards`` and ``refresh`` return
    a list of the aggregates that they completed; with a callback, of those that it accepted.
    The list can be empty.

    Threads may share a manager.
    """

    def __init__(
        self,
        shards: Iterable[Any] | None = None,
        callback: Callable[[Aggregate], object] | None = None,
        *,
        client: Any = None,
        stream_name: str | None = None,
        stream_arn: str | None = None,
        max_age: float = 0.1,
        max_size: int = MAX_BYTES_PER_RECORD,
        max_count: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._stream = {"StreamName": stream_name, "StreamARN": stream_arn}
        self._stream = {name: value for name, value in self._stream.items() if value is not None}
        self._callback = callback
        self._clock = clock
        self._start = clock()
        # Guards the order of complete aggregates. Reentrant: a callback may call the manager.
        self._lock = threading.RLock()
        self._complete: deque[Aggregate] = deque()
        self._is_delivering = False
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None
        self._sharded = ShardedAggregator(
            self._list_shards() if shards is None else shards,
            max_size=max_size,
            max_count=max_count,
            max_age=max_age,
        )

    def add_user_record(
        self,
        partition_key: str | bytes,
        data: str | bytes,
        explicit_hash_key: int | str | bytes | None = None,
    ) -> list[Aggregate]:
        """Adds a user record to the aggregate of its shard.

        Returns the aggregates that are now complete or due. Raises RejectedError if no aggregate can
        hold the user record, and BufferError if too many bytes wait: flush first. In both
        cases, nothing has changed. If the callback raises, the user record has been added.
        """
        with self._lock:
            now = self._now()
            is_idle = self._sharded.next_due is None
            full = self._sharded.add(partition_key, data, explicit_hash_key, now=now)
            if full is not None:
                self._complete.append(full)
            due = self._sharded.next_due
            if due is not None and due <= now:
                self._complete.extend(self._sharded.flush_due(now))
            if is_idle:
                self._wake.set()
            return self._deliver()

    def flush_due(self) -> list[Aggregate]:
        """Completes the aggregates whose oldest user record has waited for ``max_age``."""
        with self._lock:
            self._complete.extend(self._sharded.flush_due(self._now()))
            return self._deliver()

    def flush(self) -> list[Aggregate]:
        """Completes all aggregates."""
        with self._lock:
            self._complete.extend(self._sharded.flush())
            return self._deliver()

    def replace_shards(self, shards: Iterable[Any]) -> list[Aggregate]:
        """Replaces the shards, for example after a reshard.

        User records that wait for a closed shard move to the shards that replace it. Raises
        ValueError if the open shards do not cover every hash key exactly once, as happens
        while a stream reshards; nothing has changed then. List the shards again later.
        """
        with self._lock:
            self._complete.extend(self._sharded.replace_shards(shards))
            return self._deliver()

    def refresh(self) -> list[Aggregate]:
        """Lists the shards with the client and replaces the old ones.

        Raises what ``replace_shards`` raises, and ValueError without a client.
        """
        return self.replace_shards(self._list_shards())

    @property
    def shard_ids(self) -> list[str]:
        """The ids of the open shards, from the lowest hash key to the highest."""
        return self._sharded.shard_ids

    @property
    def next_due(self) -> float | None:
        """Seconds until the next aggregate is due, or None if no user record waits."""
        due = self._sharded.next_due
        return None if due is None else max(0.0, due - self._now())

    def __enter__(self) -> AggregationManager:
        if self._callback is None:
            raise ValueError("a manager in a with statement must have a callback")
        self._stop = False
        self._thread = threading.Thread(
            target=self._watch, name="kinesis_agg.AggregationManager", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops the thread and completes all aggregates, also after an exception."""
        self._stop = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None
        self.flush()

    def _now(self) -> float:
        return max(0.0, self._clock() - self._start)

    def _list_shards(self) -> list[Any]:
        if self._client is None or not self._stream:
            raise ValueError("pass shards, or a client with stream_name or stream_arn")
        shards: list[Any] = []
        arguments: dict[str, Any] = dict(self._stream)
        while True:
            answer = self._client.list_shards(**arguments)
            shards.extend(answer["Shards"])
            token = answer.get("NextToken")
            if not token:
                return shards
            arguments = {"NextToken": token}

    def _deliver(self) -> list[Aggregate]:
        if self._callback is None:
            complete = list(self._complete)
            self._complete.clear()
            return complete
        delivered: list[Aggregate] = []
        # A callback that calls the manager must not be given the same aggregate again.
        if self._is_delivering:
            return delivered
        self._is_delivering = True
        try:
            while self._complete:
                self._callback(self._complete[0])
                delivered.append(self._complete.popleft())
        finally:
            self._is_delivering = False
        return delivered

    def _watch(self) -> None:
        while not self._stop:
            self._wake.wait(self.next_due)
            self._wake.clear()
            if self._stop:
                return
            if self.next_due == 0.0:
                try:
                    self.flush_due()
                except Exception:
                    # The next call passes the aggregate to the callback again.
                    _log.exception(
                        "the callback raised; it gets the aggregate again with the next call"
                    )
