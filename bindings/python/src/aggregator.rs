//! Packs user records into aggregates, one after another.

use std::sync::{Mutex, PoisonError};

use kinesis_agg::RecordAggregator;
use kinesis_agg::write::{LoneUserRecord, OuterKey};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::aggregate::{Aggregate, Given, limits_of, to_python_bytes};
use crate::errors::rejected;
use crate::spare;

/// Packs user records into aggregates, in order, as many as fit into each.
///
/// Kinesis stores a whole aggregate in one shard, whatever the keys of its user records. On a
/// stream with several shards, use AggregationManager.
///
/// max_size: the largest Kinesis record in bytes, data plus partition key.
/// max_count: the largest number of user records in an aggregate.
/// outer_key: the keys of the Kinesis record. "first-user-record": the keys of the first user
/// record. "kpl": the partition key "a" and the hash key of the first user record, as in the
/// KPL.
/// lone: how to write an aggregate that would hold a single user record: "wrapped" (as an
/// aggregate) or "raw" (as a plain Kinesis record).
///
/// Threads may share it.
#[pyclass(frozen, module = "kinesis_agg")]
pub(crate) struct Aggregator {
    open: Mutex<RecordAggregator>,
}

impl Aggregator {
    fn with<T>(&self, py: Python<'_>, f: impl FnOnce(&mut RecordAggregator) -> T) -> T {
        let open = self.open.lock_py_attached(py);
        f(&mut open.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Aggregator {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        spare::give(std::mem::take(open));
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
        max_count: Option<&Bound<'_, PyAny>>,
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
        let open = spare::take()
            .with_limits(limits_of(max_size, max_count)?)
            .with_outer_key(outer_key)
            .with_lone_user_record(lone);
        Ok(Self {
            open: Mutex::new(open),
        })
    }

    /// Adds a user record. If it does not fit, returns the aggregate so far, and the user
    /// record starts the next one.
    ///
    /// partition_key: str, or bytes in UTF-8.
    /// data: bytes, another object with the buffer protocol, or str, which is encoded as UTF-8.
    /// explicit_hash_key: an int, or its decimal digits as str or bytes.
    /// tags: pairs of a key and a value; a value can be None.
    ///
    /// Raises RejectedError if no aggregate can hold the user record; nothing has changed
    /// then.
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
        let complete = self.with(py, |open| {
            let pushed = open.push_unfinished(&given, spare::take);
            pushed.map_err(|error| rejected(error.reason))
        })?;
        // Without the lock and the GIL, since this computes a digest.
        let finished = complete.and_then(|mut complete| {
            py.detach(move || {
                let finished = complete.flush_into(to_python_bytes);
                spare::give(complete);
                finished
            })
        });
        Ok(finished.map(Aggregate::from))
    }

    /// Completes and returns the aggregate so far; None if there are no user records.
    fn flush(&self, py: Python<'_>) -> Option<Aggregate> {
        let rest = self.with(py, |open| py.detach(|| open.flush_into(to_python_bytes)));
        rest.map(Aggregate::from)
    }

    /// Drops all user records.
    fn clear(&self, py: Python<'_>) {
        self.with(py, RecordAggregator::clear);
    }

    /// The length of the data that `flush` would return, in bytes; 0 if it would return
    /// None.
    #[getter]
    fn size(&self, py: Python<'_>) -> u32 {
        self.with(py, |open| open.encoded_len())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.with(py, |open| open.record_count())
    }
}
