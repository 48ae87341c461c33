//! `aws_kinesis_agg.aggregator.RecordAggregator`: only what is used for each user record.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyAttributeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::{MutexExt, PyOnceLock};
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::agg_record::AggRecord;

/// The class of `current_record`, unless a program has set another one.
static AGG_RECORD: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The base of the class in `kinesis_agg.compat.aggregator`, which has the other methods.
#[pyclass(frozen, subclass, module = "kinesis_agg._native")]
pub(crate) struct RecordAggregator {
    current_record: Mutex<Option<CurrentRecord>>,
}

/// The value of `current_record`.
enum CurrentRecord {
    /// An `AggRecord`, and not of a subclass, which may override methods.
    Own(Py<AggRecord>),
    Other(Py<PyAny>),
}

impl RecordAggregator {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Option<CurrentRecord>> {
        let current = self.current_record.lock_py_attached(py);
        current.unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self, py: Python<'_>) -> PyResult<CurrentRecord> {
        match &*self.lock(py) {
            Some(CurrentRecord::Own(record)) => Ok(CurrentRecord::Own(record.clone_ref(py))),
            Some(CurrentRecord::Other(record)) => Ok(CurrentRecord::Other(record.clone_ref(py))),
            None => Err(PyAttributeError::new_err("current_record")),
        }
    }
}

#[pymethods]
impl RecordAggregator {
    #[new]
    #[pyo3(signature = (*_arguments, **_named))]
    const fn new(_arguments: &Bound<'_, PyTuple>, _named: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            current_record: Mutex::new(None),
        }
    }

    /// The aggregated record to which user records are added.
    #[getter]
    fn current_record(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(match self.current(py)? {
            CurrentRecord::Own(record) => record.into_any(),
            CurrentRecord::Other(record) => record,
        })
    }

    #[setter]
    fn set_current_record(&self, record: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = record.py();
        let class = AGG_RECORD.import(py, "kinesis_agg.compat.aggregator", "AggRecord")?;
        let new = match record.cast::<AggRecord>() {
            Ok(own) if record.get_type().is(class) => CurrentRecord::Own(own.clone().unbind()),
            _ => CurrentRecord::Other(record.clone().unbind()),
        };
        let old = self.lock(py).replace(new);
        // Dropped after the lock is released, since this may run Python code.
        drop(old);
        Ok(())
    }

    /// Adds a user record.
    ///
    /// If it does not fit, calls the callbacks with the aggregated record so far and returns
    /// that record. The user record starts the next one.
    ///
    /// Raises RejectedError, a ValueError, if no aggregated record can hold the user record;
    /// nothing has changed then.
    #[pyo3(signature = (partition_key, data, explicit_hash_key=None))]
    fn add_user_record<'py>(
        slf: &Bound<'py, Self>,
        partition_key: &Bound<'py, PyAny>,
        data: &Bound<'py, PyAny>,
        explicit_hash_key: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let arguments = (partition_key, data, explicit_hash_key);
        let is_added = match slf.get().current(py)? {
            CurrentRecord::Own(record) => {
                let record = record.into_bound(py);
                record
                    .get()
                    .add_user_record(py, partition_key, data, explicit_hash_key)?
            }
            CurrentRecord::Other(record) => record
                .bind(py)
                .call_method1(intern!(py, "add_user_record"), arguments)?
                .is_truthy()?,
        };
        if is_added {
            return Ok(None);
        }
        slf.call_method1(intern!(py, "_complete"), arguments)
            .map(Some)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // While another thread has the lock, nothing is collected.
        match self.current_record.try_lock().as_deref() {
            Ok(Some(CurrentRecord::Own(record))) => visit.call(record),
            Ok(Some(CurrentRecord::Other(record))) => visit.call(record),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        let old = match self.current_record.try_lock() {
            Ok(mut current) => current.take(),
            Err(_) => None,
        };
        drop(old);
    }
}
