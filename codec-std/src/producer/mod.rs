//! A producer that loses no user record, keeps the order of each hash key,
//! reports the outcome of each user record once, and uses bounded memory.
//!
//! [`ProducerCore`] is the state machine; it has no clock and no sockets. With
//! the feature `producer`, `Producer` runs it on tokio, against any
//! [`StreamService`].

mod answers;
mod attempt;
mod backoff;
#[cfg(feature = "producer")]
mod builder;
#[cfg(feature = "producer")]
mod clock;
mod core;
mod counters;
#[cfg(feature = "producer")]
mod delivery;
mod distribution;
#[cfg(feature = "producer")]
mod driver;
mod ends;
mod entry;
#[cfg(feature = "producer")]
mod epochs;
mod event;
mod fill;
#[cfg(feature = "producer")]
mod gates;
mod give_up;
mod held_keys;
mod histogram;
#[cfg(feature = "producer")]
mod hooks;
#[cfg(feature = "producer")]
mod intake;
mod known_keys;
mod lane;
mod lanes;
#[cfg(feature = "producer")]
mod lister;
#[cfg(feature = "producer")]
mod listing;
mod listings;
#[cfg(feature = "metrics")]
mod meter;
mod nanos;
mod numbers;
mod order;
mod pushes;
#[cfg(feature = "producer")]
mod put_error;
#[cfg(feature = "producer")]
mod puts;
mod queue;
mod rate;
mod request;
mod request_room;
mod requests;
mod rerouting;
#[cfg(feature = "producer")]
mod room;
mod sealed;
mod sealed_queue;
mod sealer;
mod service;
mod settings;
mod snapshot;
mod stored;
mod stream_view;
#[cfg(feature = "producer")]
mod tally;
mod texts;
#[cfg(feature = "producer")]
mod timed;
mod unfit_for_raw;
mod unrouted;
#[cfg(feature = "producer")]
mod worker;

pub use crate::producer::attempt::{Attempt, AttemptCounts, AttemptOutcome, Attempts};
#[cfg(feature = "producer")]
pub use crate::producer::builder::{
    DEFAULT_REQUEST_TIMEOUT, DEFAULT_START_TIMEOUT, ProducerBuilder,
};
pub use crate::producer::core::ProducerCore;
pub use crate::producer::counters::ProducerCounters;
#[cfg(feature = "producer")]
pub use crate::producer::delivery::DeliveryFuture;
pub use crate::producer::distribution::{Distribution, DistributionAnswer};
#[cfg(feature = "producer")]
pub use crate::producer::driver::{Producer, Shutdown};
pub use crate::producer::event::{Delivery, Failure, FailureReason, Notice, ProducerEvent};
pub use crate::producer::histogram::Histogram;
pub use crate::producer::numbers::{ProducerSnapshot, ShardSnapshot};
pub use crate::producer::order::Order;
#[cfg(feature = "producer")]
pub use crate::producer::put_error::PutError;
pub use crate::producer::request::{
    PutRecord, PutRequest, PutResult, RequestFailure, RequestId, UnknownRequest,
};
pub use crate::producer::service::{ListShardsError, StreamService};
pub use crate::producer::settings::{
    DEFAULT_BYTES_PER_SECOND, DEFAULT_LONGEST_BACKOFF, DEFAULT_MAX_REQUEST_LEN,
    DEFAULT_MAX_REQUESTS_IN_FLIGHT, DEFAULT_MAX_SILENCE, DEFAULT_RATE_PERCENT,
    DEFAULT_RECORDS_PER_SECOND, DEFAULT_REFRESH_INTERVAL, DEFAULT_SHORTEST_BACKOFF,
    DEFAULT_STEP_COUNT, DEFAULT_TTL, MAX_REQUEST_COUNT, ProducerSettings,
};
pub use crate::producer::texts::MAX_ANSWER_TEXT_LEN;
pub use crate::producer::unfit_for_raw::UnfitForRaw;
