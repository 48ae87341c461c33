//! Events of AWS Lambda: a stream's, Firehose's, Kinesis Analytics's; and user
//! records in the Python module's shape.
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
//! | [`FirehoseEvent`] | [`TransformationAnswer`], from [`FirehoseEvent::transform`] |
//! | [`AnalyticsEvent`] | [`TransformationAnswer`], from [`AnalyticsEvent::transform`] |
//!
//! These are types of this crate and not those of `aws_lambda_events`, because
//! a record has to come out as it came in: there, a timestamp's fraction is
//! read wrong or panics, a Firehose `subsequenceNumber` that is a text fails
//! the whole event, and the event of Analytics's preprocessing does not exist
//! (1.2.1). Whoever has its types already implements
//! [`EnclosingRecord`](crate::EnclosingRecord) for a wrapper around them.
//!
//! Feature `lambda`, not on by default.

mod answer;
mod event;
mod fields;
mod record;
mod user_record;

pub use answer::{
    BatchItemFailures, TimeWindowAnswer, TransformationAnswer, TransformationResult, Transformed,
    TransformedRecord,
};
pub use event::{AnalyticsEvent, FirehoseEvent, KinesisEvent, TimeWindow, TimeWindowEvent};
pub use record::{EventRecord, EventRecordError, RecordShape};
pub use user_record::UserRecordEvent;
