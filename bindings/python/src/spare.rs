//! Keeps the memory of finished aggregators for the next ones.
//!
//! An aggregate is 1 MiB by default. Growing a buffer to that each time costs up to half
//! of the time that aggregation takes, in page faults.

use std::sync::{Mutex, PoisonError};

use kinesis_agg::RecordAggregator;
use kinesis_agg::write::{Limits, LoneUserRecord, OuterKey};

/// Two, since the next aggregate starts before the complete one is finished.
const MAX_SPARES: usize = 2;

static SPARES: Mutex<Vec<RecordAggregator>> = Mutex::new(Vec::new());

/// Returns an empty aggregator with the default settings.
pub(crate) fn take() -> RecordAggregator {
    let spare = SPARES.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let spare = spare.unwrap_or_default();
    spare
        .with_limits(Limits::new())
        .with_outer_key(OuterKey::default())
        .with_lone_user_record(LoneUserRecord::default())
}

/// Keeps an aggregator that is no longer needed; drops its user records.
pub(crate) fn give(mut aggregator: RecordAggregator) {
    aggregator.clear();
    let mut spares = SPARES.lock().unwrap_or_else(PoisonError::into_inner);
    if spares.len() < MAX_SPARES {
        spares.push(aggregator);
    }
}
