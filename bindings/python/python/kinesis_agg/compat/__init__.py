"""The names of ``aws_kinesis_agg`` 1.2.3, without protobuf.

``kinesis_agg.install_as_aws_kinesis_agg()`` makes this package importable as
``aws_kinesis_agg``. The documentation of ``aws_kinesis_agg`` imports classes and functions
from the package itself, where the real one has none; here they exist.
"""

from .._native import DIGEST_SIZE, MAGIC, MAX_BYTES_PER_RECORD
from . import aggregator, deaggregator
from .aggregator import AggRecord, AggregationManager, KeySet, RecordAggregator
from .deaggregator import deaggregate_records, iter_deaggregate_records

__all__ = [
    "DIGEST_SIZE",
    "MAGIC",
    "MAX_BYTES_PER_RECORD",
    "AggRecord",
    "AggregationManager",
    "KeySet",
    "RecordAggregator",
    "aggregator",
    "deaggregate_records",
    "deaggregator",
    "iter_deaggregate_records",
]
