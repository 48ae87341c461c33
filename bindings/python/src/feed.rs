//! Feeds Kinesis records from a Python iterator to the reader, a window at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use kinesis_agg::read::OwnedDeaggregated;
use kinesis_agg::{Deaggregator, Delivered, KinesisRecord};
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyTuple};

use crate::text::type_name;

/// The most Kinesis records that are read ahead from a list, so that their digests can be
/// computed together.
const WINDOW_COUNT: usize = 256;

/// Reading ahead stops at this many bytes of data.
const WINDOW_LEN: usize = 2 << 20;

/// A Kinesis record that the reader holds.
pub(crate) type Record = Arc<KinesisRecord>;

/// Reads a Kinesis record from a Python object, given its place. Also returns the object to
/// keep as the original.
pub(crate) type ReadRecord =
    for<'py> fn(&Bound<'py, PyAny>, usize) -> PyResult<(KinesisRecord, Bound<'py, PyAny>)>;

/// The Python objects of the Kinesis records, from the current one on.
pub(crate) struct Originals {
    objects: VecDeque<Py<PyAny>>,
    first_index: usize,
}

impl Originals {
    /// Returns the object of a Kinesis record. Indices must not decrease from call to call.
    pub(crate) fn get<'py>(&mut self, py: Python<'py>, record_index: usize) -> Bound<'py, PyAny> {
        while self.first_index < record_index && self.objects.pop_front().is_some() {
            self.first_index = self.first_index.saturating_add(1);
        }
        match self.objects.front() {
            Some(object) => object.bind(py).clone(),
            None => py.None().into_bound(py),
        }
    }
}

fn iterator_over<'py>(records: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyIterator>> {
    records.try_iter().map_err(|error| {
        if error.is_instance_of::<PyTypeError>(records.py()) {
            PyTypeError::new_err(format!(
                "the Kinesis records must be an iterable, not {}",
                type_name(records)
            ))
        } else {
            error
        }
    })
}

/// A lazy reader of the Kinesis records that a Python iterator yields.
pub(crate) struct Feed {
    reader: OwnedDeaggregated<Record>,
    source: Option<Py<PyIterator>>,
    window_count: usize,
    read: ReadRecord,
    originals: Originals,
    next_index: usize,
    /// The error that follows the Kinesis records that the reader has.
    failed: Option<PyErr>,
}

impl Feed {
    /// Makes a reader. Only lists and tuples are read ahead, since another iterable may block
    /// before each item.
    pub(crate) fn new(
        records: &Bound<'_, PyAny>,
        deaggregator: Deaggregator,
        read: ReadRecord,
    ) -> PyResult<Self> {
        let is_there =
            records.cast_exact::<PyList>().is_ok() || records.cast_exact::<PyTuple>().is_ok();
        let deaggregator = deaggregator.with_digests_ahead(true);
        Ok(Self {
            reader: deaggregator.into_owned_deaggregated([]),
            source: Some(iterator_over(records)?.unbind()),
            window_count: if is_there { WINDOW_COUNT } else { 1 },
            read,
            originals: Originals {
                objects: VecDeque::new(),
                first_index: 0,
            },
            next_index: 0,
            failed: None,
        })
    }

    pub(crate) const fn reader(&self) -> &OwnedDeaggregated<Record> {
        &self.reader
    }

    /// Passes the next item to `f`. Returns `None` at the end.
    pub(crate) fn next_with<T>(
        &mut self,
        py: Python<'_>,
        mut f: impl FnMut(Delivered<'_, Record>, &mut Originals) -> PyResult<T>,
    ) -> PyResult<Option<T>> {
        loop {
            let originals = &mut self.originals;
            if let Some(item) = self.reader.next_with(|delivered| f(delivered, originals)) {
                return item.map(Some);
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if !self.fill(py) {
                return Ok(None);
            }
        }
    }

    /// Reads more Kinesis records from the source. Returns false at its end.
    fn fill(&mut self, py: Python<'_>) -> bool {
        let Some(source) = &self.source else {
            return false;
        };
        let mut source = source.bind(py).clone();
        let mut window = Vec::new();
        let mut window_len: usize = 0;
        while window.len() < self.window_count && window_len < WINDOW_LEN {
            let read = match source.next() {
                Some(object) => object.and_then(|object| (self.read)(&object, self.next_index)),
                None => {
                    self.source = None;
                    break;
                }
            };
            match read {
                Ok((record, original)) => {
                    window_len = window_len.saturating_add(record.data.len());
                    window.push(Arc::new(record));
                    self.originals.objects.push_back(original.unbind());
                    self.next_index = self.next_index.saturating_add(1);
                }
                Err(error) => {
                    self.failed = Some(error);
                    self.source = None;
                    break;
                }
            }
        }
        let is_filled = !window.is_empty() || self.failed.is_some();
        let reader = &mut self.reader;
        // This computes the digests.
        py.detach(|| reader.extend(window));
        is_filled
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.source)?;
        self.originals
            .objects
            .iter()
            .try_for_each(|object| visit.call(object))
    }

    pub(crate) fn clear(&mut self) {
        self.source = None;
        self.originals.objects.clear();
    }
}
