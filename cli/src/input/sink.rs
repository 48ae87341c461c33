//! Receives the Kinesis records of a file.

use alloc::sync::Arc;

use kinesis_agg::EnclosingRecord as _;
use kinesis_agg::lambda::EventRecord;

use crate::diagnosis::search::{Budget, split_back_to_back};
use crate::error::{BadInput, Place, Spot};
use crate::pipeline::{Closed, Producer};

/// A Kinesis record, and where it was read.
#[derive(Debug)]
pub(crate) struct KinesisRecord {
    pub(crate) place: Place,
    pub(crate) event: EventRecord,
}

pub(crate) type Item = Result<KinesisRecord, BadInput>;

/// Receives the records of a file.
pub(super) struct Sink<'a> {
    pub(super) name: Arc<str>,
    pub(super) producer: &'a mut Producer<Item>,
    pub(super) budget: &'a mut Budget,
}

impl Sink<'_> {
    /// Adds one record, or several if the data is intact aggregates back to back.
    pub(super) fn push_raw(&mut self, data: Vec<u8>) -> Result<(), Closed> {
        if data.is_empty() {
            return Ok(());
        }
        let parts = split_back_to_back(&data, self.budget);
        if parts.is_empty() {
            return self.push_data(Spot::File, data);
        }
        parts.into_iter().try_for_each(|part| {
            let bytes = data.get(part.clone()).unwrap_or_default();
            self.push_data(Spot::Byte(part.start), bytes.to_vec())
        })
    }

    pub(super) fn push_data(&mut self, spot: Spot, data: Vec<u8>) -> Result<(), Closed> {
        self.push(spot, Ok(EventRecord::from_data(data)))
    }

    pub(super) fn push(
        &mut self,
        spot: Spot,
        record: Result<EventRecord, String>,
    ) -> Result<(), Closed> {
        /// Bytes of memory that a record uses besides its data.
        const AROUND: usize = 512;
        let file = Arc::clone(&self.name);
        let place = Place { file, spot };
        let len = record.as_ref().map_or(0, |record| record.data().len());
        let item = match record {
            Ok(event) => Ok(KinesisRecord { place, event }),
            Err(why) => Err(BadInput { place, why }),
        };
        self.producer.push(item, len.saturating_add(AROUND))
    }
}
