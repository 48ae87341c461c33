//! Events of AWS Lambda functions that read a stream, are the target of a pipe, transform
//! Firehose records or preprocess Kinesis Analytics input, and user records in the shape
//! of the Python module.
//!
//! ```
//! use kinesis_agg::lambda::{KinesisEvent, UserRecordEvent};
//!
//! # let json = r#"{"Records":[]}"#;
//! let event: KinesisEvent = serde_json::from_str(json)?;
//! for delivered in event.user_records() {
//!     let arrived = delivered.enclosing().approximate_arrival_timestamp();
//!     println!("{arrived:?}: {:?}", delivered.data());
//!     println!("{}", serde_json::to_string(&UserRecordEvent::from(delivered))?);
//! }
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! | Event | Answer |
//! |---|---|
//! | [`KinesisEvent`] | [`BatchItemFailures`] |
//! | [`TimeWindowEvent`] | [`TimeWindowAnswer`] |
//! | [`PipesEvent`] | [`BatchItemFailures`], with [`push_event_id`](BatchItemFailures::push_event_id) |
//! | [`FirehoseEvent`] | [`TransformationAnswer`], from [`FirehoseEvent::transform`] |
//! | [`AnalyticsEvent`] | [`TransformationAnswer`], from [`AnalyticsEvent::transform`] |
//!
//! [`EventDocument`] finds the records of any of these, of `GetRecords` and
//! `SubscribeToShard` output, and of on-failure documents. [`JsonFields`] keeps the
//! fields of a JSON object exactly as written.
//!
//! This module has its own types instead of those of `aws_lambda_events` 1.2.1, because
//! records must serialize exactly as they were received. That crate misreads timestamps
//! with fractions or panics on them, rejects a whole Firehose event if
//! `subsequenceNumber` is a string, and has no type for the preprocessing event of
//! Analytics. If you already use its types, implement
//! [`EnclosingRecord`](crate::EnclosingRecord) for a wrapper around them.
//!
//! Feature `lambda`, not on by default.

mod answer;
mod document;
mod event;
mod json_fields;
mod record;
mod user_record;

pub use answer::{
    BatchItemFailures, DEFAULT_MAX_ANSWER_LEN, TimeWindowAnswer, TransformationAnswer,
    TransformationFailure, TransformationResult, Transformed, TransformedRecord,
};
pub use document::{EventDocument, EventRecords};
pub use event::{
    AnalyticsEvent, EventError, FirehoseEvent, KinesisEvent, PipesEvent, TimeWindow,
    TimeWindowEvent,
};
pub use json_fields::{JsonField, JsonFields, NotAString};
pub use record::{EventRecord, EventRecordError, RecordShape};
pub use user_record::UserRecordEvent;
