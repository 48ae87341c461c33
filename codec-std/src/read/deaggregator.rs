//! The reader of Kinesis records: its settings and counters.

use core::cmp::Ordering;

use kinesis_agg_codec::{Digest, HashKeyRange, Parsed, ReadSlot};

use crate::digests;
use crate::kinesis_record::EnclosingRecord;
use crate::read::current::{Current, Left};
use crate::read::delivered::{Content, Delivered, Outcome, checkpoint_at};
use crate::read::hash_key_filter::HashKeyFilter;
use crate::read::observer::Observer;
use crate::read::sequence_number::{ExtendedSequenceNumber, SequenceNumberError};

/// What happens to a Kinesis record that is a malformed aggregate.
///
/// A consumer that must stop at a malformed aggregate calls
/// [`Delivered::checked`](crate::Delivered::checked), which turns it into an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum MalformedPolicy {
    /// It is delivered unchanged, and
    /// [`Delivered::malformed`](crate::Delivered::malformed) returns the error. (The KCL
    /// also delivers most malformed aggregates.)
    #[default]
    Deliver,
    /// It is not delivered, but counted in [`ReadCounters::malformed`] and passed to
    /// [`Observer::on_left_out`].
    LeaveOut,
}

/// The counters of a [`Deaggregator`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadCounters {
    /// Kinesis records that the iterators have reached, including skipped ones.
    pub kinesis_records: u64,
    /// Kinesis records that are not aggregated.
    pub plain: u64,
    /// Kinesis records that are aggregates.
    pub aggregated: u64,
    /// Kinesis records that are malformed aggregates.
    pub malformed: u64,
    /// User records that the filter left out.
    pub user_records_left_out: u64,
    /// Kinesis records that are entirely at or before the checkpoint. They are not
    /// parsed, and do not count as plain, aggregated or malformed, unless their sequence
    /// number equals the checkpoint's.
    pub kinesis_records_skipped: u64,
    /// User records at or before the checkpoint, in the aggregate that contains the
    /// checkpoint.
    pub user_records_skipped: u64,
}

/// Turns Kinesis records into user records, lazily and in order.
///
/// Configure it once, then use it for each batch, such as a `GetRecords` response or a
/// Lambda event. Kinesis records that are not aggregated are delivered unchanged.
///
/// ```
/// use kinesis_agg::{
///     Deaggregator, ExtendedSequenceNumber, HashKeyRange, KinesisRecord, MalformedRecord,
///     OwnedDelivered,
/// };
///
/// /// Reads one shard.
/// struct Consumer {
///     deaggregator: Deaggregator,
///     waiting: Vec<OwnedDelivered<KinesisRecord>>,
/// }
///
/// impl Consumer {
///     fn new(shard: HashKeyRange, checkpoint: ExtendedSequenceNumber) -> Self {
///         Self {
///             deaggregator: Deaggregator::new().with_filter(shard).resume_after(checkpoint),
///             waiting: Vec::new(),
///         }
///     }
///
///     fn receive(&mut self, records: &[KinesisRecord]) -> Result<(), MalformedRecord> {
///         for user_record in self.deaggregator.deaggregate(records) {
///             self.waiting.push(user_record.checked()?.into_owned());
///         }
///         Ok(())
///     }
/// }
///
/// # let records: [KinesisRecord; 0] = [];
/// let mut consumer = Consumer::new(HashKeyRange::FULL, "TRIM_HORIZON:0".parse()?);
/// consumer.receive(&records)?;
/// println!("{} left out", consumer.deaggregator.counters().user_records_left_out);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | Setting | Default |
/// |---|---|
/// | [`with_filter`](Self::with_filter) | no filter; with a range, the KCL's [`HashKeyFilter::WholeAggregate`] |
/// | [`resume_after`](Self::resume_after) | everything is delivered |
/// | [`with_malformed`](Self::with_malformed) | a malformed aggregate is delivered unchanged, with its error |
/// | [`with_digests_ahead`](Self::with_digests_ahead) | each digest is computed when its Kinesis record is reached |
/// | [`with_observer`](Self::with_observer) | no observer |
///
/// The deaggregator allocates one buffer, which grows to the largest number of keys in an
/// aggregate and is then reused. Dropping an iterator in the middle of an aggregate frees
/// the buffer.
#[derive(Clone, Debug, Default)]
#[doc(alias = "AggregatorUtil")]
#[doc(alias = "RecordDeaggregator")]
#[doc(alias = "KinesisDeaggregator")]
pub struct Deaggregator<O = ()> {
    filter: Option<HashKeyFilter>,
    checkpoint: Option<ExtendedSequenceNumber>,
    malformed: MalformedPolicy,
    digests_ahead: bool,
    observer: O,
    counters: ReadCounters,
    next_record_index: usize,
    /// A reused buffer for the positions of keys.
    slots: Vec<ReadSlot>,
    /// The known digests of the remaining Kinesis records, in reverse order.
    digests: Vec<Option<Digest>>,
}

impl Deaggregator {
    /// Creates a deaggregator with the default settings. Does not allocate.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            filter: None,
            checkpoint: None,
            malformed: MalformedPolicy::Deliver,
            digests_ahead: false,
            observer: (),
            counters: ReadCounters {
                kinesis_records: 0,
                plain: 0,
                aggregated: 0,
                malformed: 0,
                user_records_left_out: 0,
                kinesis_records_skipped: 0,
                user_records_skipped: 0,
            },
            next_record_index: 0,
            slots: Vec::new(),
            digests: Vec::new(),
        }
    }
}

impl<O> Deaggregator<O> {
    /// Leaves out user records whose hash key is outside a range. A [`HashKeyRange`]
    /// converts into [`HashKeyFilter::WholeAggregate`], the KCL's behaviour.
    ///
    /// User records that are left out are counted in [`counters`](Self::counters) and
    /// passed to [`Observer::on_left_out`].
    ///
    /// ```
    /// use kinesis_agg::{Deaggregator, HashKeyFilter, HashKeyRange};
    ///
    /// let as_the_kcl = Deaggregator::new().with_filter(HashKeyRange::FULL);
    /// let only_outsiders = Deaggregator::new()
    ///     .with_filter(HashKeyFilter::PerUserRecord(HashKeyRange::FULL));
    /// ```
    #[must_use]
    pub fn with_filter(self, filter: impl Into<HashKeyFilter>) -> Self {
        Self {
            filter: Some(filter.into()),
            ..self
        }
    }

    /// Skips everything at or before a checkpoint, even inside an aggregate.
    ///
    /// A Kinesis record without a valid sequence number is never skipped: it may be
    /// delivered twice, but is not lost.
    #[must_use]
    pub fn resume_after(mut self, checkpoint: ExtendedSequenceNumber) -> Self {
        self.set_checkpoint(Some(checkpoint));
        self
    }

    /// Changes the checkpoint of [`resume_after`](Self::resume_after). `None` skips
    /// nothing. Useful for a consumer that reads the shard again after an error.
    pub fn set_checkpoint(&mut self, checkpoint: Option<ExtendedSequenceNumber>) {
        self.checkpoint = checkpoint;
    }

    /// Sets what happens to malformed aggregates.
    #[must_use]
    pub fn with_malformed(self, malformed: MalformedPolicy) -> Self {
        Self { malformed, ..self }
    }

    /// Sets whether the digests of a batch are computed together at its start (several
    /// at a time with the feature `simd`), instead of each when its Kinesis record is
    /// reached. Everything else stays lazy. Allocates a few words for each Kinesis
    /// record.
    #[must_use]
    pub fn with_digests_ahead(self, digests_ahead: bool) -> Self {
        Self {
            digests_ahead,
            ..self
        }
    }

    /// Sets an [`Observer`], which is called for each Kinesis record and for everything
    /// that is left out.
    #[must_use]
    pub fn with_observer<P: Observer>(self, observer: P) -> Deaggregator<P> {
        Deaggregator {
            filter: self.filter,
            checkpoint: self.checkpoint,
            malformed: self.malformed,
            digests_ahead: self.digests_ahead,
            observer,
            counters: self.counters,
            next_record_index: self.next_record_index,
            slots: self.slots,
            digests: self.digests,
        }
    }

    /// Returns the observer.
    #[must_use]
    pub const fn observer(&self) -> &O {
        &self.observer
    }

    /// Returns a mutable reference to the observer.
    pub const fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// Returns the numbers of records that were read, left out and skipped so far.
    #[must_use]
    pub const fn counters(&self) -> ReadCounters {
        self.counters
    }

    /// Returns the checkpoint of an iterator: after the last Kinesis record that is `done`, or in
    /// the `current` one, given with the number of its user records and of those that remain. It is
    /// never before the one to resume after.
    pub(crate) fn checkpoint_after<R: EnclosingRecord>(
        &self,
        done: Option<&R>,
        current: Option<(&R, usize, usize)>,
    ) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
        let mut place = done.map(|done| (done, 0, true));
        if let Some((enclosing, record_count, remaining)) = current {
            if remaining == 0 {
                place = Some((enclosing, 0, true));
            } else if let Some(last) = record_count.saturating_sub(remaining).checked_sub(1) {
                place = Some((enclosing, last, false));
            }
        }
        let read = match place {
            Some((record, last, is_last)) => {
                let last = u64::try_from(last).unwrap_or(u64::MAX);
                checkpoint_at(record.sequence_number(), last, is_last)?
            }
            None => None,
        };
        Ok(read.map(|read| match &self.checkpoint {
            Some(resumed) if *resumed > read => resumed.clone(),
            _ => read,
        }))
    }

    pub(crate) fn give_back(&mut self, slots: Vec<ReadSlot>) {
        self.slots = slots;
    }
}

impl<O: Observer> Deaggregator<O> {
    /// Forgets all digests, and computes those of the next Kinesis records if that is set.
    pub(crate) fn prepare<R: EnclosingRecord>(&mut self, records: &[R]) {
        self.digests.clear();
        self.prepare_more(records.iter());
    }

    /// Sets the digests of the next `count` Kinesis records, as far as they are known.
    pub(crate) fn expect_digests(
        &mut self,
        count: usize,
        digests: impl IntoIterator<Item = Option<Digest>>,
    ) {
        self.digests.clear();
        self.digests.extend(digests.into_iter().take(count));
        self.digests.resize(count, None);
        self.digests.reverse();
    }

    /// Computes the digests of Kinesis records that come after those with known digests.
    pub(crate) fn prepare_more<'a, R: EnclosingRecord + 'a>(
        &mut self,
        records: impl Iterator<Item = &'a R>,
    ) {
        if self.digests_ahead {
            let mut digests = digests::of_blobs(records.map(EnclosingRecord::data));
            digests.reverse();
            digests.append(&mut self.digests);
            self.digests = digests;
        }
    }

    /// Starts with a Kinesis record: parses it, and decides everything that concerns the
    /// whole record.
    pub(crate) fn start<'a, R: EnclosingRecord>(&mut self, enclosing: &'a R) -> Current<'a, R> {
        let record_index = self.next_record_index;
        self.next_record_index = record_index.saturating_add(1);
        count(&mut self.counters.kinesis_records);
        let digest = self.digests.pop().flatten();
        let mut current = Current {
            enclosing,
            record_index,
            record_count: 0,
            left: Left::Whole(None),
            range: None,
        };
        let skipped = self.skipped_in(enclosing);
        if skipped == u64::MAX {
            count(&mut self.counters.kinesis_records_skipped);
            return current;
        }
        let (outcome, aggregated) = match digests::parse(enclosing.data(), digest) {
            Ok(Parsed::Aggregated(aggregated)) => {
                let record_count = aggregated.record_count();
                (Outcome::Aggregated { record_count }, Some(aggregated))
            }
            Ok(Parsed::Plain(reason)) => (Outcome::Plain(reason), None),
            Err(error) => (Outcome::Malformed(error), None),
        };
        count(match outcome {
            Outcome::Plain(_) => &mut self.counters.plain,
            Outcome::Aggregated { .. } => &mut self.counters.aggregated,
            Outcome::Malformed(_) => &mut self.counters.malformed,
        });
        self.observer
            .on_kinesis_record(record_index, enclosing, outcome);
        let Some(aggregated) = aggregated else {
            self.start_whole(&mut current, outcome, skipped > 0);
            return current;
        };
        current.record_count = aggregated.record_count();
        let mut slots = core::mem::take(&mut self.slots);
        slots.resize(aggregated.key_count(), ReadSlot::default());
        let mut is_left_out = false;
        match self.filter {
            Some(HashKeyFilter::PerUserRecord(range)) => current.range = Some(range),
            Some(filter @ HashKeyFilter::WholeAggregate(_)) => {
                let mut all = aggregated.user_records_in(&mut slots[..]);
                is_left_out = all.any(|user_record| !filter.contains(&user_record));
            }
            None => {}
        }
        current.left = Left::UserRecords(aggregated.user_records_in(slots));
        for _ in 0..skipped {
            if current.next().is_none() {
                break;
            }
            count(&mut self.counters.user_records_skipped);
        }
        while is_left_out && let Some(left_out) = current.next() {
            self.leave_out(&left_out);
        }
        current
    }

    /// Starts with a Kinesis record that is not a valid aggregate.
    fn start_whole<R: EnclosingRecord>(
        &mut self,
        current: &mut Current<'_, R>,
        outcome: Outcome,
        is_skipped: bool,
    ) {
        let content = match outcome {
            Outcome::Plain(reason) => Content::Plain(reason),
            Outcome::Malformed(error) => Content::Malformed(error),
            Outcome::Aggregated { .. } => return,
        };
        if is_skipped {
            count(&mut self.counters.kinesis_records_skipped);
        } else if matches!(content, Content::Malformed(_))
            && self.malformed == MalformedPolicy::LeaveOut
        {
            self.observer.on_left_out(&Delivered {
                enclosing: current.enclosing,
                record_index: current.record_index,
                content,
            });
        } else {
            current.left = Left::Whole(Some(content));
        }
    }

    /// Counts a user record that the filter leaves out, and passes it to the observer.
    pub(crate) fn leave_out<R: EnclosingRecord>(&mut self, left_out: &Delivered<'_, R>) {
        count(&mut self.counters.user_records_left_out);
        self.observer.on_left_out(left_out);
    }

    /// Returns the number of user records in a Kinesis record that are at or before the
    /// checkpoint, or `u64::MAX` if the whole Kinesis record is.
    fn skipped_in<R: EnclosingRecord>(&self, enclosing: &R) -> u64 {
        let Some((checkpoint, text)) = self.checkpoint.as_ref().zip(enclosing.sequence_number())
        else {
            return 0;
        };
        match checkpoint.sequence_number.cmp_text(text) {
            Err(_) | Ok(Ordering::Less) => 0,
            Ok(Ordering::Greater) => u64::MAX,
            Ok(Ordering::Equal) if checkpoint.is_after_record() => u64::MAX,
            Ok(Ordering::Equal) => checkpoint.sub_sequence_number.saturating_add(1),
        }
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// Returns true if [`HashKeyFilter::PerUserRecord`] delivers the item.
pub(crate) fn is_within<R: EnclosingRecord>(
    range: HashKeyRange,
    delivered: &Delivered<'_, R>,
) -> bool {
    delivered
        .user_record()
        .is_some_and(|user_record| HashKeyFilter::PerUserRecord(range).contains(user_record))
}
