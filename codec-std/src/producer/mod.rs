//! A producer that loses nothing, keeps the order of each hash key, reports
//! each user record once, and has bounded memory.
//!
//! [`ProducerCore`] is the state machine, without clock and sockets. With the
//! feature `producer`, `Producer` runs it on tokio and the AWS SDK.

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
mod judge;
mod lane;
mod rate;
mod request;
#[cfg(feature = "producer")]
mod room;
mod routing;
mod sealed;
mod sealed_queue;
mod settings;
#[cfg(feature = "producer")]
mod stream_client;
mod texts;
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
pub use crate::producer::request::{
    PutRecord, PutRequest, PutResult, RequestFailure, RequestId, UnknownRequest,
};
pub use crate::producer::settings::{
    DEFAULT_BYTES_PER_SECOND, DEFAULT_LONGEST_BACKOFF, DEFAULT_MAX_REQUEST_LEN,
    DEFAULT_MAX_REQUESTS_IN_FLIGHT, DEFAULT_MAX_SILENCE, DEFAULT_RECORDS_PER_SECOND,
    DEFAULT_REFRESH_INTERVAL, DEFAULT_SHORTEST_BACKOFF, DEFAULT_TTL, MAX_REQUEST_COUNT,
    ProducerSettings, UnfitForRaw,
};
#[cfg(feature = "producer")]
pub use crate::producer::stream_client::{ListShardsError, list_shards};
pub use crate::producer::texts::MAX_ANSWER_TEXT_LEN;
