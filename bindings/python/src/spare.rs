//! Keeps the memory of one finished aggregator for the next one.
//!
//! An aggregate is 1 MiB by default. Growing a buffer to that each time costs up to half
//! of the time that aggregation takes, in page faults.

use std::sync::{Mutex, PoisonError};

use kinesis_agg::RecordAggregator;
use kinesis_agg::write::{Limits, LoneUserRecord, OuterKey};

static SPARE: Mutex<Option<RecordAggregator>> = Mutex::new(None);

/// Returns an empty aggregator with the default settings.
pub(crate) fn take() -> RecordAggregator {
    let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let spare = spare.unwrap_or_default();
    spare
        .with_limits(Limits::new())
        .with_outer_key(OuterKey::default())
        .with_lone_user_record(LoneUserRecord::default())
}

/// Keeps an aggregator that is no longer needed; drops its user records.
pub(crate) fn give(mut aggregator: RecordAggregator) {
    aggregator.clear();
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    // An aggregator that has never grown is worth less than the one that is kept.
    spare.get_or_insert(aggregator);
}
