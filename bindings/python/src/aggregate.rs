//! A finished aggregate, and the arguments that make one.

use kinesis_agg::codec::limits;
use kinesis_agg::write::{AsUserRecord, Limits, NewUserRecord, OwnedUserRecord};
use kinesis_agg::{HashKey, OwnedAggregate};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict};

use crate::text::{bytes_of, explicit_hash_key_of, key_of, type_name};

/// A Kinesis record to put into a stream. Its length is the number of user records.
#[pyclass(frozen, module = "kinesis_agg")]
pub(crate) struct Aggregate {
    data: PyBackedBytes,
    partition_key: String,
    explicit_hash_key: Option<HashKey>,
    record_count: usize,
    shard_id: Option<String>,
}

impl Aggregate {
    pub(crate) fn of_shard(aggregate: OwnedAggregate, shard_id: String) -> Self {
        let record_count = aggregate.record_count();
        let (data, partition_key, explicit_hash_key) = aggregate.into_parts();
        Self {
            data: to_python_bytes(&data),
            partition_key,
            explicit_hash_key,
            record_count,
            shard_id: Some(shard_id),
        }
    }
}

impl From<OwnedAggregate<PyBackedBytes>> for Aggregate {
    fn from(aggregate: OwnedAggregate<PyBackedBytes>) -> Self {
        let record_count = aggregate.record_count();
        let (data, partition_key, explicit_hash_key) = aggregate.into_parts();
        Self {
            data,
            partition_key,
            explicit_hash_key,
            record_count,
            shard_id: None,
        }
    }
}

/// Copies data to a Python object. May be called without the GIL.
pub(crate) fn to_python_bytes(data: &[u8]) -> PyBackedBytes {
    Python::attach(|py| PyBytes::new(py, data).into())
}

#[pymethods]
impl Aggregate {
    /// The data of the Kinesis record, as bytes.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok((&self.data).into_pyobject(py)?)
    }

    /// The partition key of the Kinesis record.
    #[getter]
    fn partition_key(&self) -> &str {
        &self.partition_key
    }

    /// The explicit hash key of the Kinesis record in decimal, or None.
    #[getter]
    fn explicit_hash_key(&self) -> Option<String> {
        self.explicit_hash_key.map(|key| key.to_string())
    }

    /// The id of the shard that all user records belong to, or None if it is not known.
    #[getter]
    fn shard_id(&self) -> Option<&str> {
        self.shard_id.as_deref()
    }

    /// Returns a dict with Data, PartitionKey and, if there is one, ExplicitHashKey: the
    /// arguments of boto3's `put_record`, or an entry of `put_records`.
    fn entry<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let entry = PyDict::new(py);
        entry.set_item("Data", self.data(py)?)?;
        entry.set_item("PartitionKey", self.partition_key())?;
        if let Some(key) = self.explicit_hash_key() {
            entry.set_item("ExplicitHashKey", key)?;
        }
        Ok(entry)
    }

    const fn __len__(&self) -> usize {
        self.record_count
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let key = self.partition_key().into_pyobject(py)?.repr()?;
        Ok(format!(
            "<Aggregate of {} user records: partition_key={key}, {} bytes>",
            self.__len__(),
            self.data.len(),
        ))
    }
}

/// A user record, as the caller passed it.
pub(crate) enum Given {
    Plain {
        partition_key: PyBackedStr,
        explicit_hash_key: Option<HashKey>,
        data: PyBackedBytes,
    },
    Tagged(OwnedUserRecord),
}

impl Given {
    pub(crate) fn new(
        partition_key: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        explicit_hash_key: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        Ok(Self::Plain {
            partition_key: key_of(partition_key, "partition_key")?,
            explicit_hash_key: explicit_hash_key_of(explicit_hash_key)?,
            data: bytes_of(data, "data")?,
        })
    }

    pub(crate) fn with_tags(self, tags: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(tags) = tags else {
            return Ok(self);
        };
        let mut owned = OwnedUserRecord::from(&self.as_user_record());
        let no_pairs = |error: PyErr| {
            if error.is_instance_of::<PyTypeError>(tags.py()) {
                PyTypeError::new_err("tags must be tuples of a key and a value or None")
            } else {
                error
            }
        };
        for tag in tags.try_iter().map_err(no_pairs)? {
            let pair: PyResult<(Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)> = tag?.extract();
            let (key, value) = pair.map_err(no_pairs)?;
            let value = value.map(|value| key_of(&value, "tag")).transpose()?;
            owned = owned.with_tag(&key_of(&key, "tag")?, value.as_deref());
        }
        Ok(Self::Tagged(owned))
    }
}

impl AsUserRecord for Given {
    fn as_user_record(&self) -> NewUserRecord<'_> {
        match self {
            Self::Plain {
                partition_key,
                explicit_hash_key,
                data,
            } => NewUserRecord::new(partition_key, data).with_explicit_hash_key(*explicit_hash_key),
            Self::Tagged(owned) => owned.as_user_record(),
        }
    }
}

/// Returns limits from arguments; raises ValueError if an aggregate cannot have them.
pub(crate) fn limits_of(
    max_size: Option<&Bound<'_, PyAny>>,
    max_count: Option<&Bound<'_, PyAny>>,
) -> PyResult<Limits> {
    let mut limits = Limits::new();
    if let Some(max_size) = max_size {
        let largest = limits::LARGEST_MAX_SIZE;
        let range = format!("1 to {largest}");
        let number = whole_number(max_size, "max_size", &range)?;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let changed = limits.with_max_size(number);
        limits = changed.map_err(|_| out_of_range("max_size", &range))?;
    }
    if let Some(max_count) = max_count {
        let number = whole_number(max_count, "max_count", AT_LEAST_1)?;
        let changed = limits.with_max_count(number);
        limits = changed.map_err(|_| out_of_range("max_count", AT_LEAST_1))?;
    }
    Ok(limits)
}

const AT_LEAST_1: &str = "at least 1";

fn whole_number(number: &Bound<'_, PyAny>, what: &str, range: &str) -> PyResult<usize> {
    number.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(number.py()) {
            out_of_range(what, range)
        } else {
            PyTypeError::new_err(format!("{what} must be int, not {}", type_name(number)))
        }
    })
}

fn out_of_range(what: &str, range: &str) -> PyErr {
    PyValueError::new_err(format!("{what} must be {range}"))
}
