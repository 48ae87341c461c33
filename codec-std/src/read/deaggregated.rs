//! The iterator over the user records of a batch of Kinesis records.

use core::iter::FusedIterator;
use core::slice;

use kinesis_agg_codec::Digest;

use crate::kinesis_record::EnclosingRecord;
use crate::read::current::{Current, Left};
use crate::read::deaggregator::{Deaggregator, is_within};
use crate::read::delivered::{Content, Delivered};
use crate::read::observer::Observer;
use crate::read::sequence_number::{ExtendedSequenceNumber, SequenceNumberError};

/// The iterator of a [`Deaggregator`]: delivers the user records of a batch of Kinesis
/// records, lazily and in order.
///
/// The items borrow from the Kinesis records (`'a`) and not from the deaggregator
/// (`'d`), so they can be held while the deaggregator is used for the next batch.
#[derive(Debug)]
pub struct Deaggregated<'d, 'a, R, O = ()> {
    deaggregator: Reader<'d, O>,
    /// The Kinesis records that were not started yet.
    records: slice::Iter<'a, R>,
    current: Option<Current<'a, R>>,
    /// The last Kinesis record before the current one.
    done: Option<&'a R>,
}

#[derive(Debug)]
enum Reader<'d, O> {
    Owned(Deaggregator<O>),
    Borrowed(&'d mut Deaggregator<O>),
}

impl<O> Reader<'_, O> {
    const fn get(&self) -> &Deaggregator<O> {
        match self {
            Self::Owned(deaggregator) => deaggregator,
            Self::Borrowed(deaggregator) => deaggregator,
        }
    }

    const fn get_mut(&mut self) -> &mut Deaggregator<O> {
        match self {
            Self::Owned(deaggregator) => deaggregator,
            Self::Borrowed(deaggregator) => deaggregator,
        }
    }
}

impl<O: Observer> Deaggregator<O> {
    /// Deaggregates Kinesis records.
    #[doc(alias = "deaggregate_records")]
    #[doc(alias = "iter_deaggregate_records")]
    #[doc(alias = "deaggregateSync")]
    #[doc(alias = "DeaggregateRecords")]
    pub fn deaggregate<'d, 'a, R: EnclosingRecord>(
        &'d mut self,
        records: &'a [R],
    ) -> Deaggregated<'d, 'a, R, O> {
        self.prepare(records);
        Deaggregated::new(Reader::Borrowed(self), records)
    }

    /// Deaggregates one Kinesis record.
    pub fn deaggregate_one<'d, 'a, R: EnclosingRecord>(
        &'d mut self,
        record: &'a R,
    ) -> Deaggregated<'d, 'a, R, O> {
        self.deaggregate(slice::from_ref(record))
    }

    /// Deaggregates Kinesis records whose digests are already known, for example from
    /// [`digests::of_blobs`](crate::digests::of_blobs). `digests` has one item for each
    /// record, in order. A digest that is missing or `None` is computed.
    ///
    /// The digests are trusted. With the digest of other data, an aggregate counts as
    /// [`PlainReason::DigestMismatch`](crate::read::PlainReason::DigestMismatch) and is
    /// delivered unchanged.
    pub fn deaggregate_with_digests<'d, 'a, R: EnclosingRecord>(
        &'d mut self,
        records: &'a [R],
        digests: impl IntoIterator<Item = Option<Digest>>,
    ) -> Deaggregated<'d, 'a, R, O> {
        self.expect_digests(records.len(), digests);
        Deaggregated::new(Reader::Borrowed(self), records)
    }

    /// Deaggregates one batch. The iterator owns the deaggregator.
    pub fn into_deaggregated<R: EnclosingRecord>(
        mut self,
        records: &[R],
    ) -> Deaggregated<'static, '_, R, O> {
        self.prepare(records);
        Deaggregated::new(Reader::Owned(self), records)
    }
}

/// Deaggregates Kinesis records with the default settings of a [`Deaggregator`]: no
/// filter, no checkpoint, and malformed aggregates are delivered unchanged, with their
/// error in [`Delivered::malformed`].
///
/// ```
/// use kinesis_agg::{KinesisRecord, deaggregate};
///
/// let records = [
///     KinesisRecord { data: "one".into(), ..KinesisRecord::default() },
///     KinesisRecord { data: "two".into(), ..KinesisRecord::default() },
/// ];
/// for user_record in deaggregate(&records) {
///     println!("{:?}: {:?}", user_record.partition_key(), user_record.data());
/// }
/// ```
#[doc(alias = "deaggregate_records")]
#[doc(alias = "iter_deaggregate_records")]
#[doc(alias = "DeaggregateRecords")]
pub fn deaggregate<R: EnclosingRecord>(records: &[R]) -> Deaggregated<'static, '_, R> {
    Deaggregator::new().into_deaggregated(records)
}

impl<'d, 'a, R, O> Deaggregated<'d, 'a, R, O> {
    fn new(deaggregator: Reader<'d, O>, records: &'a [R]) -> Self {
        Self {
            deaggregator,
            records: records.iter(),
            current: None,
            done: None,
        }
    }

    /// Returns the deaggregator, for its [`counters`](Deaggregator::counters)
    /// and its [`observer`](Deaggregator::observer).
    #[must_use]
    pub const fn deaggregator(&self) -> &Deaggregator<O> {
        self.deaggregator.get()
    }
}

impl<R: EnclosingRecord, O> Deaggregated<'_, '_, R, O> {
    /// Returns the checkpoint to store once everything that was delivered so far is
    /// processed. It also covers user records that were left out or skipped, so it
    /// advances past a Kinesis record of which nothing is delivered.
    ///
    /// The checkpoint is never before that of [`Deaggregator::resume_after`]. Returns
    /// `None` if nothing was read yet, or if the sequence number is not known.
    ///
    /// ```
    /// use kinesis_agg::{Deaggregator, ExtendedSequenceNumber, KinesisRecord};
    ///
    /// # fn store(_: ExtendedSequenceNumber) {}
    /// # let records: [KinesisRecord; 0] = [];
    /// let mut deaggregator = Deaggregator::new();
    /// let mut user_records = deaggregator.deaggregate(&records);
    /// for user_record in &mut user_records {
    ///     println!("{:?}", user_record.data());
    /// }
    /// if let Some(checkpoint) = user_records.checkpoint()? {
    ///     store(checkpoint);
    /// }
    /// # Ok::<(), kinesis_agg::read::SequenceNumberError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SequenceNumberError`] if the Kinesis record has an invalid sequence
    /// number.
    pub fn checkpoint(&self) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
        let current = self.current.as_ref();
        let current =
            current.map(|current| (current.enclosing, current.record_count, current.remaining()));
        self.deaggregator().checkpoint_after(self.done, current)
    }
}

impl<'a, R: EnclosingRecord, O: Observer> Deaggregated<'_, 'a, R, O> {
    /// Finds the next item in all cases that the fast path in [`next`](Self::next) does
    /// not handle.
    #[inline(never)]
    fn find_next(&mut self) -> Option<Delivered<'a, R>> {
        loop {
            if let Some(current) = &mut self.current {
                let delivered = current.next();
                match (delivered, current.range) {
                    (Some(delivered), Some(range)) if !is_within(range, &delivered) => {
                        self.deaggregator.get_mut().leave_out(&delivered);
                        continue;
                    }
                    (Some(delivered), _) => return Some(delivered),
                    (None, _) => {}
                }
            }
            self.start_next()?;
        }
    }

    /// Starts with the next Kinesis record, if there is one.
    fn start_next(&mut self) -> Option<()> {
        let deaggregator = self.deaggregator.get_mut();
        if let Some(current) = self.current.take() {
            self.done = Some(current.enclosing);
            if let Left::UserRecords(user_records) = current.left {
                deaggregator.give_back(user_records.into_slots());
            }
        }
        self.current = Some(deaggregator.start(self.records.next()?));
        Some(())
    }
}

impl<'a, R: EnclosingRecord, O: Observer> Iterator for Deaggregated<'_, 'a, R, O> {
    type Item = Delivered<'a, R>;

    // Always inlined, like the codec's iterator, so that the item is not moved through memory.
    #[inline(always)]
    fn next(&mut self) -> Option<Delivered<'a, R>> {
        if let Some(Current {
            enclosing,
            record_index,
            record_count,
            left: Left::UserRecords(user_records),
            range: None,
        }) = &mut self.current
            && let Some(user_record) = user_records.next()
        {
            return Some(Delivered {
                enclosing,
                record_index: *record_index,
                content: Content::UserRecord {
                    user_record,
                    record_count: *record_count,
                },
            });
        }
        // Rebuilt instead of returned directly, so that the item above need not be built in the
        // same memory.
        let Delivered {
            enclosing,
            record_index,
            content,
        } = self.find_next()?;
        Some(Delivered {
            enclosing,
            record_index,
            content,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = self.current.as_ref().map_or(0, Current::remaining);
        let is_filtered = self.current.as_ref().is_some_and(|c| c.range.is_some());
        let lower = if is_filtered { 0 } else { remaining };
        let is_last_record = self.records.len() == 0;
        (lower, is_last_record.then_some(remaining))
    }
}

impl<R: EnclosingRecord, O: Observer> FusedIterator for Deaggregated<'_, '_, R, O> {}
