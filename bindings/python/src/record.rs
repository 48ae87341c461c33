//! Kinesis records as Python objects, in every shape.

use std::borrow::Cow;

use base64_simd::STANDARD;
use bytes::Bytes;
use kinesis_agg::KinesisRecord;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyInt, PyMapping, PyString};

use crate::text::{buffer_of, type_name};

/// Where the metadata of a record is: for Analytics, for Firehose, and for Analytics that reads
/// from Firehose.
const METADATA: [&str; 3] = [
    "kinesisStreamRecordMetadata",
    "kinesisRecordMetadata",
    "kinesisFirehoseRecordMetadata",
];

/// Returns the value of a key of a mapping, if the mapping has that key.
pub(crate) fn get<'py>(
    mapping: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Ok(dict) = mapping.cast_exact::<PyDict>() {
        return dict.get_item(name);
    }
    match mapping.get_item(name) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyKeyError>(mapping.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the value of a key that the record must have.
pub(crate) fn need<'py>(
    mapping: &Bound<'py, PyAny>,
    name: &str,
    record_index: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let name = PyString::new(mapping.py(), name);
    match get(mapping, &name) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(PyKeyError::new_err(format!(
            "record {record_index} has no {name:?}"
        ))),
        Err(error) if error.is_instance_of::<PyTypeError>(mapping.py()) => {
            Err(PyTypeError::new_err(format!(
                "record {record_index} has no {name:?}: {}",
                error.value(mapping.py())
            )))
        }
        Err(error) => Err(error),
    }
}

/// Returns the bytes, without a copy if they are immutable.
pub(crate) fn raw_data(object: &Bound<'_, PyAny>, record_index: usize) -> PyResult<Bytes> {
    if let Ok(bytes) = object.cast_exact::<PyBytes>() {
        return Ok(Bytes::from_owner(PyBackedBytes::from(bytes.clone())));
    }
    match buffer_of(object)? {
        Some(bytes) => Ok(Bytes::from_owner(PyBackedBytes::from(bytes))),
        None => Err(PyTypeError::new_err(format!(
            "record {record_index}: data must be bytes, not {}",
            type_name(object)
        ))),
    }
}

/// Decodes base64, given as str or bytes. Anything but plain base64 is left to Python's
/// `base64.b64decode`, which decodes it or raises.
pub(crate) fn base64_data(object: &Bound<'_, PyAny>, record_index: usize) -> PyResult<Bytes> {
    let encoded = match object.cast::<PyString>() {
        Ok(text) => text.encode_utf8().ok(),
        Err(_) => object.cast::<PyBytes>().ok().cloned(),
    };
    let decoded = encoded.and_then(|encoded| STANDARD.decode_to_vec(encoded.as_bytes()).ok());
    match decoded {
        Some(data) => Ok(data.into()),
        None => lenient_base64(object, record_index),
    }
}

fn lenient_base64(object: &Bound<'_, PyAny>, record_index: usize) -> PyResult<Bytes> {
    let py = object.py();
    let decoded = py
        .import(intern!(py, "base64"))?
        .call_method1(intern!(py, "b64decode"), (object,));
    match decoded {
        Ok(data) => raw_data(&data, record_index),
        Err(error) => {
            let value = error.value(py);
            let place = match base64_text(object)? {
                Some(text) => format!(" at character {}", base64_fault(&text)),
                None => String::new(),
            };
            let text = format!("record {record_index}: data is not base64{place}: {value}");
            // Raises an exception of the same type; the constructors of most accept a text.
            match value.get_type().call1((text,)) {
                Ok(named) => Err(PyErr::from_value(named)),
                Err(_) => Err(error),
            }
        }
    }
}

/// Returns the text that Python's `base64.b64decode` reads, one character for each byte if
/// it is given as bytes.
fn base64_text<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<String>> {
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Some(text.to_string_lossy().into_owned()));
    }
    let bytes = buffer_of(object)?;
    Ok(bytes.map(|bytes| bytes.as_bytes().iter().copied().map(char::from).collect()))
}

/// Returns the place of the first character that is not base64, or the text's length if the
/// text ends too early. Whitespace is skipped, as Python does.
fn base64_fault(text: &str) -> usize {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let is_fault = |c: char| !is_base64(c) && !c.is_ascii_whitespace();
    let fault = text.trim_end_matches('=').chars().position(is_fault);
    fault.unwrap_or_else(|| text.chars().count())
}

/// Returns the text of a key or sequence number: a str, or the digits of an int. Any other
/// type, and a str that is not Unicode text, counts as unknown.
fn text_of(value: Option<Bound<'_, PyAny>>) -> PyResult<Option<String>> {
    let Some(value) = value else {
        return Ok(None);
    };
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_cow().ok().map(Cow::into_owned));
    }
    if value.is_exact_instance_of::<PyInt>() {
        return Ok(Some(value.str()?.to_string()));
    }
    Ok(None)
}

/// Reads a Kinesis record that is given as a blob, as a mapping of any shape, or as an object
/// with `raw_event`.
pub(crate) fn read(record: &Bound<'_, PyAny>, record_index: usize) -> PyResult<KinesisRecord> {
    if record.is_instance_of::<PyBytes>() {
        return blob(record, record_index);
    }
    if record.is_instance_of::<PyDict>() || record.cast::<PyMapping>().is_ok() {
        return read_mapping(record, record_index);
    }
    if record.is_instance_of::<PyString>() {
        return Err(not_a_record(record, record_index));
    }
    if let Some(bytes) = buffer_of(record)? {
        return blob(&bytes, record_index);
    }
    match record.getattr_opt(intern!(record.py(), "raw_event"))? {
        Some(event) => read_mapping(&event, record_index),
        None => Err(not_a_record(record, record_index)),
    }
}

fn not_a_record(record: &Bound<'_, PyAny>, record_index: usize) -> PyErr {
    PyTypeError::new_err(format!(
        "record {record_index} must be bytes or a mapping, not {}",
        type_name(record)
    ))
}

fn blob(bytes: &Bound<'_, PyAny>, record_index: usize) -> PyResult<KinesisRecord> {
    Ok(KinesisRecord {
        data: raw_data(bytes, record_index)?,
        ..KinesisRecord::default()
    })
}

fn read_mapping(record: &Bound<'_, PyAny>, record_index: usize) -> PyResult<KinesisRecord> {
    let py = record.py();
    let find = |name: &str| -> PyResult<_> {
        let value = get(record, &PyString::new(py, name))?;
        Ok(value.filter(|value| !value.is_none()))
    };
    if let Some(data) = get(record, intern!(py, "Data"))? {
        let is_text = data.is_instance_of::<PyString>();
        let read_data = if is_text { base64_data } else { raw_data };
        return Ok(KinesisRecord {
            data: read_data(&data, record_index)?,
            partition_key: text_of(find("PartitionKey")?)?,
            explicit_hash_key: None,
            sequence_number: text_of(find("SequenceNumber")?)?,
        });
    }
    let (data, about) = match find("kinesis")? {
        Some(kinesis) => (need(&kinesis, "data", record_index)?, kinesis),
        None => {
            let data = find("data")?.ok_or_else(|| {
                PyKeyError::new_err(format!(
                    "record {record_index} has no 'kinesis', 'data' or 'Data'"
                ))
            })?;
            let mut about = None;
            for name in METADATA {
                about = about.or(find(name)?);
            }
            (data, about.unwrap_or_else(|| record.clone()))
        }
    };
    Ok(KinesisRecord {
        data: base64_data(&data, record_index)?,
        partition_key: text_of(get(&about, intern!(py, "partitionKey"))?)?,
        explicit_hash_key: None,
        sequence_number: text_of(get(&about, intern!(py, "sequenceNumber"))?)?,
    })
}
