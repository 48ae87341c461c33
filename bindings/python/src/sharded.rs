//! Packs user records into an aggregate for each shard.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kinesis_agg::shards::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BUFFERED_LEN, RejectionReason, ShardAggregate, ShardedLimits,
};
use kinesis_agg::{HashKeyRange, Shard, ShardMap, ShardedAggregator as Sharded};
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyMapping;

use crate::aggregate::{Aggregate, Given, limits_of};
use crate::errors::{RejectedError, rejected};
use crate::record::get;
use crate::text::hash_key_of;

/// Packs user records into aggregates, one for each shard. It has no clock: the caller passes
/// the time as `now`, in seconds since any fixed moment. AggregationManager adds a clock and
/// callbacks.
///
/// shards: the shards as ListShards returns them, or tuples of shard id, lowest and highest
/// hash key.
/// max_size: the largest Kinesis record in bytes, data plus partition key.
/// max_count: the largest number of user records in an aggregate.
/// max_age: how long a user record waits at most, in seconds, until `flush_due` completes its
/// aggregate.
/// max_buffered_bytes: the largest number of bytes that all aggregates hold together.
///
/// Threads may share it.
#[pyclass(frozen, module = "kinesis_agg")]
pub(crate) struct ShardedAggregator {
    sharded: Mutex<Sharded>,
}

impl ShardedAggregator {
    fn with<T>(&self, py: Python<'_>, f: impl FnOnce(&mut Sharded) -> T) -> T {
        let sharded = self.sharded.lock_py_attached(py);
        f(&mut sharded.unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl ShardedAggregator {
    #[new]
    #[pyo3(signature = (
        shards, *, max_size=None, max_count=None, max_age=None, max_buffered_bytes=None
    ))]
    fn new(
        shards: &Bound<'_, PyAny>,
        max_size: Option<&Bound<'_, PyAny>>,
        max_count: Option<&Bound<'_, PyAny>>,
        max_age: Option<f64>,
        max_buffered_bytes: Option<usize>,
    ) -> PyResult<Self> {
        let max_age = max_age.map(|age| seconds(age, "max_age")).transpose()?;
        let limits = ShardedLimits::new()
            .with_limits(limits_of(max_size, max_count)?)
            .with_max_age(max_age.unwrap_or(DEFAULT_MAX_AGE))
            .with_max_buffered_len(max_buffered_bytes.unwrap_or(DEFAULT_MAX_BUFFERED_LEN));
        Ok(Self {
            sharded: Mutex::new(Sharded::new(shard_map(shards)?, limits)),
        })
    }

    /// Adds a user record to the aggregate of its shard. If it does not fit, returns that
    /// aggregate, and the user record starts the next one.
    ///
    /// Raises RejectedError if no aggregate can hold the user record, and BufferError if
    /// `max_buffered_bytes` is reached: flush first. In both cases, nothing has changed.
    #[pyo3(signature = (partition_key, data, explicit_hash_key=None, *, now))]
    fn add(
        &self,
        py: Python<'_>,
        partition_key: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        explicit_hash_key: Option<&Bound<'_, PyAny>>,
        now: f64,
    ) -> PyResult<Option<Aggregate>> {
        let given = Given::new(partition_key, data, explicit_hash_key)?;
        let now = seconds(now, "now")?;
        let pushed = self.with(py, |sharded| {
            let pushed = sharded.push(&given, (), now);
            pushed.map_err(|error| error.reason)
        });
        match pushed {
            Ok(complete) => Ok(complete.map(to_python)),
            Err(RejectionReason::Unfit(reason)) => Err(rejected(reason)),
            Err(reason @ RejectionReason::BufferFull { .. }) => Err(PyBufferError::new_err(
                format!("{reason}: flush first, or raise max_buffered_bytes"),
            )),
            Err(reason) => {
                let text = format!("user record rejected: {reason}");
                Err(RejectedError::new_err(text))
            }
        }
    }

    /// Completes and returns all aggregates, the one with the oldest user record first.
    fn flush(&self, py: Python<'_>) -> Vec<Aggregate> {
        let complete = self.with(py, |sharded| py.detach(|| sharded.flush_all()));
        complete.into_iter().map(to_python).collect()
    }

    /// Completes and returns the aggregates whose oldest user record has waited for
    /// `max_age`.
    fn flush_due(&self, py: Python<'_>, now: f64) -> PyResult<Vec<Aggregate>> {
        let now = seconds(now, "now")?;
        let complete: Vec<_> = self.with(py, |sharded| {
            py.detach(|| std::iter::from_fn(|| sharded.flush_due(now)).collect())
        });
        Ok(complete.into_iter().map(to_python).collect())
    }

    /// Replaces the shards, for example after a reshard. User records that wait for a closed
    /// shard move to the shards that replace it. Returns the aggregates that this completed.
    ///
    /// Raises ValueError if the open shards do not cover every hash key exactly once; nothing
    /// has changed then.
    fn replace_shards(&self, shards: &Bound<'_, PyAny>) -> PyResult<Vec<Aggregate>> {
        let map = shard_map(shards)?;
        let py = shards.py();
        let complete = self.with(py, |sharded| py.detach(|| sharded.replace_map(map)));
        Ok(complete.into_iter().map(to_python).collect())
    }

    /// Returns the id of the open shard whose range contains this hash key.
    fn shard_of(&self, py: Python<'_>, hash_key: &Bound<'_, PyAny>) -> PyResult<String> {
        let hash_key = hash_key_of(hash_key, "hash_key")?;
        Ok(self.with(py, |sharded| {
            sharded.map().shard_of(hash_key).id().to_string()
        }))
    }

    /// The ids of the open shards, from the lowest hash key to the highest.
    #[getter]
    fn shard_ids(&self, py: Python<'_>) -> Vec<String> {
        self.with(py, |sharded| {
            let shards = sharded.map().open_shards().iter();
            shards.map(|shard| shard.id().to_string()).collect()
        })
    }

    /// The time when the next aggregate is due, on the clock of `now`; None if no user record
    /// waits.
    #[getter]
    fn next_due(&self, py: Python<'_>) -> Option<f64> {
        let due = self.with(py, |sharded| sharded.poll_timeout());
        due.map(|due| due.as_secs_f64())
    }

    /// The number of bytes that the waiting user records take.
    #[getter]
    fn buffered_bytes(&self, py: Python<'_>) -> usize {
        self.with(py, |sharded| sharded.buffered_len())
    }
}

fn to_python(complete: ShardAggregate) -> Aggregate {
    Aggregate::of_shard(complete.aggregate, complete.shard_id.to_string())
}

fn seconds(number: f64, what: &str) -> PyResult<Duration> {
    Duration::try_from_secs_f64(number).map_err(|_| {
        PyValueError::new_err(format!("{what} is {number}; it must be seconds, 0 or more"))
    })
}

fn shard_map(shards: &Bound<'_, PyAny>) -> PyResult<ShardMap> {
    let shards = shards.try_iter()?;
    let shards: Vec<Shard> = shards
        .map(|shard| shard_of(&shard?))
        .collect::<PyResult<_>>()?;
    ShardMap::new(shards).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn shard_of(shard: &Bound<'_, PyAny>) -> PyResult<Shard> {
    if shard.cast::<PyMapping>().is_ok() {
        return listed_shard(shard);
    }
    let parts: PyResult<(String, Bound<'_, PyAny>, Bound<'_, PyAny>)> = shard.extract();
    let (id, starting, ending) = parts.map_err(|_| {
        PyTypeError::new_err(format!(
            "a shard must be a dict of ListShards or a tuple of shard id, lowest and highest hash \
             key, not {shard:?}"
        ))
    })?;
    let range = range_of(&id, &starting, &ending)?;
    Ok(Shard::new(id, range))
}

/// Reads a shard as ListShards returns it.
fn listed_shard(listed: &Bound<'_, PyAny>) -> PyResult<Shard> {
    let py = listed.py();
    let id: String = listed.get_item(intern!(py, "ShardId"))?.extract()?;
    let range = listed.get_item(intern!(py, "HashKeyRange"))?;
    let starting = range.get_item(intern!(py, "StartingHashKey"))?;
    let ending = range.get_item(intern!(py, "EndingHashKey"))?;
    let mut shard = Shard::new(id.as_str(), range_of(&id, &starting, &ending)?);
    for name in [
        intern!(py, "ParentShardId"),
        intern!(py, "AdjacentParentShardId"),
    ] {
        if let Some(parent) = get(listed, name)?.filter(|parent| !parent.is_none()) {
            shard = shard.with_parent(parent.extract::<String>()?);
        }
    }
    let ending = match get(listed, intern!(py, "SequenceNumberRange"))? {
        Some(range) => get(&range, intern!(py, "EndingSequenceNumber"))?,
        None => None,
    };
    Ok(match ending.filter(|ending| !ending.is_none()) {
        Some(_) => shard.closed(),
        None => shard,
    })
}

fn range_of(
    id: &str,
    starting: &Bound<'_, PyAny>,
    ending: &Bound<'_, PyAny>,
) -> PyResult<HashKeyRange> {
    let starting = hash_key_of(starting, &format!("starting hash key of {id}"))?;
    let ending = hash_key_of(ending, &format!("ending hash key of {id}"))?;
    HashKeyRange::new(starting, ending)
        .map_err(|error| PyValueError::new_err(format!("shard {id}: {error}")))
}
