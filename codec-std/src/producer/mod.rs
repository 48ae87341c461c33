//! A producer that loses nothing, keeps the order of each hash key, reports
//! each user record once, and has bounded memory.
//!
//! [`ProducerCore`] is the state machine, without clock and sockets. With the
//! feature `producer`, `Producer` runs it on tokio, through any [`StreamService`].

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
mod give_up;
#[cfg(feature = "producer")]
mod hooks;
#[cfg(feature = "producer")]
mod intake;
mod judge;
mod lane;
#[cfg(feature = "producer")]
mod listing;
#[cfg(feature = "producer")]
mod put_error;
mod rate;
mod request;
#[cfg(feature = "producer")]
mod room;
mod routing;
mod sealed;
mod sealed_queue;
mod service;
mod settings;
#[cfg(feature = "producer")]
mod tally;
mod texts;
#[cfg(feature = "producer")]
mod timed;
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
#[cfg(feature = "producer")]
pub use crate::producer::put_error::PutError;
pub use crate::producer::request::{
    PutRecord, PutRequest, PutResult, RequestFailure, RequestId, UnknownRequest,
};
pub use crate::producer::service::{ListShardsError, StreamService};
pub use crate::producer::settings::{
    DEFAULT_BYTES_PER_SECOND, DEFAULT_LONGEST_BACKOFF, DEFAULT_MAX_REQUEST_LEN,
    DEFAULT_MAX_REQUESTS_IN_FLIGHT, DEFAULT_MAX_SILENCE, DEFAULT_RECORDS_PER_SECOND,
    DEFAULT_REFRESH_INTERVAL, DEFAULT_SHORTEST_BACKOFF, DEFAULT_TTL, MAX_REQUEST_COUNT,
    ProducerSettings, UnfitForRaw,
};
pub use crate::producer::texts::MAX_ANSWER_TEXT_LEN;
