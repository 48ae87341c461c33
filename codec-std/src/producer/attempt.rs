//! Attempts to put a user record into the stream.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use thiserror::Error;

use crate::producer::request::RequestFailure;

/// One attempt to put a user record into the stream that did not deliver it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// When the request was returned to the caller, as the caller's `now`.
    pub sent_at: Duration,
    /// When its answer was handled, as the caller's `now`.
    pub answered_at: Duration,
    /// Its outcome.
    pub outcome: AttemptOutcome,
}

impl Attempt {
    /// Returns the time from the request to its answer.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.answered_at.saturating_sub(self.sent_at)
    }
}

/// Why an attempt did not deliver. Texts from the service are truncated to
/// [`MAX_ANSWER_TEXT_LEN`](crate::producer::MAX_ANSWER_TEXT_LEN) bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// The service rejected the record, with an error code and a message.
    #[error("the service rejected the record: {code}: {message}")]
    Rejected {
        /// The error code.
        code: Arc<str>,
        /// The error message.
        message: Arc<str>,
    },
    /// The request failed as a whole.
    #[error(transparent)]
    RequestFailed(RequestFailure),
    /// The number of results in the answer differs from the number of records, so
    /// it is unknown which result belongs to which record.
    #[error("the answer has {answered} results for {sent} records")]
    CountMismatch {
        /// Records in the request.
        sent: usize,
        /// Results in the answer.
        answered: usize,
    },
    /// The aggregate is in a shard whose range does not contain all of its hash
    /// keys, or that is in no listing. A consumer may drop it, or may see this
    /// user record twice.
    #[error("stored in shard {shard_id}, where a consumer may drop it")]
    WrongShard {
        /// The shard.
        shard_id: Arc<str>,
        /// The aggregate's sequence number there.
        sequence_number: Arc<str>,
    },
}

/// How many attempts ended with each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptCounts {
    /// [`AttemptOutcome::Rejected`].
    pub rejected: usize,
    /// [`AttemptOutcome::RequestFailed`].
    pub request_failed: usize,
    /// [`AttemptOutcome::CountMismatch`].
    pub count_mismatch: usize,
    /// [`AttemptOutcome::WrongShard`].
    pub wrong_shard: usize,
}

impl AttemptCounts {
    /// Returns the number of all attempts.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.rejected
            .saturating_add(self.request_failed)
            .saturating_add(self.count_mismatch)
            .saturating_add(self.wrong_shard)
    }

    const fn plus(&self, other: &Self) -> Self {
        Self {
            rejected: self.rejected.saturating_add(other.rejected),
            request_failed: self.request_failed.saturating_add(other.request_failed),
            count_mismatch: self.count_mismatch.saturating_add(other.count_mismatch),
            wrong_shard: self.wrong_shard.saturating_add(other.wrong_shard),
        }
    }

    const fn of(outcome: &AttemptOutcome) -> Self {
        let mut counts = Self {
            rejected: 0,
            request_failed: 0,
            count_mismatch: 0,
            wrong_shard: 0,
        };
        match outcome {
            AttemptOutcome::Rejected { .. } => counts.rejected = 1,
            AttemptOutcome::RequestFailed(_) => counts.request_failed = 1,
            AttemptOutcome::CountMismatch { .. } => counts.count_mismatch = 1,
            AttemptOutcome::WrongShard { .. } => counts.wrong_shard = 1,
        }
        counts
    }
}

/// The attempts to deliver a user record: the first, the last, and how many ended
/// with each outcome. Those in between are not kept, so that memory use does not
/// grow with the number of attempts.
///
/// Cloning shares memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    history: Option<Arc<History>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct History {
    first: Attempt,
    /// None if there is only one.
    last: Option<Attempt>,
    counts: AttemptCounts,
}

impl Attempts {
    /// Returns the number of attempts.
    #[must_use]
    pub fn count(&self) -> usize {
        self.counts().total()
    }

    /// Returns the number of attempts with each outcome.
    #[must_use]
    pub fn counts(&self) -> AttemptCounts {
        let history = self.history.as_ref();
        history.map_or_else(AttemptCounts::default, |history| history.counts)
    }

    /// Returns the first attempt, if there was one.
    #[must_use]
    pub fn first(&self) -> Option<&Attempt> {
        Some(&self.history.as_ref()?.first)
    }

    /// Returns the last attempt, if there was one. It is also the first if there
    /// was only one.
    #[must_use]
    pub fn last(&self) -> Option<&Attempt> {
        let history = self.history.as_ref()?;
        Some(history.last.as_ref().unwrap_or(&history.first))
    }

    /// Adds an attempt.
    pub(super) fn push(&mut self, attempt: Attempt) {
        let counts = AttemptCounts::of(&attempt.outcome);
        match &mut self.history {
            None => {
                self.history = Some(Arc::new(History {
                    first: attempt,
                    last: None,
                    counts,
                }));
            }
            Some(history) => {
                let history = Arc::make_mut(history);
                history.counts = history.counts.plus(&counts);
                history.last = Some(attempt);
            }
        }
    }

    /// Returns these attempts followed by later ones.
    pub(super) fn followed_by(&self, later: &Self) -> Self {
        let (Some(before), Some(after)) = (&self.history, &later.history) else {
            let either = self.history.as_ref().or(later.history.as_ref());
            return Self {
                history: either.cloned(),
            };
        };
        let last = after.last.as_ref().unwrap_or(&after.first);
        Self {
            history: Some(Arc::new(History {
                first: before.first.clone(),
                last: Some(last.clone()),
                counts: before.counts.plus(&after.counts),
            })),
        }
    }

    /// Returns true if both share their memory, or both are empty.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.history, &other.history) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts")
            .field("counts", &self.counts())
            .field("first", &self.first())
            .field("last", &self.last())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(at: u64, outcome: AttemptOutcome) -> Attempt {
        Attempt {
            sent_at: Duration::from_secs(at),
            answered_at: Duration::from_secs(at),
            outcome,
        }
    }

    fn mismatch(at: u64) -> Attempt {
        let outcome = AttemptOutcome::CountMismatch {
            sent: 2,
            answered: 1,
        };
        attempt(at, outcome)
    }

    fn lost(at: u64) -> Attempt {
        let failure = RequestFailure::NoAnswer("timeout".into());
        attempt(at, AttemptOutcome::RequestFailed(failure))
    }

    #[test]
    fn only_the_first_and_the_last_are_kept_and_all_are_counted() {
        let mut before = Attempts::default();
        assert_eq!(
            (before.count(), before.first(), before.last()),
            (0, None, None)
        );
        before.push(mismatch(1));
        assert_eq!(before.last(), Some(&mismatch(1)));
        before.push(lost(2));
        let mut after = Attempts::default();
        assert!(before.followed_by(&after).is_same(&before));
        assert!(after.followed_by(&before).is_same(&before));
        after.push(lost(3));
        let all = before.followed_by(&after);
        assert_eq!(all.first(), Some(&mismatch(1)));
        assert_eq!(all.last(), Some(&lost(3)));
        assert_eq!((all.count(), all.counts().request_failed), (3, 2));
        // The shared copy does not change.
        let shared = all.clone();
        after.push(mismatch(4));
        assert_eq!(all, shared);
    }
}
