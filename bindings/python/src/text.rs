//! Converts Python's str, bytes and int to keys and data, and back.

use kinesis_agg::HashKey;
use kinesis_agg::read::KeyBytes;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyInt, PyMemoryView, PyString};

/// Returns the type of an object, for error texts.
pub(crate) fn type_name(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type().name().map(|name| name.to_string());
    name.unwrap_or_else(|_| "an object".into())
}

/// Returns the bytes of a str (in UTF-8), of bytes, or of another object with a buffer.
pub(crate) fn bytes_of(object: &Bound<'_, PyAny>, what: &str) -> PyResult<PyBackedBytes> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(bytes.clone().into());
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(text.encode_utf8()?.into());
    }
    match buffer_of(object)? {
        Some(bytes) => Ok(bytes.into()),
        None => Err(PyTypeError::new_err(format!(
            "{what} must be str, bytes or another object with the buffer protocol, not {}",
            type_name(object)
        ))),
    }
}

/// Returns a copy of the bytes of an object with a buffer, such as a memoryview.
pub(crate) fn buffer_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = object.py();
    match PyMemoryView::from(object) {
        Ok(view) => Ok(Some(view.call_method0("tobytes")?.cast_into()?)),
        Err(error) if error.is_instance_of::<PyTypeError>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a key given as str, or as bytes in UTF-8.
pub(crate) fn key_of(object: &Bound<'_, PyAny>, what: &str) -> PyResult<PyBackedStr> {
    if let Ok(text) = object.cast::<PyString>() {
        return text.clone().try_into();
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        let text = std::str::from_utf8(bytes.as_bytes());
        let text = text.map_err(|error| PyValueError::new_err(format!("{what}: {error}")))?;
        return PyString::new(object.py(), text).try_into();
    }
    Err(PyTypeError::new_err(format!(
        "{what} must be str or bytes, not {}",
        type_name(object)
    )))
}

/// Reads a hash key given as int, or in decimal as str or bytes.
pub(crate) fn hash_key_of(object: &Bound<'_, PyAny>, what: &str) -> PyResult<HashKey> {
    if object.is_instance_of::<PyInt>() {
        let number = object.extract::<u128>().map_err(|error| {
            if error.is_instance_of::<PyOverflowError>(object.py()) {
                PyValueError::new_err(format!("{what} must be 0 to {}", u128::MAX))
            } else {
                error
            }
        });
        return number.map(HashKey::new);
    }
    if !object.is_instance_of::<PyString>() && !object.is_instance_of::<PyBytes>() {
        return Err(PyTypeError::new_err(format!(
            "{what} must be int, str or bytes, not {}",
            type_name(object)
        )));
    }
    let text = key_of(object, what)?;
    let parsed = text.parse::<HashKey>();
    parsed.map_err(|error| PyValueError::new_err(format!("{what} {:?}: {error}", &*text)))
}

/// The argument's name in error texts.
const EXPLICIT_HASH_KEY: &str = "explicit_hash_key";

/// Reads an optional explicit hash key.
pub(crate) fn explicit_hash_key_of(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<HashKey>> {
    object
        .map(|object| hash_key_of(object, EXPLICIT_HASH_KEY))
        .transpose()
}

/// Converts a key that was read: to str, or to bytes if it is not UTF-8.
pub(crate) fn to_python<'py>(py: Python<'py>, key: KeyBytes<'_>) -> Bound<'py, PyAny> {
    match key.to_str() {
        Ok(text) => PyString::new(py, text).into_any(),
        Err(_) => PyBytes::new(py, key.as_bytes()).into_any(),
    }
}

/// Returns the hash key, which decides the shard: the explicit hash key, else the
/// MD5 of the partition key as a number.
#[pyfunction]
#[pyo3(signature = (partition_key, explicit_hash_key=None))]
pub(crate) fn hash_key(
    partition_key: &Bound<'_, PyAny>,
    explicit_hash_key: Option<&Bound<'_, PyAny>>,
) -> PyResult<u128> {
    let partition_key = bytes_of(partition_key, "partition_key")?;
    let hash_key = explicit_hash_key_of(explicit_hash_key)?;
    let hash_key = hash_key.unwrap_or_else(|| HashKey::of_partition_key(&partition_key));
    Ok(hash_key.to_u128())
}
