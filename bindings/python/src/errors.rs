//! The exceptions of the package.

use kinesis_agg::MalformedRecord;
use kinesis_agg::write::EncodeError;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

create_exception!(
    kinesis_agg,
    MalformedRecordError,
    PyValueError,
    "A Kinesis record that is a malformed aggregate.\n\n\
     Attributes: record_index (the place among the Kinesis records that were read, from 0), \
     sequence_number (or None), offset (the byte in its data), reason."
);
create_exception!(
    kinesis_agg,
    RejectedError,
    PyValueError,
    "A user record that no aggregate can hold. Nothing else has changed."
);

/// Makes the exception for a malformed Kinesis record.
pub(crate) fn malformed(py: Python<'_>, error: &MalformedRecord) -> PyErr {
    let raised = MalformedRecordError::new_err(format!("{error}: {}", error.source));
    let value = raised.value(py);
    let attributes = || {
        value.setattr("record_index", error.record_index)?;
        value.setattr("sequence_number", error.sequence_number.as_deref())?;
        value.setattr("offset", error.source.offset())?;
        value.setattr("reason", error.source.kind().to_string())
    };
    match attributes() {
        Ok(()) => raised,
        Err(error) => error,
    }
}

/// Makes the exception for a rejected user record.
pub(crate) fn rejected(reason: EncodeError) -> PyErr {
    RejectedError::new_err(format!("user record rejected: {reason}"))
}
