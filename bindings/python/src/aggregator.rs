//! Packing user records into one aggregate after the other.

use std::sync::{Mutex, PoisonError};

use kinesis_agg::RecordAggregator;
use kinesis_agg::write::{LoneUserRecord, OuterKey};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::aggregate::{Aggregate, Given, limits_of};
use crate::errors::rejected;

/// Packs user records into aggregates, in order, as many as fit into each.
///
/// Kinesis stores the whole aggregate in one shard, whatever the keys of its user records:
/// on a stream with several shards use AggregationManager.
///
/// max_size: the largest Kinesis record in bytes, data plus partition key.
/// max_count: the largest number of user records in an aggregate.
/// outer_key: the keys of the Kinesis record: those of the "first-user-record", or as the
/// "kpl" the partition key "a" and the hash key of the first user record.
/// lone: how to write a user record that is alone: "wrapped" as an aggregate, or "raw".
///
/// Threads may share it.
#[pyclass(frozen, module = "kinesis_agg")]
pub(crate) struct Aggregator {
    aggregators: Mutex<Aggregators>,
}

struct Aggregators {
    open: RecordAggregator,
    /// Memory of an aggregate that is finished.
    spare: Option<RecordAggregator>,
}

impl Aggregator {
    fn with<T: Send>(&self, py: Python<'_>, f: impl FnOnce(&mut Aggregators) -> T) -> T {
        let aggregators = self.aggregators.lock_py_attached(py);
        f(&mut aggregators.unwrap_or_else(PoisonError::into_inner))
    }

    /// Finishes an aggregate without the lock and without the GIL: this computes a
    /// digest.
    fn finish(&self, py: Python<'_>, mut complete: RecordAggregator) -> Option<Aggregate> {
        let (aggregate, spare) = py.detach(move || (complete.flush(), complete));
        self.with(py, |aggregators| aggregators.spare = Some(spare));
        Some(Aggregate::new(aggregate?, None))
    }
}

#[pymethods]
impl Aggregator {
    #[new]
    #[pyo3(signature = (
        *, max_size=None, max_count=None, outer_key="first-user-record", lone="wrapped"
    ))]
    fn new(
        max_size: Option<&Bound<'_, PyAny>>,
        max_count: Option<usize>,
        outer_key: &str,
        lone: &str,
    ) -> PyResult<Self> {
        let outer_key = match outer_key {
            "first-user-record" => OuterKey::FirstUserRecord,
            "kpl" => OuterKey::Kpl,
            other => {
                return Err(PyValueError::new_err(format!(
                    "outer_key is {other:?}; it must be one of first-user-record, kpl"
                )));
            }
        };
        let lone = match lone {
            "wrapped" => LoneUserRecord::Wrapped,
            "raw" => LoneUserRecord::Raw,
            other => {
                return Err(PyValueError::new_err(format!(
                    "lone is {other:?}; it must be one of wrapped, raw"
                )));
            }
        };
        let open = RecordAggregator::new()
            .with_limits(limits_of(max_size, max_count)?)
            .with_outer_key(outer_key)
            .with_lone_user_record(lone);
        Ok(Self {
            aggregators: Mutex::new(Aggregators { open, spare: None }),
        })
    }

    /// Adds a user record. If it does not fit, returns the aggregate so far, and the user
    /// record starts the next one.
    ///
    /// Raises RejectedError if no aggregate can hold the user record; nothing else has
    /// changed.
    #[pyo3(signature = (partition_key, data, explicit_hash_key=None, *, tags=None))]
    fn add(
        &self,
        py: Python<'_>,
        partition_key: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        explicit_hash_key: Option<&Bound<'_, PyAny>>,
        tags: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Aggregate>> {
        let given = Given::new(partition_key, data, explicit_hash_key)?.with_tags(tags)?;
        let complete = self.with(py, |aggregators| {
            let Aggregators { open, spare } = aggregators;
            open.push_unfinished(&given, || spare.take().unwrap_or_default())
                .map_err(|error| error.reason)
        });
        let complete = complete.map_err(rejected)?;
        Ok(complete.and_then(|complete| self.finish(py, complete)))
    }

    /// Finishes and returns the aggregate so far; None if there are no user records.
    fn flush(&self, py: Python<'_>) -> Option<Aggregate> {
        let complete = self.with(py, |aggregators| aggregators.open.flush());
        Some(Aggregate::new(complete?, None))
    }

    /// Drops all user records.
    fn clear(&self, py: Python<'_>) {
        self.with(py, |aggregators| aggregators.open.clear());
    }

    /// The length of the data that `flush` would return, in bytes; 0 if it would return
    /// None.
    #[getter]
    fn size(&self, py: Python<'_>) -> u32 {
        self.with(py, |aggregators| aggregators.open.encoded_len())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.with(py, |aggregators| aggregators.open.record_count())
    }
}
