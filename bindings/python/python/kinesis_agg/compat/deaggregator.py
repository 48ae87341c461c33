"""``aws_kinesis_agg.deaggregator``: user records out of Kinesis records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Union

from .._native import EventRecords

__all__ = ["deaggregate_records", "iter_deaggregate_records"]

Records = Union[Mapping[str, Any], Iterable[Mapping[str, Any]]]


def deaggregate_records(records: Records) -> list[Any]:
    """Returns the user records of Kinesis records, as a list.

    See ``iter_deaggregate_records``.
    """
    return list(EventRecords(records))


def iter_deaggregate_records(records: Records, data_format: str | None = None) -> Iterator[Any]:
    """Yields the user records of Kinesis records: dicts as in a Lambda event.

    A Kinesis record that is not aggregated is yielded unchanged, and so is a malformed
    one, which is also logged as a warning to the logger ``kinesis_agg``.

    records: one Kinesis record, or an iterable of them, in the shape of an event of
    Lambda, Firehose or Kinesis Analytics; with data_format "Boto3", of ``get_records``.
    """
    yield from EventRecords(records, data_format)
