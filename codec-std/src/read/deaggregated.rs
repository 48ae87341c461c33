//! The user records of a batch of Kinesis records, one after the other.

use core::iter::FusedIterator;
use core::slice;

use kinesis_agg_codec::{HashKeyRange, ReadSlot, UserRecords};

use crate::kinesis_record::EnclosingRecord;
use crate::read::deaggregator::{Deaggregator, is_within};
use crate::read::delivered::{Content, Delivered, checkpoint_at};
use crate::read::observer::Observer;
use crate::read::sequence_number::{ExtendedSequenceNumber, SequenceNumberError};

/// What a batch of Kinesis records delivers, lazily and in order: the iterator
/// of a [`Deaggregator`].
///
/// The items borrow from the Kinesis records (`'a`) and not from the
/// deaggregator (`'d`), which can be used again while they are held.
#[derive(Debug)]
pub struct Deaggregated<'d, 'a, R, O = ()> {
    deaggregator: Reader<'d, O>,
    /// Those that were not taken up yet.
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
    /// Leaves out the user records outside, each by itself.
    pub(crate) range: Option<HashKeyRange>,
}

/// What is still to be delivered.
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
    /// Returns the checkpoint to store once everything that was delivered so
    /// far is processed. It also covers what was left out and skipped, so it
    /// advances over a Kinesis record of which nothing is delivered.
    ///
    /// Never before the checkpoint of
    /// [`Deaggregator::resume_after`]. `None` if nothing was read yet, or the
    /// sequence number is not known.
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
    /// [`SequenceNumberError`] if the sequence number of the Kinesis record is
    /// not one.
    pub fn checkpoint(&self) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
        let current = self.current.as_ref();
        checkpoint_of(
            self.done,
            current.map(|current| (current.enclosing, current.record_count, current.remaining())),
            self.deaggregator().checkpoint(),
        )
    }
}

/// The checkpoint of an iterator: from the last Kinesis record that is done, the current
/// one with its user records and how many of them remain, and where it resumed.
pub(crate) fn checkpoint_of<R: EnclosingRecord>(
    done: Option<&R>,
    current: Option<(&R, usize, usize)>,
    resumed: Option<&ExtendedSequenceNumber>,
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
    Ok(read.map(|read| match resumed {
        Some(resumed) if *resumed > read => resumed.clone(),
        _ => read,
    }))
}

impl<'a, R: EnclosingRecord, O: Observer> Deaggregated<'_, 'a, R, O> {
    /// The next item, however it is found; what is usual is found by
    /// [`next`](Self::next) itself.
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
            self.take_up_next()?;
        }
    }

    /// Takes up the next Kinesis record, if there is one.
    fn take_up_next(&mut self) -> Option<()> {
        let deaggregator = self.deaggregator.get_mut();
        if let Some(current) = self.current.take() {
            self.done = Some(current.enclosing);
            if let Left::UserRecords(user_records) = current.left {
                deaggregator.give_back(user_records.into_slots());
            }
        }
        self.current = Some(deaggregator.take_up(self.records.next()?));
        Some(())
    }
}

impl<'a, R: EnclosingRecord, O: Observer> Iterator for Deaggregated<'_, 'a, R, O> {
    type Item = Delivered<'a, R>;

    // Always, as the codec's walk: the item is not moved through memory then.
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
        // Not returned as it is: the item above would have to be in the same memory.
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
