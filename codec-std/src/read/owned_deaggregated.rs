//! The user records of Kinesis records that the iterator owns.

use alloc::collections::VecDeque;
use core::iter::FusedIterator;

use kinesis_agg_codec::{Frame, HashKeyRange, ReadSlot, UserRecordCursor};

use crate::kinesis_record::{EnclosingRecord, SharedData};
use crate::read::current;
use crate::read::deaggregator::{Deaggregator, is_within};
use crate::read::delivered::{Content, Delivered};
use crate::read::observer::Observer;
use crate::read::owned_delivered::OwnedDelivered;
use crate::read::sequence_number::{ExtendedSequenceNumber, SequenceNumberError};

/// Deaggregates Kinesis records that it owns, lazily and in order: for struct
/// fields, other threads and other languages, which cannot hold the borrow of a
/// [`Deaggregated`](crate::read::Deaggregated).
///
/// [`Deaggregator::into_owned_deaggregated`] creates it. More Kinesis records can be
/// added at any time. As an iterator, it yields [`OwnedDelivered`];
/// [`next_with`](Self::next_with) borrows instead.
///
/// ```
/// use kinesis_agg::{Deaggregator, KinesisRecord};
///
/// # let records: [KinesisRecord; 0] = [];
/// let mut user_records = Deaggregator::new().into_owned_deaggregated(records);
/// let worker = std::thread::spawn(move || {
///     user_records.extend([KinesisRecord { data: "one".into(), ..KinesisRecord::default() }]);
///     user_records.count()
/// });
/// assert_eq!(worker.join().unwrap(), 1);
/// ```
#[derive(Debug)]
pub struct OwnedDeaggregated<R, O = ()> {
    deaggregator: Deaggregator<O>,
    /// The Kinesis records that were not started yet.
    records: VecDeque<R>,
    current: Option<Current<R>>,
    /// The last Kinesis record before the current one.
    done: Option<R>,
}

/// A Kinesis record that is being delivered.
#[derive(Debug)]
struct Current<R> {
    enclosing: R,
    record_index: usize,
    record_count: usize,
    left: Left,
    /// Leaves out each user record outside this range.
    range: Option<HashKeyRange>,
}

/// The items that remain to be delivered.
#[derive(Debug)]
enum Left {
    UserRecords(UserRecordCursor<Vec<ReadSlot>>),
    /// The Kinesis record itself, or nothing.
    Whole(Option<Content<'static>>),
}

impl<R: EnclosingRecord> Current<R> {
    fn next(&mut self) -> Option<Delivered<'_, R>> {
        let content = match &mut self.left {
            Left::UserRecords(cursor) => Content::UserRecord {
                user_record: cursor.advance(Frame::split(self.enclosing.data()).ok()?.message())?,
                record_count: self.record_count,
            },
            Left::Whole(content) => content.take()?,
        };
        Some(Delivered {
            enclosing: &self.enclosing,
            record_index: self.record_index,
            content,
        })
    }
}

impl<R> Current<R> {
    fn remaining(&self) -> usize {
        match &self.left {
            Left::UserRecords(cursor) => cursor.remaining(),
            Left::Whole(content) => usize::from(content.is_some()),
        }
    }
}

impl<O: Observer> Deaggregator<O> {
    /// Deaggregates Kinesis records with an iterator that owns them, and the
    /// deaggregator. More can be added to it.
    pub fn into_owned_deaggregated<R: EnclosingRecord>(
        mut self,
        records: impl IntoIterator<Item = R>,
    ) -> OwnedDeaggregated<R, O> {
        self.prepare::<R>(&[]);
        let mut deaggregated = OwnedDeaggregated {
            deaggregator: self,
            records: VecDeque::new(),
            current: None,
            done: None,
        };
        deaggregated.extend(records);
        deaggregated
    }
}

impl<R: EnclosingRecord, O> OwnedDeaggregated<R, O> {
    /// Returns the deaggregator, for its [`counters`](Deaggregator::counters)
    /// and its [`observer`](Deaggregator::observer).
    #[must_use]
    pub const fn deaggregator(&self) -> &Deaggregator<O> {
        &self.deaggregator
    }

    /// Returns true if all Kinesis records are delivered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let current = self.current.as_ref();
        self.records.is_empty() && current.is_none_or(|current| current.remaining() == 0)
    }

    /// Returns the checkpoint to store once everything that was delivered so
    /// far is processed; see
    /// [`Deaggregated::checkpoint`](crate::read::Deaggregated::checkpoint).
    ///
    /// # Errors
    ///
    /// [`SequenceNumberError`] if the Kinesis record has an invalid sequence number.
    pub fn checkpoint(&self) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
        let current = self.current.as_ref();
        let current = current.map(|current| {
            (
                &current.enclosing,
                current.record_count,
                current.remaining(),
            )
        });
        self.deaggregator
            .checkpoint_after(self.done.as_ref(), current)
    }
}

impl<R: EnclosingRecord, O: Observer> OwnedDeaggregated<R, O> {
    /// Passes the next item to `f`, borrowed, and returns what `f` returns.
    /// `None` if there is none, until Kinesis records are added.
    ///
    /// ```
    /// use kinesis_agg::{Deaggregator, KinesisRecord};
    ///
    /// let records = [KinesisRecord { data: "one".into(), ..KinesisRecord::default() }];
    /// let mut user_records = Deaggregator::new().into_owned_deaggregated(records);
    /// assert_eq!(user_records.next_with(|user_record| user_record.data().len()), Some(3));
    /// ```
    #[inline]
    pub fn next_with<T>(&mut self, f: impl FnOnce(Delivered<'_, R>) -> T) -> Option<T> {
        loop {
            if let Some(current) = &mut self.current {
                let range = current.range;
                match (current.next(), range) {
                    (Some(delivered), Some(range)) if !is_within(range, &delivered) => {
                        self.deaggregator.leave_out(&delivered);
                        continue;
                    }
                    (Some(delivered), _) => return Some(f(delivered)),
                    (None, _) => {}
                }
            }
            self.start_next()?;
        }
    }

    /// Starts with the next Kinesis record, if there is one.
    fn start_next(&mut self) -> Option<()> {
        let enclosing = self.records.pop_front()?;
        let current::Current {
            record_index,
            record_count,
            left,
            range,
            ..
        } = self.deaggregator.start(&enclosing);
        let left = match left {
            current::Left::UserRecords(user_records) => {
                Left::UserRecords(user_records.into_cursor())
            }
            current::Left::Whole(Some(Content::Plain(reason))) => {
                Left::Whole(Some(Content::Plain(reason)))
            }
            current::Left::Whole(Some(Content::Malformed(error))) => {
                Left::Whole(Some(Content::Malformed(error)))
            }
            // A user record is never a whole Kinesis record.
            current::Left::Whole(Some(Content::UserRecord { .. }) | None) => Left::Whole(None),
        };
        let current = Current {
            enclosing,
            record_index,
            record_count,
            left,
            range,
        };
        if let Some(done) = self.current.replace(current) {
            self.done = Some(done.enclosing);
        }
        Some(())
    }
}

/// Appends Kinesis records. With [`Deaggregator::with_digests_ahead`], each call computes
/// the digests of the records that it appends together.
impl<R: EnclosingRecord, O: Observer> Extend<R> for OwnedDeaggregated<R, O> {
    fn extend<I: IntoIterator<Item = R>>(&mut self, records: I) {
        let known = self.records.len();
        self.records.extend(records);
        self.deaggregator
            .prepare_more(self.records.iter().skip(known));
    }
}

impl<R: SharedData, O: Observer> Iterator for OwnedDeaggregated<R, O> {
    type Item = OwnedDelivered<R>;

    fn next(&mut self) -> Option<OwnedDelivered<R>> {
        self.next_with(|delivered| delivered.into_owned())
    }
}

impl<R: SharedData, O: Observer> FusedIterator for OwnedDeaggregated<R, O> {}
