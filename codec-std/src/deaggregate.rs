//! Kinesis records in, user records out, whatever the Kinesis records hold.
//!
//! What the codec finds is turned into what a consumer gets here: a plain
//! record is delivered as it is, and so is, by default, a malformed one (KCL
//! behaviour), flagged with its error.

use core::borrow::BorrowMut;
use core::iter::FusedIterator;

use kinesis_agg_codec::{
    AggregatedRecord, DecodeError, Digest, KeyBytes, Parsed, PlainReason, ReadSlot, UserRecord,
    UserRecords,
};

use crate::digests;
use crate::enclosing::EnclosingRecord;
use crate::error::MalformedRecord;
use crate::hash_key_filter::HashKeyFilter;

/// What a Kinesis record turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum Outcome {
    /// Not aggregated; delivered as it is.
    Plain(PlainReason),
    /// Aggregated.
    Aggregated {
        /// User records in it. Zero is valid, and delivers nothing.
        record_count: usize,
    },
    /// An aggregate that is not valid; delivered as it is, or an error.
    Malformed(DecodeError),
}

/// What is delivered: a user record, or a Kinesis record unchanged.
#[derive(Debug)]
pub struct Delivered<'a, R: ?Sized> {
    enclosing: &'a R,
    record_index: usize,
    content: Content<'a>,
}

#[derive(Clone, Debug)]
enum Content<'a> {
    UserRecord(UserRecord<'a>),
    Plain(PlainReason),
    Malformed(DecodeError),
}

impl<R: ?Sized> Clone for Delivered<'_, R> {
    fn clone(&self) -> Self {
        Self {
            enclosing: self.enclosing,
            record_index: self.record_index,
            content: self.content.clone(),
        }
    }
}

impl<'a, R: EnclosingRecord + ?Sized> Delivered<'a, R> {
    /// The Kinesis record that it came in.
    #[must_use]
    pub const fn enclosing(&self) -> &'a R {
        self.enclosing
    }

    /// The place of that among the Kinesis records that went in, from 0.
    #[must_use]
    pub const fn record_index(&self) -> usize {
        self.record_index
    }

    /// The user record, if it came in an aggregate.
    #[must_use]
    pub const fn user_record(&self) -> Option<&UserRecord<'a>> {
        match &self.content {
            Content::UserRecord(user_record) => Some(user_record),
            Content::Plain(_) | Content::Malformed(_) => None,
        }
    }

    /// Why it did not come in an aggregate, if so.
    #[must_use]
    pub const fn plain_reason(&self) -> Option<PlainReason> {
        match &self.content {
            Content::Plain(reason) => Some(*reason),
            Content::UserRecord(_) | Content::Malformed(_) => None,
        }
    }

    /// What is wrong with the aggregate that this is, if it is malformed.
    #[must_use]
    pub const fn malformed(&self) -> Option<DecodeError> {
        match &self.content {
            Content::Malformed(error) => Some(*error),
            Content::UserRecord(_) | Content::Plain(_) => None,
        }
    }

    /// The data: the user record's, or all that the Kinesis record holds.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        match &self.content {
            Content::UserRecord(user_record) => user_record.data(),
            Content::Plain(_) | Content::Malformed(_) => self.enclosing.data(),
        }
    }

    /// The user record's partition key, or the Kinesis record's, if known.
    #[must_use]
    pub fn partition_key(&self) -> Option<KeyBytes<'a>> {
        match &self.content {
            Content::UserRecord(user_record) => Some(user_record.partition_key()),
            Content::Plain(_) | Content::Malformed(_) => {
                self.enclosing.partition_key().map(KeyBytes::from)
            }
        }
    }

    /// The user record's explicit hash key, or the Kinesis record's, if there
    /// is one and it is known.
    #[must_use]
    pub fn explicit_hash_key(&self) -> Option<KeyBytes<'a>> {
        match &self.content {
            Content::UserRecord(user_record) => user_record.explicit_hash_key(),
            Content::Plain(_) | Content::Malformed(_) => {
                self.enclosing.explicit_hash_key().map(KeyBytes::from)
            }
        }
    }

    /// The Kinesis record's sequence number, if known: the same for all user
    /// records of an aggregate.
    #[must_use]
    pub fn sequence_number(&self) -> Option<&'a str> {
        self.enclosing.sequence_number()
    }

    /// The place in the aggregate, from 0; 0 outside of one (KCL behaviour).
    #[must_use]
    pub fn sub_sequence_number(&self) -> u64 {
        self.user_record()
            .map_or(0, UserRecord::sub_sequence_number)
    }

    /// Takes a malformed Kinesis record for an error.
    ///
    /// # Errors
    ///
    /// [`MalformedRecord`] if that is what this is.
    pub fn checked(self) -> Result<Self, MalformedRecord> {
        match self.malformed() {
            None => Ok(self),
            Some(source) => Err(MalformedRecord {
                record_index: self.record_index,
                sequence_number: self.sequence_number().map(Into::into),
                source,
            }),
        }
    }
}

/// Deaggregates one Kinesis record.
///
/// ```
/// use kinesis_agg::{Outcome, PlainReason, deaggregate};
///
/// let mut delivered = deaggregate(b"no aggregate".as_slice());
/// assert_eq!(delivered.outcome(), Outcome::Plain(PlainReason::NoMagic));
/// assert_eq!(delivered.next().unwrap().data(), b"no aggregate");
/// ```
///
/// Allocates once if the record is aggregated; [`Deaggregator`] does not.
pub fn deaggregate<R: EnclosingRecord + ?Sized>(record: &R) -> Deaggregated<'_, R> {
    Deaggregated::new(record, 0, None, Vec::new())
}

/// Deaggregates one Kinesis record after the other, in the same memory, and
/// counts them.
///
/// ```
/// use kinesis_agg::{Deaggregator, KinesisRecord, Outcome};
///
/// # let get_records: [KinesisRecord; 0] = [];
/// let mut deaggregator = Deaggregator::new();
/// for record in &get_records {
///     let delivered = deaggregator.deaggregate(record);
///     if let Outcome::Malformed(error) = delivered.outcome() {
///         eprintln!("{:?}: {error}", record.sequence_number);
///     }
///     for user_record in delivered {
///         println!("{:?}", user_record.data());
///     }
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Deaggregator {
    slots: Vec<ReadSlot>,
    next_record_index: usize,
}

impl Deaggregator {
    /// One that has not allocated yet. It will, up to the largest number of
    /// keys in a blob.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            next_record_index: 0,
        }
    }

    /// Deaggregates a Kinesis record.
    pub fn deaggregate<'a, R: EnclosingRecord + ?Sized>(
        &'a mut self,
        record: &'a R,
    ) -> Deaggregated<'a, R, &'a mut Vec<ReadSlot>> {
        self.deaggregate_with_digest(record, None)
    }

    /// Deaggregates a Kinesis record whose digest was computed before, as by
    /// [`digests_of_blobs`](crate::digests_of_blobs) for many at once; computes
    /// it if there is none.
    ///
    /// The digest is believed: with that of other data, an aggregated record
    /// counts as damaged.
    pub fn deaggregate_with_digest<'a, R: EnclosingRecord + ?Sized>(
        &'a mut self,
        record: &'a R,
        digest: Option<Digest>,
    ) -> Deaggregated<'a, R, &'a mut Vec<ReadSlot>> {
        let record_index = self.next_record_index;
        self.next_record_index = record_index.saturating_add(1);
        Deaggregated::new(record, record_index, digest, &mut self.slots)
    }
}

/// What one Kinesis record delivers, in order.
#[derive(Debug)]
pub struct Deaggregated<'a, R: ?Sized, S = Vec<ReadSlot>> {
    enclosing: &'a R,
    record_index: usize,
    outcome: Outcome,
    left: Left<'a, S>,
    /// A filter leaves the whole aggregate out.
    is_left_out: bool,
}

/// What is still to be delivered.
#[derive(Debug)]
enum Left<'a, S> {
    UserRecords(AggregatedRecord<'a>, UserRecords<'a, S>),
    /// The Kinesis record itself, unless it has been.
    Whole {
        delivered: bool,
        slots: S,
    },
}

impl<'a, R, S> Deaggregated<'a, R, S>
where
    R: EnclosingRecord + ?Sized,
    S: BorrowMut<Vec<ReadSlot>> + AsRef<[ReadSlot]> + AsMut<[ReadSlot]>,
{
    fn new(enclosing: &'a R, record_index: usize, computed: Option<Digest>, mut slots: S) -> Self {
        let (outcome, left) = match digests::parse(enclosing.data(), computed) {
            Ok(Parsed::Aggregated(aggregated)) => {
                // What old blobs left in the slots is written over.
                let vec: &mut Vec<ReadSlot> = slots.borrow_mut();
                vec.resize(aggregated.key_count(), ReadSlot::default());
                let record_count = aggregated.record_count();
                let user_records = aggregated.user_records_in(slots);
                (
                    Outcome::Aggregated { record_count },
                    Left::UserRecords(aggregated, user_records),
                )
            }
            Ok(Parsed::Plain(reason)) => (Outcome::Plain(reason), Left::whole(slots)),
            Err(error) => (Outcome::Malformed(error), Left::whole(slots)),
        };
        Self {
            enclosing,
            record_index,
            outcome,
            left,
            is_left_out: false,
        }
    }

    fn into_slots(self) -> S {
        match self.left {
            Left::UserRecords(_, user_records) => user_records.into_slots(),
            Left::Whole { slots, .. } => slots,
        }
    }

    /// Looks at all user records, if the filter judges the aggregate as a
    /// whole; those that were delivered already count, too.
    pub(crate) fn judge(mut self, filter: HashKeyFilter) -> Self {
        let HashKeyFilter::WholeAggregate(_) = filter else {
            return self;
        };
        let Left::UserRecords(aggregated, user_records) = self.left else {
            return self;
        };
        let left = user_records.len();
        let mut slots = user_records.into_slots();
        self.is_left_out = aggregated
            .user_records_in(slots.as_mut())
            .any(|user_record| !filter.contains(&user_record));
        let mut user_records = aggregated.user_records_in(slots);
        while user_records.len() > left && user_records.next().is_some() {}
        self.left = Left::UserRecords(aggregated, user_records);
        self
    }
}

impl<S> Left<'_, S> {
    fn whole(slots: S) -> Self {
        Self::Whole {
            delivered: false,
            slots,
        }
    }
}

impl<'a, R: EnclosingRecord + ?Sized, S> Deaggregated<'a, R, S> {
    /// The Kinesis record.
    #[must_use]
    pub const fn enclosing(&self) -> &'a R {
        self.enclosing
    }

    /// The place of that among the Kinesis records that went in, from 0.
    #[must_use]
    pub const fn record_index(&self) -> usize {
        self.record_index
    }

    /// What it turned out to be.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    pub(crate) const fn is_left_out(&self) -> bool {
        self.is_left_out
    }
}

impl<'a, R: EnclosingRecord + ?Sized, S: AsRef<[ReadSlot]>> Iterator for Deaggregated<'a, R, S> {
    type Item = Delivered<'a, R>;

    #[inline]
    fn next(&mut self) -> Option<Delivered<'a, R>> {
        let content = match &mut self.left {
            Left::UserRecords(_, user_records) => Content::UserRecord(user_records.next()?),
            Left::Whole { delivered, .. } => {
                if core::mem::replace(delivered, true) {
                    return None;
                }
                match self.outcome {
                    Outcome::Plain(reason) => Content::Plain(reason),
                    Outcome::Malformed(error) => Content::Malformed(error),
                    Outcome::Aggregated { .. } => return None,
                }
            }
        };
        Some(Delivered {
            enclosing: self.enclosing,
            record_index: self.record_index,
            content,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.left {
            Left::UserRecords(_, user_records) => user_records.len(),
            Left::Whole { delivered, .. } => usize::from(!delivered),
        };
        (left, Some(left))
    }
}

impl<R: EnclosingRecord + ?Sized, S: AsRef<[ReadSlot]>> ExactSizeIterator
    for Deaggregated<'_, R, S>
{
}
impl<R: EnclosingRecord + ?Sized, S: AsRef<[ReadSlot]>> FusedIterator for Deaggregated<'_, R, S> {}

/// Deaggregates Kinesis records, lazily and in order, as of one GetRecords
/// answer or one Lambda event.
///
/// ```
/// use kinesis_agg::{KinesisRecord, deaggregate_batch};
///
/// let records = [
///     KinesisRecord { data: "one".into(), ..KinesisRecord::default() },
///     KinesisRecord { data: "two".into(), ..KinesisRecord::default() },
/// ];
/// for delivered in deaggregate_batch(&records).strict() {
///     let delivered = delivered?;
///     println!("{:?}: {:?}", delivered.partition_key(), delivered.data());
/// }
/// # Ok::<(), kinesis_agg::MalformedRecord>(())
/// ```
///
/// Allocates up to the largest number of keys in a blob, for all blobs
/// together.
pub fn deaggregate_batch<'a, R, I>(records: I) -> Batch<'a, R, I::IntoIter>
where
    R: EnclosingRecord + ?Sized + 'a,
    I: IntoIterator<Item = &'a R>,
{
    Batch {
        records: records.into_iter(),
        record_index: 0,
        digests: Vec::new(),
        current: None,
        spare: Vec::new(),
        observer: |_, _, _| {},
        filter: None,
    }
}

/// What a row of Kinesis records delivers, in order.
#[derive(Debug)]
pub struct Batch<'a, R: ?Sized, I, F = fn(usize, &'a R, Outcome)> {
    records: I,
    record_index: usize,
    /// Those of the records to come that were computed already, the next one last.
    digests: Vec<Option<Digest>>,
    current: Option<Deaggregated<'a, R>>,
    spare: Vec<ReadSlot>,
    observer: F,
    /// Judges each aggregate before it is delivered.
    filter: Option<HashKeyFilter>,
}

impl<'a, R: ?Sized, I, F> Batch<'a, R, I, F> {
    /// Calls `observer` with place, Kinesis record and outcome of each input,
    /// before anything of it is delivered: the way to notice an aggregate
    /// without user records.
    #[must_use]
    pub fn observe<G: FnMut(usize, &'a R, Outcome)>(self, observer: G) -> Batch<'a, R, I, G> {
        Batch {
            records: self.records,
            record_index: self.record_index,
            digests: self.digests,
            current: self.current,
            spare: self.spare,
            observer,
            filter: self.filter,
        }
    }

    /// Ends with an error at the first malformed Kinesis record, instead of
    /// passing it through.
    #[must_use]
    pub const fn strict(self) -> Strict<Self> {
        Strict::new(self)
    }
}

impl<'a, R: EnclosingRecord + ?Sized, I, F> Batch<'a, R, I, F> {
    pub(crate) fn judge(mut self, filter: HashKeyFilter) -> Self {
        self.filter = Some(filter);
        self.current = self.current.map(|current| current.judge(filter));
        self
    }

    /// Of the Kinesis record that was delivered from last.
    pub(crate) fn is_left_out(&self) -> bool {
        self.current.as_ref().is_some_and(Deaggregated::is_left_out)
    }
}

impl<'a, R, I, F> Batch<'a, R, I, F>
where
    R: EnclosingRecord + ?Sized + 'a,
    I: Iterator<Item = &'a R> + Clone,
{
    /// Computes the digests of all Kinesis records to come now, several at a
    /// time with the feature `simd`, instead of each when its turn comes. All
    /// else stays as lazy as it is.
    ///
    /// ```
    /// # use kinesis_agg::{KinesisRecord, deaggregate_batch};
    /// # let get_records_answer: [KinesisRecord; 0] = [];
    /// for delivered in deaggregate_batch(&get_records_answer).digests_at_once() {
    ///     println!("{:?}", delivered.data());
    /// }
    /// ```
    ///
    /// Goes through a copy of the iterator for that; one over a slice is meant.
    /// Allocates a few words a Kinesis record.
    #[must_use]
    pub fn digests_at_once(mut self) -> Self {
        let blobs = self.records.clone().map(EnclosingRecord::data);
        self.digests = digests::digests_of_blobs(blobs);
        self.digests.reverse();
        self
    }
}

impl<'a, R, I, F> Iterator for Batch<'a, R, I, F>
where
    R: EnclosingRecord + ?Sized + 'a,
    I: Iterator<Item = &'a R>,
    F: FnMut(usize, &'a R, Outcome),
{
    type Item = Delivered<'a, R>;

    #[inline]
    fn next(&mut self) -> Option<Delivered<'a, R>> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(delivered) = current.next() {
                    return Some(delivered);
                }
            }
            self.go_on()?;
        }
    }
}

impl<'a, R, I, F> Batch<'a, R, I, F>
where
    R: EnclosingRecord + ?Sized + 'a,
    I: Iterator<Item = &'a R>,
    F: FnMut(usize, &'a R, Outcome),
{
    /// Takes up the next Kinesis record, if there is one.
    #[inline(never)]
    fn go_on(&mut self) -> Option<()> {
        if let Some(done) = self.current.take() {
            self.spare = done.into_slots();
        }
        let record = self.records.next()?;
        let record_index = self.record_index;
        self.record_index = record_index.saturating_add(1);
        let computed = self.digests.pop().flatten();
        let slots = core::mem::take(&mut self.spare);
        let mut current = Deaggregated::new(record, record_index, computed, slots);
        if let Some(filter) = self.filter {
            current = current.judge(filter);
        }
        (self.observer)(record_index, record, current.outcome());
        self.current = Some(current);
        Some(())
    }
}

/// Takes malformed Kinesis records for errors; ends at the first.
#[derive(Clone, Debug)]
pub struct Strict<D> {
    delivered: D,
    failed: bool,
}

impl<D> Strict<D> {
    pub(crate) const fn new(delivered: D) -> Self {
        Self {
            delivered,
            failed: false,
        }
    }
}

impl<'a, R, D> Iterator for Strict<D>
where
    R: EnclosingRecord + ?Sized + 'a,
    D: Iterator<Item = Delivered<'a, R>>,
{
    type Item = Result<Delivered<'a, R>, MalformedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let checked = self.delivered.next()?.checked();
        self.failed = checked.is_err();
        Some(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_whether_they_come_one_by_one_or_in_a_row() {
        let records: [&[u8]; 3] = [b"", b"one", b"two"];
        let mut deaggregator = Deaggregator::new();
        for (place, record) in records.into_iter().enumerate() {
            let deaggregated = deaggregator.deaggregate(record);
            assert_eq!(deaggregated.record_index(), place);
            let in_delivered: Vec<_> = deaggregated.map(|d| d.record_index()).collect();
            assert_eq!(in_delivered, [place]);
        }
        let in_a_row: Vec<_> = deaggregate_batch(records)
            .map(|delivered| delivered.record_index())
            .collect();
        assert_eq!(in_a_row, [0, 1, 2]);
    }
}
