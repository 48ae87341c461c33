//! Reading user records from Kinesis records.
//!
//! A [`Deaggregator`] holds the settings, [`Deaggregated`] is its iterator, and
//! [`Delivered`] is the item. [`OwnedDelivered`] is an owned item that shares the memory
//! of the data, and [`OwnedDeaggregated`] is an iterator that owns its Kinesis records.
//!
//! The codec parses a Kinesis record; this module decides what the consumer gets. A plain
//! record is delivered unchanged. By default, a malformed record is also delivered
//! unchanged (KCL behaviour), together with its error.

mod current;
mod deaggregated;
mod deaggregator;
mod delivered;
mod error;
mod hash_key_filter;
mod observer;
mod owned_deaggregated;
mod owned_delivered;
mod sequence_number;

pub use crate::kinesis_record::{EnclosingRecord, KinesisRecord, SharedData};
pub use deaggregated::{Deaggregated, deaggregate};
pub use deaggregator::{Deaggregator, MalformedPolicy, ReadCounters};
pub use delivered::{Delivered, Outcome};
pub use error::MalformedRecord;
pub use hash_key_filter::HashKeyFilter;
pub use kinesis_agg_codec::{
    DecodeError, DecodeErrorKind, HashKeyError, KeyBytes, PlainReason, RecordTag, RecordTags,
    UserRecord,
};
pub use observer::Observer;
pub use owned_deaggregated::OwnedDeaggregated;
pub use owned_delivered::OwnedDelivered;
pub use sequence_number::{
    ExtendedSequenceNumber, MAX_SEQUENCE_NUMBER_LEN, SequenceDigits, SequenceNumber,
    SequenceNumberError,
};
