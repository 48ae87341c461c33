"""Kinesis aggregated records (the KPL format): deaggregation and aggregation.

Replaces ``aws_kinesis_agg``::

    import kinesis_agg
    kinesis_agg.install_as_aws_kinesis_agg()
"""

from __future__ import annotations

import sys

from ._native import (
    DIGEST_SIZE,
    MAGIC,
    MAX_BYTES_PER_RECORD,
    Aggregate,
    Aggregator,
    Deaggregated,
    MalformedRecordError,
    RejectedError,
    ShardedAggregator,
    UserRecord,
    __version__,
    deaggregate,
    hash_key,
)
from .manager import AggregationManager

__all__ = [
    "DIGEST_SIZE",
    "MAGIC",
    "MAX_BYTES_PER_RECORD",
    "Aggregate",
    "AggregationManager",
    "Aggregator",
    "Deaggregated",
    "MalformedRecordError",
    "RejectedError",
    "ShardedAggregator",
    "UserRecord",
    "__version__",
    "deaggregate",
    "hash_key",
    "install_as_aws_kinesis_agg",
]


def install_as_aws_kinesis_agg() -> None:
    """Makes ``import aws_kinesis_agg`` import ``kinesis_agg.compat``.

    Call it before the first import of ``aws_kinesis_agg``. Modules that imported the real
    one before keep using that.
    """
    from . import compat
    from .compat import aggregator, deaggregator

    name = "aws_kinesis_agg"
    for imported in list(sys.modules):
        if imported.startswith(name + "."):
            del sys.modules[imported]
    sys.modules[name] = compat
    sys.modules[name + ".aggregator"] = aggregator
    sys.modules[name + ".deaggregator"] = deaggregator
