//! User records on their way: in an aggregate, and out of it again.

use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::HashKeyRange;

use crate::producer::event::Attempt;
use crate::shards::ShardAggregate;
use crate::write::{OwnedAggregate, OwnedUserRecord};

/// Attempts of the past, shared by the user records that made them together.
pub(super) type Past = Arc<[Attempt]>;

/// What goes with a user record.
#[derive(Debug)]
pub(super) struct Pushed<T> {
    pub(super) token: T,
    /// Its place among all that were pushed.
    pub(super) number: u64,
    pub(super) at: Duration,
    pub(super) buffered_len: usize,
    /// Attempts before it was aggregated anew.
    pub(super) past: Option<Past>,
}

#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) user_record: OwnedUserRecord,
    pub(super) pushed: Pushed<T>,
}

/// A complete aggregate, to be sent or sent again as it is.
#[derive(Debug)]
pub(super) struct Sealed<T> {
    pub(super) shard_id: Arc<str>,
    pub(super) span: HashKeyRange,
    pub(super) aggregate: OwnedAggregate,
    pub(super) pushed: Vec<Pushed<T>>,
    pub(super) oldest: Duration,
    /// The most attempts of a user record before this aggregate.
    pub(super) past_attempts: usize,
    pub(super) attempts: Vec<Attempt>,
    pub(super) not_before: Duration,
    /// To be the only one in its request.
    pub(super) alone: bool,
}

impl<T> Sealed<T> {
    pub(super) fn len(&self) -> usize {
        let data_len = self.aggregate.data().len();
        data_len.saturating_add(self.aggregate.partition_key().len())
    }

    pub(super) fn attempt_count(&self) -> usize {
        self.past_attempts.saturating_add(self.attempts.len())
    }
}

impl<T> From<ShardAggregate<Pushed<T>>> for Sealed<T> {
    fn from(complete: ShardAggregate<Pushed<T>>) -> Self {
        let oldest = complete.tokens.iter().map(|pushed| pushed.at).min();
        let past_attempts = complete.tokens.iter().map(Pushed::attempt_count).max();
        Self {
            shard_id: complete.shard_id,
            span: complete.hash_key_span,
            aggregate: complete.aggregate,
            pushed: complete.tokens,
            oldest: oldest.unwrap_or_default(),
            past_attempts: past_attempts.unwrap_or_default(),
            attempts: Vec::new(),
            not_before: Duration::ZERO,
            alone: false,
        }
    }
}

impl<T> Pushed<T> {
    pub(super) fn attempt_count(&self) -> usize {
        self.past.as_ref().map_or(0, |past| past.len())
    }
}

/// The user records of an aggregate, each with all of its attempts.
pub(super) fn take_apart<T>(sealed: Sealed<T>) -> Vec<Waiting<T>> {
    let attempts: Past = sealed.attempts.into();
    // Neighbours mostly have the same past.
    let mut known: Option<(Option<Past>, Past)> = None;
    let user_records = sealed.aggregate.read_back();
    user_records
        .zip(sealed.pushed)
        .map(|(user_record, mut pushed)| {
            if !attempts.is_empty() {
                let past = match &known {
                    Some((before, past)) if is_same(before, &pushed.past) => Arc::clone(past),
                    _ => match &pushed.past {
                        None => Arc::clone(&attempts),
                        Some(before) => before.iter().chain(&*attempts).cloned().collect(),
                    },
                };
                let before = pushed.past.replace(Arc::clone(&past));
                known = Some((before, past));
            }
            Waiting {
                user_record,
                pushed,
            }
        })
        .collect()
}

fn is_same(one: &Option<Past>, other: &Option<Past>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
