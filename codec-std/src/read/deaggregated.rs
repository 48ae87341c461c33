//! The iterator over the user records of a batch of Kinesis records.

use core::iter::FusedIterator;
use core::slice;

use kinesis_agg_codec::{HashKeyRange, ReadSlot, UserRecords};

use crate::kinesis_record::EnclosingRecord;
use crate::read::deaggregator::{Deaggregator, is_within};
use crate::read::delivered::{Content, Delivered, checkpoint_at};
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

/// A Kinesis record that is being delivered.
#[derive(Debug)]
pub(crate) struct Current<'a, R> {
    pub(crate) enclosing: &'a R,
    pub(crate) record_index: usize,
    pub(crate) record_count: usize,
    pub(crate) left: Left<'a>,
    /// The range of [`HashKeyFilter::PerUserRecord`](crate::HashKeyFilter::PerUserRecord).
    pub(crate) range: Option<HashKeyRange>,
}

/// The items of a Kinesis record that are still to be delivered.
#[derive(Debug)]
pub(crate) enum Left<'a> {
    UserRecords(UserRecords<'a, Vec<ReadSlot>>),
    /// The Kinesis record itself, or nothing.
    Whole(Option<Content<'a>>),
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

impl<'a, R> Current<'a, R> {
    pub(crate) fn next(&mut self) -> Option<Delivered<'a, R>> {
        let content = match &mut self.left {
            Left::UserRecords(user_records) => Content::UserRecord {
                user_record: user_records.next()?,
                record_count: self.record_count,
            },
            Left::Whole(content) => content.take()?,
        };
        Some(Delivered {
            enclosing: self.enclosing,
            record_index: self.record_index,
            content,
        })
    }

    fn remaining(&self) -> usize {
        match &self.left {
            Left::UserRecords(user_records) => user_records.len(),
            Left::Whole(content) => usize::from(content.is_some()),
        }
    }
}

impl<'d, 'a, R, O> Deaggregated<'d, 'a, R, O> {
    pub(crate) fn borrowing(deaggregator: &'d mut Deaggregator<O>, records: &'a [R]) -> Self {
        Self::new(Reader::Borrowed(deaggregator), records)
    }

    pub(crate) fn owning(deaggregator: Deaggregator<O>, records: &'a [R]) -> Self {
        Self::new(Reader::Owned(deaggregator), records)
    }

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
        let mut place = self.done.map(|done| (done, 0, true));
        if let Some(current) = &self.current {
            let remaining = current.remaining();
            let passed = current.record_count.saturating_sub(remaining);
            if remaining == 0 {
                place = Some((current.enclosing, 0, true));
            } else if let Some(last) = passed.checked_sub(1) {
                place = Some((current.enclosing, last, false));
            }
        }
        let read = match place {
            Some((record, last, is_last)) => {
                let last = u64::try_from(last).unwrap_or(u64::MAX);
                checkpoint_at(record.sequence_number(), last, is_last)?
            }
            None => None,
        };
        let resumed = self.deaggregator().checkpoint();
        Ok(read.map(|read| match resumed {
            Some(resumed) if *resumed > read => resumed.clone(),
            _ => read,
        }))
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
