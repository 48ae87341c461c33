//! User records as small Python objects.

use kinesis_agg::read::{MalformedPolicy, RecordTag};
use kinesis_agg::{
    Deaggregator, Delivered, HashKeyFilter, HashKeyRange, KinesisRecord, Outcome, OwnedDelivered,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping, PyString, PyTuple};

use crate::errors;
use crate::feed::{Feed, Record};
use crate::record::{get, read};
use crate::text::{buffer_of, hash_key_of, to_python, type_name};

/// A user record, or an unchanged Kinesis record that is not a valid aggregate.
///
/// It shares the memory of the Kinesis record's data, and keeps that memory alive.
#[pyclass(frozen, module = "kinesis_agg")]
pub(crate) struct UserRecord {
    delivered: OwnedDelivered<Record>,
    enclosing: Py<PyAny>,
}

#[pymethods]
impl UserRecord {
    /// The data, as bytes.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.delivered.data())
    }

    /// The partition key: str, bytes if it is not UTF-8, or None if it is not known.
    #[getter]
    fn partition_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        Some(to_python(py, self.delivered.partition_key()?))
    }

    /// The explicit hash key: str, bytes if it is not UTF-8, or None if there is none.
    #[getter]
    fn explicit_hash_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        Some(to_python(py, self.delivered.explicit_hash_key()?))
    }

    /// The hash key, which determines the shard, or None if no key is known. Raises
    /// ValueError if the explicit hash key is not a number from 0 to 2**128 - 1.
    #[getter]
    fn hash_key(&self) -> PyResult<Option<u128>> {
        let hash_key = self.delivered.hash_key();
        let hash_key = hash_key.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(hash_key.map(kinesis_agg::HashKey::to_u128))
    }

    /// The tags, in order: pairs of a key and a value. A value can be None.
    #[getter]
    fn tags<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let pair = |tag: RecordTag<'_>| {
            (
                to_python(py, tag.key),
                tag.value.map(|value| to_python(py, value)),
            )
        };
        let tags: Vec<_> = self.delivered.tags().iter().map(pair).collect();
        PyTuple::new(py, tags)
    }

    /// The Kinesis record's sequence number, if known.
    #[getter]
    fn sequence_number(&self) -> Option<&str> {
        self.delivered.sequence_number()
    }

    /// The index of the user record in its aggregate, from 0. It is 0 for a Kinesis record
    /// that is not an aggregate.
    #[getter]
    fn sub_sequence_number(&self) -> u64 {
        self.delivered.sub_sequence_number()
    }

    /// True if this is the last user record of its Kinesis record.
    #[getter]
    fn is_last(&self) -> bool {
        self.delivered.is_last()
    }

    /// The checkpoint to store when this user record and all before it are processed. Pass it
    /// to `deaggregate` as `resume_after`. None if the sequence number is not known.
    #[getter]
    fn checkpoint(&self) -> PyResult<Option<String>> {
        text_of_checkpoint(self.delivered.checkpoint())
    }

    /// The kind of the Kinesis record: "plain" (not an aggregate), "aggregated", or
    /// "malformed" (a damaged aggregate).
    #[getter]
    const fn outcome(&self) -> &'static str {
        match self.delivered.outcome() {
            Outcome::Plain(_) => "plain",
            Outcome::Aggregated { .. } => "aggregated",
            Outcome::Malformed(_) => "malformed",
        }
    }

    /// The reason why the Kinesis record is not an aggregate; None unless it is plain.
    #[getter]
    fn plain_reason(&self) -> Option<String> {
        Some(self.delivered.plain_reason()?.to_string())
    }

    /// A MalformedRecordError that describes the fault; None unless the Kinesis record is
    /// malformed.
    #[getter]
    fn malformed<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let error = self.delivered.clone().checked().err()?;
        Some(
            errors::malformed(py, &error)
                .into_value(py)
                .into_bound(py)
                .into_any(),
        )
    }

    /// The index of the Kinesis record in the source, from 0.
    #[getter]
    const fn record_index(&self) -> usize {
        self.delivered.record_index()
    }

    /// The Kinesis record: the object that the source contained.
    #[getter]
    fn enclosing(&self, py: Python<'_>) -> Py<PyAny> {
        self.enclosing.clone_ref(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let key = match self.partition_key(py) {
            Some(key) => key.repr()?.to_string(),
            None => "None".into(),
        };
        Ok(format!(
            "<UserRecord {}: partition_key={key}, sequence_number={}, sub_sequence_number={}, {} bytes>",
            self.outcome(),
            self.sequence_number().unwrap_or("None"),
            self.sub_sequence_number(),
            self.delivered.data().len(),
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.enclosing)
    }
}

fn text_of_checkpoint<E: ToString>(
    checkpoint: Result<Option<kinesis_agg::ExtendedSequenceNumber>, E>,
) -> PyResult<Option<String>> {
    let checkpoint = checkpoint.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(checkpoint.map(|checkpoint| checkpoint.to_string()))
}

/// The iterator that `deaggregate` returns.
#[pyclass(module = "kinesis_agg")]
pub(crate) struct Deaggregated {
    feed: Feed,
    /// The record that contained the last user record, and its index.
    enclosing: Option<(usize, Py<PyAny>)>,
    raises: bool,
}

#[pymethods]
impl Deaggregated {
    const fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, UserRecord>>> {
        let py = slf.py();
        let mut slf = slf
            .try_borrow_mut()
            .map_err(|_| PyValueError::new_err("iterator already executing"))?;
        let Self {
            feed,
            enclosing,
            raises,
        } = &mut *slf;
        feed.next_with(py, |delivered: Delivered<'_, Record>, originals| {
            let record_index = delivered.record_index();
            let enclosing = match enclosing {
                Some((index, enclosing)) if *index == record_index => enclosing.clone_ref(py),
                _ => {
                    let object = originals.get(py, record_index).unbind();
                    *enclosing = Some((record_index, object.clone_ref(py)));
                    object
                }
            };
            if *raises && let Err(error) = delivered.clone().checked() {
                return Err(errors::malformed(py, &error));
            }
            // Made here, so that only a pointer is moved from here on.
            let delivered = delivered.into_owned();
            Bound::new(
                py,
                UserRecord {
                    delivered,
                    enclosing,
                },
            )
        })
    }

    /// The checkpoint to store when all user records so far are processed. It also covers
    /// those that a filter dropped. None if the sequence number is not known.
    #[getter]
    fn checkpoint(&self) -> PyResult<Option<String>> {
        text_of_checkpoint(self.feed.reader().checkpoint())
    }

    /// The numbers of Kinesis records and user records that were read, dropped and skipped
    /// so far, by name.
    #[getter]
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counters = self.feed.reader().deaggregator().counters();
        let dict = PyDict::new(py);
        dict.set_item("kinesis_records", counters.kinesis_records)?;
        dict.set_item("plain", counters.plain)?;
        dict.set_item("aggregated", counters.aggregated)?;
        dict.set_item("malformed", counters.malformed)?;
        dict.set_item("user_records_left_out", counters.user_records_left_out)?;
        dict.set_item("kinesis_records_skipped", counters.kinesis_records_skipped)?;
        dict.set_item("user_records_skipped", counters.user_records_skipped)?;
        Ok(dict)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some((_, enclosing)) = &self.enclosing {
            visit.call(enclosing)?;
        }
        self.feed.traverse(&visit)
    }

    fn __clear__(&mut self) {
        self.enclosing = None;
        self.feed.clear();
    }
}

fn read_any<'py>(
    record: &Bound<'py, PyAny>,
    record_index: usize,
) -> PyResult<(KinesisRecord, Bound<'py, PyAny>)> {
    Ok((read(record, record_index)?, record.clone()))
}

/// Returns a lazy iterator over the user records of Kinesis records, in order. A Kinesis
/// record that is not an aggregate is yielded unchanged.
///
/// source: a Lambda event, a response of boto3's `get_records`, one Kinesis record, or an
/// iterable of Kinesis records. A Kinesis record is its data (bytes or another object with
/// the buffer protocol), a record of an event of Lambda, Firehose, Kinesis Analytics or
/// EventBridge Pipes, a record of `get_records`, or Powertools' `KinesisStreamRecord`.
///
/// hash_key_range: the lowest and the highest hash key of the shard. User records outside
/// of this range are dropped and counted; `filter` decides how.
///
/// filter: with "whole-aggregate", one user record outside of the range drops its whole
/// aggregate, as in the KCL. With "per-user-record", only user records outside are dropped.
///
/// resume_after: a checkpoint. User records up to and including it are skipped.
///
/// malformed: what to do with a malformed aggregate. "deliver" yields the Kinesis record
/// unchanged, with `outcome` "malformed". "leave-out" drops it. "raise" raises
/// MalformedRecordError; call `next` again to continue with the next Kinesis record.
#[pyfunction]
#[pyo3(signature = (
    source, *, hash_key_range=None, filter="whole-aggregate", resume_after=None, malformed="deliver"
))]
pub(crate) fn deaggregate(
    source: &Bound<'_, PyAny>,
    hash_key_range: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
    filter: &str,
    resume_after: Option<&str>,
    malformed: &str,
) -> PyResult<Deaggregated> {
    let mut deaggregator = Deaggregator::new();
    let make_filter = match filter {
        "whole-aggregate" => HashKeyFilter::WholeAggregate,
        "per-user-record" => HashKeyFilter::PerUserRecord,
        other => return Err(unknown("filter", other, "whole-aggregate, per-user-record")),
    };
    if let Some((starting, ending)) = hash_key_range {
        let starting = hash_key_of(&starting, "hash_key_range")?;
        let ending = hash_key_of(&ending, "hash_key_range")?;
        let range = HashKeyRange::new(starting, ending);
        let range =
            range.map_err(|error| PyValueError::new_err(format!("hash_key_range: {error}")))?;
        deaggregator = deaggregator.with_filter(make_filter(range));
    }
    if let Some(text) = resume_after {
        let checkpoint = text.parse();
        let checkpoint = checkpoint
            .map_err(|error| PyValueError::new_err(format!("resume_after {text:?}: {error}")))?;
        deaggregator = deaggregator.resume_after(checkpoint);
    }
    let (policy, raises) = match malformed {
        "deliver" => (MalformedPolicy::Deliver, false),
        "leave-out" => (MalformedPolicy::LeaveOut, false),
        "raise" => (MalformedPolicy::Deliver, true),
        other => return Err(unknown("malformed", other, "deliver, leave-out, raise")),
    };
    let feed = Feed::new(
        &records_of(source)?,
        deaggregator.with_malformed(policy),
        read_any,
    )?;
    Ok(Deaggregated {
        feed,
        enclosing: None,
        raises,
    })
}

fn unknown(argument: &str, value: &str, known: &str) -> PyErr {
    PyValueError::new_err(format!(
        "{argument} is {value:?}; it must be one of {known}"
    ))
}

/// Returns the iterable of Kinesis records that a source is or contains.
fn records_of<'py>(source: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = source.py();
    if source.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!(
            "source must be an event, a Kinesis record or an iterable of Kinesis records, not {}",
            type_name(source)
        )));
    }
    let one = || Ok(PyList::new(py, [source])?.into_any());
    if source.is_instance_of::<PyBytes>() {
        return one();
    }
    if source.cast::<PyMapping>().is_ok() {
        for name in [intern!(py, "Records"), intern!(py, "records")] {
            if let Some(records) = get(source, name)?.filter(|records| !records.is_none()) {
                return Ok(records);
            }
        }
        return match get(source, intern!(py, "SubscribeToShardEvent"))? {
            Some(event) => event.get_item(intern!(py, "Records")),
            None => one(),
        };
    }
    if source.cast_exact::<PyList>().is_err()
        && (buffer_of(source)?.is_some() || source.hasattr(intern!(py, "raw_event"))?)
    {
        return one();
    }
    Ok(source.clone())
}
