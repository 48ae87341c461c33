//! Deaggregation through a hash key filter.

use core::borrow::BorrowMut;
use core::iter::FusedIterator;

use kinesis_agg_codec::ReadSlot;

use crate::deaggregate::{Batch, Deaggregated, Delivered, Outcome, Strict};
use crate::enclosing::EnclosingRecord;
use crate::hash_key_filter::HashKeyFilter;

/// What Kinesis records deliver, without the user records that a
/// [`HashKeyFilter`] leaves out.
///
/// ```
/// use kinesis_agg::{HashKey, HashKeyFilter, HashKeyRange, deaggregate_batch};
///
/// # let records: [kinesis_agg::KinesisRecord; 0] = [];
/// let range = HashKeyRange::new(HashKey::MIN, "170141183460469231731687303715884105727".parse()?)?;
/// let mut delivered = deaggregate_batch(&records)
///     .filter_by(HashKeyFilter::PerUserRecord(range))
///     .on_left_out(|left_out| eprintln!("not ours: {:?}", left_out.partition_key()));
/// for user_record in &mut delivered {
///     println!("{:?}", user_record.data());
/// }
/// println!("{} were not ours", delivered.left_out_count());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Filtered<D, L> {
    delivered: D,
    filter: HashKeyFilter,
    left_out_count: u64,
    on_left_out: L,
}

impl<'a, R, S> Deaggregated<'a, R, S>
where
    R: EnclosingRecord + ?Sized,
    S: BorrowMut<Vec<ReadSlot>> + AsRef<[ReadSlot]> + AsMut<[ReadSlot]>,
{
    /// Leaves out what lies outside of a hash key range.
    ///
    /// With [`HashKeyFilter::WholeAggregate`], all user records are looked at
    /// before the first is delivered.
    #[must_use]
    pub fn filter_by(self, filter: HashKeyFilter) -> Filtered<Self, fn(Delivered<'a, R>)> {
        Filtered::new(self.judge(filter), filter)
    }
}

impl<'a, R, I, F> Batch<'a, R, I, F>
where
    R: EnclosingRecord + ?Sized + 'a,
    I: Iterator<Item = &'a R>,
    F: FnMut(usize, &'a R, Outcome),
{
    /// Leaves out what lies outside of a hash key range.
    ///
    /// With [`HashKeyFilter::WholeAggregate`], all user records of an aggregate
    /// are looked at before its first is delivered.
    #[must_use]
    pub fn filter_by(self, filter: HashKeyFilter) -> Filtered<Self, fn(Delivered<'a, R>)> {
        Filtered::new(self.judge(filter), filter)
    }
}

impl<D, L> Filtered<D, L> {
    /// User records left out so far.
    #[must_use]
    pub const fn left_out_count(&self) -> u64 {
        self.left_out_count
    }

    /// Ends with an error at the first malformed Kinesis record, instead of
    /// passing it through.
    #[must_use]
    pub const fn strict(self) -> Strict<Self> {
        Strict::new(self)
    }
}

impl<D: Iterator> Filtered<D, fn(D::Item)> {
    fn new(delivered: D, filter: HashKeyFilter) -> Self {
        Self {
            delivered,
            filter,
            left_out_count: 0,
            on_left_out: |_| {},
        }
    }
}

impl<D: Iterator, L> Filtered<D, L> {
    /// Calls `on_left_out` with each user record that is left out, in order,
    /// when the iterator passes it.
    #[must_use]
    pub fn on_left_out<M: FnMut(D::Item)>(self, on_left_out: M) -> Filtered<D, M> {
        Filtered {
            delivered: self.delivered,
            filter: self.filter,
            left_out_count: self.left_out_count,
            on_left_out,
        }
    }

    fn next_by<'a, R>(&mut self, is_left_out: impl Fn(&D) -> bool) -> Option<Delivered<'a, R>>
    where
        R: EnclosingRecord + ?Sized + 'a,
        D: Iterator<Item = Delivered<'a, R>>,
        L: FnMut(Delivered<'a, R>),
    {
        loop {
            let delivered = self.delivered.next()?;
            let Some(user_record) = delivered.user_record() else {
                return Some(delivered);
            };
            let is_within = match self.filter {
                HashKeyFilter::WholeAggregate(_) => !is_left_out(&self.delivered),
                HashKeyFilter::PerUserRecord(_) => self.filter.contains(user_record),
            };
            if is_within {
                return Some(delivered);
            }
            self.left_out_count = self.left_out_count.saturating_add(1);
            (self.on_left_out)(delivered);
        }
    }
}

impl<'a, R, S, L> Iterator for Filtered<Deaggregated<'a, R, S>, L>
where
    R: EnclosingRecord + ?Sized,
    S: AsRef<[ReadSlot]>,
    L: FnMut(Delivered<'a, R>),
{
    type Item = Delivered<'a, R>;

    fn next(&mut self) -> Option<Delivered<'a, R>> {
        self.next_by(Deaggregated::is_left_out)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.delivered.size_hint().1)
    }
}

impl<'a, R, S, L> FusedIterator for Filtered<Deaggregated<'a, R, S>, L>
where
    R: EnclosingRecord + ?Sized,
    S: AsRef<[ReadSlot]>,
    L: FnMut(Delivered<'a, R>),
{
}

impl<'a, R, I, F, L> Iterator for Filtered<Batch<'a, R, I, F>, L>
where
    R: EnclosingRecord + ?Sized + 'a,
    I: Iterator<Item = &'a R>,
    F: FnMut(usize, &'a R, Outcome),
    L: FnMut(Delivered<'a, R>),
{
    type Item = Delivered<'a, R>;

    fn next(&mut self) -> Option<Delivered<'a, R>> {
        self.next_by(Batch::is_left_out)
    }
}
