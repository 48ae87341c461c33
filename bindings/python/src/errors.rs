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
    "A Kinesis record is a malformed aggregate.\n\n\
     record_index: the index of the Kinesis record in the source, from 0.\n\
     sequence_number: its sequence number, or None if it is not known.\n\
     offset: the byte of its data where the fault is, from 0.\n\
     reason: what is wrong there."
);
create_exception!(
    kinesis_agg,
    RejectedError,
    PyValueError,
    "No aggregate can hold a user record. Nothing has changed."
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
