//! Packs user records into aggregates.
//!
//! A [`RecordAggregator`] packs [`OwnedUserRecord`]s, or anything else that is
//! [`AsUserRecord`], into [`OwnedAggregate`]s. A user record that no aggregate
//! can hold is returned with the reason.

mod error;
mod key_map;
mod owned_user_record;
mod record_aggregator;

pub use error::{PushError, UnfitUserRecord};
pub use kinesis_agg_codec::{
    EncodeError, HashKey, HashKeyError, LimitError, Limits, NewUserRecord, RecordTag, RecordTags,
};
pub use owned_user_record::{AsUserRecord, OwnedUserRecord};
pub(crate) use record_aggregator::read_back;
pub use record_aggregator::{
    LoneUserRecord, OuterKey, OwnedAggregate, RecordAggregator, flush_all,
};
