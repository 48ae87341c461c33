//! Makes Kinesis records from user records, just before they are sent.

use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::{HashKeyRange, MAGIC};

use crate::producer::distribution::Distribution;
use crate::producer::entry::{Entry, Pushed, can_go_raw};
use crate::producer::event::FailureReason;
use crate::producer::held_keys::HeldKeys;
use crate::producer::lane::Lane;
use crate::producer::order::Order;
use crate::producer::request::PutRecord;
use crate::producer::sealed::Sealed;
use crate::producer::settings::ProducerSettings;
use crate::write::{AsUserRecord as _, OwnedAggregate, PushError, RecordAggregator};

/// A buffer with no more capacity than this is kept, in bytes.
const MIN_CAPACITY: u32 = 1 << 16;

/// Makes Kinesis records, and keeps the hash keys of those that have not ended.
#[derive(Debug)]
pub(super) struct Sealer {
    /// Empty between calls; its memory is reused.
    aggregator: RecordAggregator,
    held_keys: HeldKeys,
    /// Bytes of the longest aggregate since the last time at which no user record
    /// was held.
    longest: usize,
}

/// The result of sealing the front of a queue.
pub(super) struct Made<T> {
    /// None if no user record could be sealed.
    pub(super) sealed: Option<Sealed<T>>,
    /// User records that no aggregate can hold.
    pub(super) unfit: Vec<(Entry<T>, FailureReason)>,
}

impl Sealer {
    pub(super) fn new(settings: &ProducerSettings) -> Self {
        Self {
            aggregator: settings.aggregator(),
            held_keys: HeldKeys::default(),
            longest: 0,
        }
    }

    /// Makes an aggregate from the front of a lane's queue: as many user records as
    /// fit, up to the first whose hash key is held or that awaits a listing.
    pub(super) fn seal<T>(
        &mut self,
        lane: &mut Lane<T>,
        listed_at: Duration,
        settings: &ProducerSettings,
    ) -> Made<T> {
        let holds_keys = settings.order == Order::PerHashKey;
        let holder = holds_keys.then(|| self.held_keys.add_holder());
        let (aggregator, held_keys) = (&mut self.aggregator, &mut self.held_keys);
        let mut pushed: Vec<Pushed<T>> = Vec::with_capacity(lane.fill.count());
        let (mut unfit, mut is_blocked, mut first_explicit) = (Vec::new(), false, None);
        let mut is_first = true;
        loop {
            let mut reason = None;
            lane.queue.take_while(&mut pushed, |user_record, next| {
                if next.awaits_listing() > listed_at {
                    return false;
                }
                let free = match holder {
                    Some(holder) => held_keys.free(next.hash_key, holder),
                    None => None,
                };
                is_blocked = holder.is_some() && free.is_none();
                if is_blocked {
                    return false;
                }
                match aggregator.push_if_fits(&user_record.as_user_record()) {
                    Ok(true) => {}
                    Ok(false) => return false,
                    Err(error) => {
                        reason = Some(error);
                        return false;
                    }
                }
                if let Some(free) = free {
                    free.hold();
                }
                if core::mem::take(&mut is_first) {
                    first_explicit = user_record.explicit_hash_key();
                }
                true
            });
            let Some(reason) = reason else { break };
            let entry = lane.queue.pop_first();
            unfit.extend(entry.map(|entry| (entry, FailureReason::Unfit(reason))));
        }
        lane.refill(Distribution::ByKey, settings);
        lane.is_blocked = is_blocked;
        let shard = (Arc::clone(&lane.shard_id), lane.range);
        let sealed = self.aggregator.flush().and_then(|aggregate| {
            // A user record whose data begins with the magic bytes is never sent
            // raw, and every aggregate begins with them.
            let is_raw = !aggregate.data().starts_with(&MAGIC);
            let mut record = put_record(aggregate);
            if is_raw {
                // A raw user record keeps its own keys.
                record.explicit_hash_key = first_explicit;
            }
            Sealed::new(record, is_raw, pushed, holder, shard)
        });
        if let (Some(holder), None) = (holder, &sealed) {
            self.held_keys.release(holder);
        }
        let len = sealed.as_ref().map_or(0, |sealed| sealed.record.data.len());
        self.longest = self.longest.max(len);
        Made { sealed, unfit }
    }

    /// Makes a Kinesis record from a single user record, for a stream that
    /// distributes records itself.
    pub(super) fn seal_alone<T>(
        &mut self,
        entry: Entry<T>,
        shard: (Arc<str>, HashKeyRange),
    ) -> Made<T> {
        if can_go_raw(&entry.user_record) {
            let (partition_key, explicit_hash_key, data) = entry.user_record.into_raw();
            let record = PutRecord {
                data,
                partition_key,
                explicit_hash_key,
            };
            let sealed = Sealed::new(record, true, vec![entry.pushed], None, shard);
            return Made {
                sealed,
                unfit: Vec::new(),
            };
        }
        // The user record was checked when it was pushed, or when the distribution
        // changed.
        let aggregate = match self.aggregator.push(&entry.user_record) {
            Ok(_) => self.aggregator.flush().ok_or(FailureReason::CannotGoRaw),
            Err(PushError { reason, .. }) => Err(FailureReason::Unfit(reason)),
        };
        match aggregate {
            Ok(aggregate) => {
                let pushed = vec![entry.pushed];
                Made {
                    sealed: Sealed::new(put_record(aggregate), false, pushed, None, shard),
                    unfit: Vec::new(),
                }
            }
            Err(reason) => Made {
                sealed: None,
                unfit: vec![(entry, reason)],
            },
        }
    }

    /// Releases the hash keys of a Kinesis record that has ended or is taken apart.
    pub(super) fn release<T>(&mut self, sealed: &Sealed<T>) {
        if let Some(holder) = sealed.holder {
            self.held_keys.release(holder);
        }
    }

    /// Frees memory that the Kinesis records since the last call did not need.
    /// Called when no user record is held.
    pub(super) fn shrink(&mut self, settings: &ProducerSettings) {
        self.held_keys.shrink();
        let longest = u32::try_from(core::mem::take(&mut self.longest)).unwrap_or(u32::MAX);
        let capacity = self.aggregator.capacity();
        if capacity > MIN_CAPACITY && longest < capacity / 4 {
            self.aggregator = settings.aggregator();
        }
    }
}

fn put_record(aggregate: OwnedAggregate) -> PutRecord {
    let (data, partition_key, explicit_hash_key) = aggregate.into_parts();
    PutRecord {
        data,
        partition_key: Some(partition_key),
        explicit_hash_key,
    }
}
