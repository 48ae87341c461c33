//! `aws_kinesis_agg.aggregator.AggRecord`.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use kinesis_agg::codec::{Parsed, limits, parse};
use kinesis_agg::read::KeyBytes;
use kinesis_agg::write::Limits;
use kinesis_agg::{OwnedAggregate, OwnedUserRecord, RecordAggregator, deaggregate};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyList, PyString};

use crate::aggregate::{Given, to_python_bytes};
use crate::errors::rejected;
use crate::spare;
use crate::text::{to_python, type_name};

/// An aggregated record, to which user records are added until it is full.
#[pyclass(frozen, subclass, module = "kinesis_agg._native")]
pub(crate) struct AggRecord {
    state: Mutex<State>,
}

struct State {
    /// The value that the caller passed; `limits` holds what it means.
    max_size: Py<PyAny>,
    limits: Limits,
    content: Content,
}

enum Content {
    /// User records can be added.
    Open(Box<RecordAggregator>),
    /// Finished once; opened again when a user record is added.
    Finished(Arc<OwnedAggregate<PyBackedBytes>>),
}

impl Content {
    fn open(aggregator: RecordAggregator) -> Self {
        Self::Open(Box::new(aggregator))
    }
}

impl State {
    fn new(max_size: &Bound<'_, PyAny>) -> PyResult<Self> {
        let limits = limits_of(max_size)?;
        Ok(Self {
            max_size: max_size.clone().unbind(),
            limits,
            content: Content::open(spare::take().with_limits(limits)),
        })
    }

    fn clear(&mut self) {
        self.content = Content::open(RecordAggregator::new().with_limits(self.limits));
    }

    /// Returns the aggregate so far; `None` without user records.
    fn finished(&mut self) -> Option<Arc<OwnedAggregate<PyBackedBytes>>> {
        match &mut self.content {
            Content::Finished(aggregate) => Some(aggregate.clone()),
            Content::Open(aggregator) => {
                let aggregate = Arc::new(aggregator.flush_into(to_python_bytes)?);
                spare::give(std::mem::take(&mut **aggregator));
                self.content = Content::Finished(aggregate.clone());
                Some(aggregate)
            }
        }
    }

    /// Returns the aggregator to add to.
    fn opened(&mut self, py: Python<'_>) -> PyResult<&mut RecordAggregator> {
        if let Content::Finished(aggregate) = &self.content {
            let blob = Bytes::from_owner(aggregate.data().clone_ref(py));
            self.content = Content::open(open(blob, self.limits)?);
        }
        match &mut self.content {
            Content::Open(aggregator) => Ok(aggregator),
            Content::Finished(_) => Err(PyValueError::new_err("the aggregate is finished")),
        }
    }
}

/// Returns an aggregator that holds the user records of a blob.
fn open(blob: Bytes, limits: Limits) -> PyResult<RecordAggregator> {
    let invalid = |error: &dyn std::fmt::Display| PyValueError::new_err(error.to_string());
    let largest = Limits::new().with_max_size(limits::LARGEST_MAX_SIZE);
    let largest = largest.map_err(|error| invalid(&error))?;
    let mut aggregator = RecordAggregator::new().with_limits(largest);
    for delivered in deaggregate(&[blob]) {
        let user_record = OwnedUserRecord::try_from(&delivered);
        let user_record = user_record.map_err(|error| invalid(&error))?;
        let pushed = aggregator.push(user_record);
        pushed.map_err(|error| rejected(error.reason))?;
    }
    Ok(aggregator.with_limits(limits))
}

/// Returns limits for any number: if it is too small, no user record fits.
fn limits_of(max_size: &Bound<'_, PyAny>) -> PyResult<Limits> {
    if !max_size.is_instance_of::<PyInt>() && !max_size.is_instance_of::<PyFloat>() {
        return Err(PyTypeError::new_err(format!(
            "max_size must be a number, not {}",
            type_name(max_size)
        )));
    }
    let whole = max_size.py().get_type::<PyInt>().call1((max_size,))?;
    let number = match whole.extract::<u32>() {
        Ok(number) => number,
        Err(error) if !error.is_instance_of::<PyOverflowError>(max_size.py()) => return Err(error),
        Err(_) if whole.lt(0)? => 0,
        Err(_) => u32::MAX,
    };
    Limits::new()
        .with_max_size(number.clamp(1, limits::LARGEST_MAX_SIZE))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

impl Drop for AggRecord {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Content::Open(aggregator) = &mut state.content {
            spare::give(std::mem::take(&mut **aggregator));
        }
    }
}

impl AggRecord {
    /// Calls `f` with the state locked. No Python code runs in `f`, except while it releases
    /// the GIL to compute a digest.
    fn with<T>(&self, py: Python<'_>, f: impl FnOnce(&mut State) -> T) -> T {
        let state = self.state.lock_py_attached(py);
        f(&mut state.unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the aggregate so far. The GIL is released while its digest is computed.
    fn finished(&self, py: Python<'_>) -> Option<Arc<OwnedAggregate<PyBackedBytes>>> {
        self.with(py, |state| py.detach(|| state.finished()))
    }
}

#[pymethods]
impl AggRecord {
    /// max_size: the largest Kinesis record in bytes, data plus partition key.
    #[new]
    #[pyo3(signature = (max_size=None))]
    fn new(py: Python<'_>, max_size: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        let max_size = match max_size {
            Some(max_size) => max_size,
            None => limits::DEFAULT_MAX_SIZE.into_pyobject(py)?.into_any(),
        };
        Ok(Self {
            state: Mutex::new(State::new(&max_size)?),
        })
    }

    /// The largest Kinesis record in bytes.
    #[getter]
    fn max_size(&self, py: Python<'_>) -> Py<PyAny> {
        self.with(py, |state| state.max_size.clone_ref(py))
    }

    #[setter]
    fn set_max_size(&self, max_size: &Bound<'_, PyAny>) -> PyResult<()> {
        let limits = limits_of(max_size)?;
        let old = self.with(max_size.py(), |state| {
            state.limits = limits;
            if let Content::Open(aggregator) = &mut state.content {
                let open = std::mem::take(&mut **aggregator);
                **aggregator = open.with_limits(limits);
            }
            std::mem::replace(&mut state.max_size, max_size.clone().unbind())
        });
        // Dropped after the lock is released, since this may run Python code.
        drop(old);
        Ok(())
    }

    /// Adds a user record and returns True, or returns False if there is no room for it.
    ///
    /// Raises RejectedError, a ValueError, if no aggregated record can hold the user record.
    /// A user record that is not added changes nothing.
    #[pyo3(signature = (partition_key, data, explicit_hash_key=None))]
    pub(crate) fn add_user_record(
        &self,
        py: Python<'_>,
        partition_key: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        explicit_hash_key: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let explicit_hash_key = explicit_hash_key.filter(|key| !is_empty(key));
        let given = Given::new(partition_key, data, explicit_hash_key)?;
        self.with(py, |state| {
            let aggregator = state.opened(py)?;
            match aggregator.push_unfinished(&given, spare::take) {
                Ok(None) => Ok(true),
                Ok(Some(full)) => {
                    spare::give(std::mem::replace(aggregator, full));
                    Ok(false)
                }
                Err(error) => Err(rejected(error.reason)),
            }
        })
    }

    /// Returns the number of user records.
    fn get_num_user_records(&self, py: Python<'_>) -> usize {
        self.with(py, |state| match &state.content {
            Content::Open(aggregator) => aggregator.record_count(),
            Content::Finished(aggregate) => aggregate.record_count(),
        })
    }

    /// Returns the length of the data, in bytes.
    fn get_size_bytes(&self, py: Python<'_>) -> usize {
        let frame_len = limits::MAGIC_LEN.saturating_add(limits::DIGEST_LEN);
        let len = self.with(py, |state| match &state.content {
            Content::Open(aggregator) => usize::try_from(aggregator.encoded_len()),
            Content::Finished(aggregate) => Ok(aggregate.data().len()),
        });
        len.unwrap_or(usize::MAX).max(frame_len)
    }

    /// Returns the partition key, the explicit hash key (or None) and the data of the Kinesis
    /// record. The user records remain, and more can be added.
    ///
    /// Raises ValueError if there are no user records.
    fn get_contents<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(String, Option<String>, Bound<'py, PyBytes>)> {
        let aggregate = self.finished(py).ok_or_else(|| {
            PyValueError::new_err("the aggregated record is empty: add a user record first")
        })?;
        let explicit_hash_key = aggregate.explicit_hash_key().map(|key| key.to_string());
        let data = aggregate.data().into_pyobject(py)?;
        Ok((aggregate.partition_key().into(), explicit_hash_key, data))
    }

    /// Returns the partition key of the Kinesis record, or None if there are no user records.
    fn get_partition_key(&self, py: Python<'_>) -> Option<String> {
        Some(self.finished(py)?.partition_key().into())
    }

    /// Returns the explicit hash key of the Kinesis record, or None if it has none or there are
    /// no user records.
    fn get_explicit_hash_key(&self, py: Python<'_>) -> Option<String> {
        Some(self.finished(py)?.explicit_hash_key()?.to_string())
    }

    /// Drops all user records.
    fn clear(&self, py: Python<'_>) {
        self.with(py, State::clear);
    }

    /// The partition keys and the explicit hash keys, in order of their first use.
    fn _keys<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
        let (partition_keys, explicit_hash_keys) = (PyList::empty(py), PyList::empty(py));
        if let Some(aggregate) = self.finished(py)
            && let Ok(Parsed::Aggregated(aggregated)) = parse(aggregate.data())
        {
            let append =
                |list: &Bound<'py, PyList>, key: KeyBytes<'_>| list.append(to_python(py, key));
            let mut keys = aggregated.partition_keys();
            keys.try_for_each(|key| append(&partition_keys, key))?;
            let mut keys = aggregated.explicit_hash_keys();
            keys.try_for_each(|key| append(&explicit_hash_keys, key))?;
        }
        Ok((partition_keys, explicit_hash_keys))
    }

    /// Makes the user records those of another, in shared memory.
    fn _share(&self, py: Python<'_>, other: &Bound<'_, Self>) {
        let aggregate = other.get().finished(py);
        self.with(py, |state| match aggregate {
            Some(aggregate) => state.content = Content::Finished(aggregate),
            None => state.clear(),
        });
    }

    /// Makes the user records those of an aggregate.
    fn _restore(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let limits = self.with(py, |state| state.limits);
        let aggregator = open(Bytes::copy_from_slice(data.as_bytes()), limits)?;
        self.with(py, |state| state.content = Content::open(aggregator));
        Ok(())
    }
}

fn is_empty(key: &Bound<'_, PyAny>) -> bool {
    (key.is_instance_of::<PyString>() || key.is_instance_of::<PyBytes>())
        && key.len().is_ok_and(|len| len == 0)
}
