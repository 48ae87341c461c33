//! A producer that loses nothing, keeps the order of each hash key, reports
//! each user record once, and has bounded memory.
//!
//! [`ProducerCore`] is the state machine, without clock and sockets. With the
//! feature `producer`, `Producer` runs it on tokio and the AWS SDK.

mod answers;
mod attempt;
mod backoff;
mod core;
mod counters;
mod distribution;
#[cfg(feature = "producer")]
mod driver;
mod ends;
mod entry;
mod event;
mod fill;
mod held_keys;
mod histogram;
mod lane;
mod lanes;
mod listings;
mod numbers;
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
mod settings;
mod snapshot;
mod stored;
#[cfg(feature = "producer")]
mod stream_client;
mod stream_view;
mod texts;
mod unrouted;
#[cfg(feature = "producer")]
mod worker;

pub use crate::producer::attempt::{Attempt, AttemptCounts, AttemptOutcome, Attempts};
pub use crate::producer::core::ProducerCore;
pub use crate::producer::counters::ProducerCounters;
pub use crate::producer::distribution::{Distribution, DistributionAnswer};
#[cfg(feature = "producer")]
pub use crate::producer::driver::{
    DEFAULT_REQUEST_TIMEOUT, DEFAULT_START_TIMEOUT, DeliveryFuture, Producer, ProducerBuilder,
    PutError,
};
pub use crate::producer::event::{Delivery, Failure, FailureReason, Notice, ProducerEvent};
pub use crate::producer::histogram::Histogram;
pub use crate::producer::numbers::{ProducerSnapshot, ShardSnapshot};
pub use crate::producer::request::{
    PutRecord, PutRequest, PutResult, RequestFailure, RequestId, UnknownRequest,
};
pub use crate::producer::settings::{
    DEFAULT_BYTES_PER_SECOND, DEFAULT_LONGEST_BACKOFF, DEFAULT_MAX_REQUEST_LEN,
    DEFAULT_MAX_REQUESTS_IN_FLIGHT, DEFAULT_MAX_SILENCE, DEFAULT_RATE_PERCENT,
    DEFAULT_RECORDS_PER_SECOND, DEFAULT_REFRESH_INTERVAL, DEFAULT_SHORTEST_BACKOFF,
    DEFAULT_STEP_COUNT, DEFAULT_TTL, MAX_REQUEST_COUNT, Order, ProducerSettings, UnfitForRaw,
};
#[cfg(feature = "producer")]
pub use crate::producer::stream_client::{ListShardsError, list_shards};
pub use crate::producer::texts::MAX_ANSWER_TEXT_LEN;
