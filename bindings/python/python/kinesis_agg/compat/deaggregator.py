"""``aws_kinesis_agg.deaggregator``: extracts user records from Kinesis records."""

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
    """Yields the user records of Kinesis records, as dicts like the records of a Lambda event.

    A Kinesis record that is not aggregated is yielded unchanged. So is a malformed one,
    with a warning to the logger ``kinesis_agg``.

    records: a Kinesis record, or an iterable of them, as in an event of Lambda, Firehose or
    Kinesis Analytics.
    data_format: "Boto3" for the records that boto3's ``get_records`` returns.
    """
    yield from EventRecords(records, data_format)
