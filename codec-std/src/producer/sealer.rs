//! Makes Kinesis records from user records, just before they are sent.

use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::{HashKeyRange, MAGIC};

use crate::producer::distribution::Distribution;
use crate::producer::entry::{Entry, Pushed, can_go_raw};
use crate::producer::event::FailureReason;
use crate::producer::held_keys::HeldKeys;
use crate::producer::lane::Lane;
use crate::producer::request::PutRecord;
use crate::producer::sealed::Sealed;
use crate::producer::settings::{Order, ProducerSettings};
use crate::write::{AsUserRecord as _, OwnedAggregate, PushError, RecordAggregator};

/// A buffer with no more capacity than this is kept, in bytes.
const MIN_CAPACITY: u32 = 1 << 16;

/// Makes Kinesis records, and keeps the hash keys of those that have not ended.
#[derive(Debug)]
pub(super) struct Sealer {
    /// Empty between calls; its memory is reused.
    aggregator: RecordAggregator,
    held_keys: HeldKeys,
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
        let holder = self.held_keys.next_holder();
        let mut pushed: Vec<Pushed<T>> = Vec::with_capacity(lane.fill.count());
        let (mut unfit, mut is_blocked, mut first_explicit) = (Vec::new(), false, None);
        while let Some(first) = lane.queue.first() {
            if first.pushed.awaits_listing > listed_at {
                break;
            }
            let free = match holds_keys {
                true => match self.held_keys.free(first.pushed.hash_key, holder) {
                    Some(free) => Some(free),
                    None => {
                        is_blocked = true;
                        break;
                    }
                },
                false => None,
            };
            let accepted = self
                .aggregator
                .push_if_fits(&first.user_record.as_user_record());
            if accepted == Ok(false) {
                break;
            }
            if let Some(free) = free.filter(|_| accepted.is_ok()) {
                free.hold();
            }
            let Some(entry) = lane.pop_first() else {
                break;
            };
            match accepted {
                Ok(_) => {
                    if pushed.is_empty() {
                        first_explicit = entry.user_record.explicit_hash_key();
                    }
                    pushed.push(entry.pushed);
                }
                Err(reason) => unfit.push((entry, FailureReason::Unfit(reason))),
            }
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
            Sealed::new(record, is_raw, pushed, holds_keys, shard)
        });
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
            let sealed = Sealed::new(record, true, vec![entry.pushed], false, shard);
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
                    sealed: Sealed::new(put_record(aggregate), false, pushed, false, shard),
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
        if sealed.holds_keys {
            self.held_keys.release(sealed.hash_keys());
        }
    }

    /// Frees memory that a large amount of data needed.
    pub(super) fn shrink(&mut self, settings: &ProducerSettings) {
        self.held_keys.shrink();
        if self.aggregator.capacity() > MIN_CAPACITY {
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
