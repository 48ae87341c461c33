//! `aws_kinesis_agg.aggregator.RecordAggregator`: only the method that is called for each user
//! record.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::agg_record::AggRecord;

/// The class of `current_record`, unless a program has set another one.
static AGG_RECORD: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The base of the class in `kinesis_agg.compat.aggregator`, which has the other methods.
#[pyclass(frozen, subclass, module = "kinesis_agg._native")]
pub(crate) struct RecordAggregator;

#[pymethods]
impl RecordAggregator {
    #[new]
    #[pyo3(signature = (*_arguments, **_named))]
    const fn new(_arguments: &Bound<'_, PyTuple>, _named: Option<&Bound<'_, PyDict>>) -> Self {
        Self
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
        let record = slf.getattr(intern!(py, "current_record"))?;
        let class = AGG_RECORD.import(py, "kinesis_agg.compat.aggregator", "AggRecord")?;
        let is_added = match record.cast::<AggRecord>() {
            // A subclass may override the method.
            Ok(record) if record.get_type().is(class) => {
                record
                    .get()
                    .add_user_record(py, partition_key, data, explicit_hash_key)?
            }
            _ => record
                .call_method1(
                    intern!(py, "add_user_record"),
                    (partition_key, data, explicit_hash_key),
                )?
                .is_truthy()?,
        };
        if is_added {
            return Ok(None);
        }
        let arguments = (partition_key, data, explicit_hash_key);
        slf.call_method1(intern!(py, "_complete"), arguments)
            .map(Some)
    }
}
