//! User records as `aws_kinesis_agg` yields them: dicts in the shape of a Lambda
//! event's records.

use base64_simd::{AsOut, STANDARD};
use kinesis_agg::read::{KeyBytes, UserRecord};
use kinesis_agg::{Deaggregator, Delivered, KinesisRecord};
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList, PyMapping, PyString};

use crate::feed::{Feed, Originals, Record};
use crate::record::{base64_data, get, need, raw_data};
use crate::text::{bytes_of, to_python};

/// Iterates over Kinesis records as `aws_kinesis_agg.deaggregator.iter_deaggregate_records`
/// does.
#[pyclass(module = "kinesis_agg._native")]
pub(crate) struct EventRecords {
    feed: Feed,
    template: Option<Template>,
}

#[pymethods]
impl EventRecords {
    #[new]
    #[pyo3(signature = (records, data_format=None))]
    fn new(records: &Bound<'_, PyAny>, data_format: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let is_boto3 = data_format.map(|format| format.eq("Boto3")).transpose()?;
        let read = match is_boto3 {
            Some(true) => read_boto3,
            Some(false) | None => read_event,
        };
        let feed = if records.cast::<PyMapping>().is_ok() {
            let one = PyList::new(records.py(), [records])?;
            Feed::new(&one, Deaggregator::new(), read)?
        } else {
            Feed::new(records, Deaggregator::new(), read)?
        };
        Ok(Self {
            feed,
            template: None,
        })
    }

    const fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let mut slf = slf
            .try_borrow_mut()
            .map_err(|_| PyValueError::new_err("iterator already executing"))?;
        let Self { feed, template } = &mut *slf;
        feed.next_with(py, |delivered, originals| match delivered.user_record() {
            Some(user_record) => {
                let record_index = delivered.record_index();
                match template {
                    Some(template) if template.record_index == record_index => template,
                    _ => {
                        let record = originals.get(py, record_index);
                        template.insert(Template::new(&record, record_index)?)
                    }
                }
                .fill(user_record, py)
            }
            None => whole(py, &delivered, originals),
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(template) = &self.template {
            visit.call(&template.record)?;
            visit.call(&template.kinesis)?;
        }
        self.feed.traverse(&visit)
    }

    fn __clear__(&mut self) {
        self.template = None;
        self.feed.clear();
    }
}

/// Returns a Kinesis record that is not aggregated, or malformed, unchanged.
fn whole<'py>(
    py: Python<'py>,
    delivered: &Delivered<'_, Record>,
    originals: &mut Originals,
) -> PyResult<Bound<'py, PyAny>> {
    let record = originals.get(py, delivered.record_index());
    if let Err(error) = delivered.clone().checked() {
        let text = format!("{error}: {}; it is yielded unchanged", error.source);
        let logger = py
            .import(intern!(py, "logging"))?
            .call_method1(intern!(py, "getLogger"), ("kinesis_agg",))?;
        logger.call_method1(intern!(py, "warning"), (text,))?;
    }
    Ok(record)
}

fn read_event<'py>(
    record: &Bound<'py, PyAny>,
    record_index: usize,
) -> PyResult<(KinesisRecord, Bound<'py, PyAny>)> {
    let (record, data) = to_lambda_shape(record, record_index, false)?;
    Ok((record_of(base64_data(&data, record_index)?), record))
}

fn read_boto3<'py>(
    record: &Bound<'py, PyAny>,
    record_index: usize,
) -> PyResult<(KinesisRecord, Bound<'py, PyAny>)> {
    let (record, data) = to_lambda_shape(record, record_index, true)?;
    let bytes = match data.cast::<PyString>() {
        // No text begins with the magic.
        Ok(_) => bytes::Bytes::from_owner(bytes_of(&data, "data")?),
        Err(_) => raw_data(&data, record_index)?,
    };
    Ok((record_of(bytes), record))
}

fn record_of(data: bytes::Bytes) -> KinesisRecord {
    KinesisRecord {
        data,
        ..KinesisRecord::default()
    }
}

/// Converts a record to the shape of a Lambda event's. Also returns its data.
fn to_lambda_shape<'py>(
    record: &Bound<'py, PyAny>,
    record_index: usize,
    is_boto3: bool,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let py = record.py();
    let has = |name: &Bound<'py, PyString>| record.contains(name);
    let record = if has(intern!(py, "Data"))?
        || (has(intern!(py, "data"))? && !has(intern!(py, "kinesis"))?)
    {
        let metadata = [
            intern!(py, "kinesisStreamRecordMetadata"),
            intern!(py, "kinesisRecordMetadata"),
        ];
        let mut converted = None;
        for name in metadata {
            if converted.is_none() && has(name)? {
                converted = Some(from_transformation(record, name, record_index)?);
            }
        }
        match converted {
            Some(converted) => converted.into_any(),
            None if is_boto3 => from_get_records(record, record_index)?.into_any(),
            None => record.clone(),
        }
    } else {
        record.clone()
    };
    let kinesis = need(&record, "kinesis", record_index)?;
    let data = need(&kinesis, "data", record_index)?;
    Ok((record, data))
}

/// Converts a record of an event of Analytics or Firehose.
fn from_transformation<'py>(
    record: &Bound<'py, PyAny>,
    metadata: &Bound<'py, PyString>,
    record_index: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let py = record.py();
    let metadata = record.get_item(metadata)?;
    let kinesis = PyDict::new(py);
    kinesis.set_item(intern!(py, "kinesisSchemaVersion"), "1.0")?;
    for name in [
        intern!(py, "sequenceNumber"),
        intern!(py, "partitionKey"),
        intern!(py, "approximateArrivalTimestamp"),
        intern!(py, "shardId"),
    ] {
        copy_item(&metadata, name, &kinesis, name)?;
    }
    kinesis.set_item(intern!(py, "data"), need(record, "data", record_index)?)?;
    let record_id = intern!(py, "recordId");
    copy_item(record, record_id, &kinesis, record_id)?;
    in_kinesis(&kinesis)
}

/// Converts a record of boto3's `get_records`.
fn from_get_records<'py>(
    record: &Bound<'py, PyAny>,
    record_index: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let py = record.py();
    let kinesis = PyDict::new(py);
    kinesis.set_item(intern!(py, "kinesisSchemaVersion"), "1.0")?;
    for (name, to) in [
        (intern!(py, "SequenceNumber"), intern!(py, "sequenceNumber")),
        (intern!(py, "PartitionKey"), intern!(py, "partitionKey")),
        (
            intern!(py, "ApproximateArrivalTimestamp"),
            intern!(py, "approximateArrivalTimestamp"),
        ),
    ] {
        copy_item(record, name, &kinesis, to)?;
    }
    kinesis.set_item(intern!(py, "data"), need(record, "Data", record_index)?)?;
    in_kinesis(&kinesis)
}

fn in_kinesis<'py>(kinesis: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
    let record = PyDict::new(kinesis.py());
    record.set_item(intern!(kinesis.py(), "kinesis"), kinesis)?;
    Ok(record)
}

/// Copies an item, if it exists.
fn copy_item<'py>(
    from: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    into: &Bound<'py, PyDict>,
    to: &Bound<'py, PyString>,
) -> PyResult<()> {
    match get(from, name)? {
        Some(value) => into.set_item(to, value),
        None => Ok(()),
    }
}

/// The items that all user records of a Kinesis record have in common, copied for each.
struct Template {
    record_index: usize,
    record: Py<PyDict>,
    kinesis: Py<PyDict>,
    keys: KnownKeys,
}

/// Python objects for the keys of a blob, by the offset of the key.
struct KnownKeys([Option<(usize, Py<PyAny>)>; 64]);

impl KnownKeys {
    fn get<'py>(&mut self, py: Python<'py>, key: KeyBytes<'_>) -> Bound<'py, PyAny> {
        let address = key.as_bytes().as_ptr().addr();
        let hash = address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
        let Some(known) = self.0.get_mut(hash) else {
            return to_python(py, key);
        };
        match known {
            Some((at, known)) if *at == address => known.bind(py).clone(),
            _ => {
                let text = to_python(py, key);
                *known = Some((address, text.clone().unbind()));
                text
            }
        }
    }
}

impl Template {
    fn new(original: &Bound<'_, PyAny>, record_index: usize) -> PyResult<Self> {
        let py = original.py();
        let of = need(original, "kinesis", record_index)?;
        let kinesis = PyDict::new(py);
        for name in [
            intern!(py, "kinesisSchemaVersion"),
            intern!(py, "sequenceNumber"),
            intern!(py, "approximateArrivalTimestamp"),
        ] {
            copy_item(&of, name, &kinesis, name)?;
        }
        kinesis.set_item(intern!(py, "explicitHashKey"), py.None())?;
        kinesis.set_item(intern!(py, "partitionKey"), py.None())?;
        kinesis.set_item(intern!(py, "subSequenceNumber"), 0)?;
        kinesis.set_item(intern!(py, "aggregated"), true)?;
        kinesis.set_item(intern!(py, "data"), py.None())?;
        let record_id = intern!(py, "recordId");
        copy_item(&of, record_id, &kinesis, record_id)?;

        let record = PyDict::new(py);
        record.set_item(intern!(py, "kinesis"), py.None())?;
        let original = match original.cast_exact::<PyDict>() {
            Ok(dict) => dict.copy()?,
            Err(_) => {
                let copy = PyDict::new(py);
                copy.update(original.cast::<PyMapping>()?)?;
                copy
            }
        };
        for (name, value) in original {
            if !name.eq(intern!(py, "kinesis"))? && !name.eq(intern!(py, "data"))? {
                record.set_item(name, value)?;
            }
        }
        Ok(Self {
            record_index,
            record: record.unbind(),
            kinesis: kinesis.unbind(),
            keys: KnownKeys([const { None }; 64]),
        })
    }

    fn fill<'py>(
        &mut self,
        user_record: &UserRecord<'_>,
        py: Python<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let kinesis = self.kinesis.bind(py).copy()?;
        if let Some(key) = user_record.explicit_hash_key() {
            kinesis.set_item(intern!(py, "explicitHashKey"), to_python(py, key))?;
        }
        let partition_key = self.keys.get(py, user_record.partition_key());
        kinesis.set_item(intern!(py, "partitionKey"), partition_key)?;
        let number = PyInt::new(py, user_record.sub_sequence_number());
        kinesis.set_item(intern!(py, "subSequenceNumber"), number)?;
        kinesis.set_item(intern!(py, "data"), encode_base64(py, user_record.data())?)?;
        let record = self.record.bind(py).copy()?;
        record.set_item(intern!(py, "kinesis"), kinesis)?;
        Ok(record.into_any())
    }
}

fn encode_base64<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, STANDARD.encoded_length(data.len()), |out| {
        let _written = STANDARD.encode(data, out.as_out());
        Ok(())
    })
}
