//! How user records are distributed over the hash keys: by shard, or in ranges of equal length.

use std::io::{self, Write};

use kinesis_agg::read::UserRecord;
use kinesis_agg::{HashKey, HashKeyRange, ShardMap};
use serde::Serialize;

use crate::render::chart::{Row, bars};
use crate::render::style::{Styles, painted};
use crate::render::text::{count, percent, size, tenths, wide};

/// What was counted in each of several ranges, which together cover all hash keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangeShares {
    shares: Vec<RangeShare>,
    are_shards: bool,
    /// User records whose explicit hash key is not a valid number.
    nowhere: u64,
}

/// What was counted in one range.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RangeShare {
    /// The shard's id, or the hexadecimal digits with which the range starts and ends.
    pub(crate) name: String,
    #[serde(serialize_with = "as_decimal")]
    starting_hash_key: HashKey,
    #[serde(serialize_with = "as_decimal")]
    ending_hash_key: HashKey,
    pub(crate) user_records: u64,
    pub(crate) bytes: u64,
}

fn as_decimal<S: serde::Serializer>(hash_key: &HashKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(hash_key)
}

impl RangeShare {
    fn new(name: String, range: HashKeyRange) -> Self {
        Self {
            name,
            starting_hash_key: range.starting_hash_key(),
            ending_hash_key: range.ending_hash_key(),
            user_records: 0,
            bytes: 0,
        }
    }
}

impl RangeShares {
    /// Makes a range for each open shard.
    pub(crate) fn of_shards(map: &ShardMap) -> Self {
        let shards = map.open_shards().iter();
        let shares = shards.map(|s| RangeShare::new(s.id().to_string(), s.hash_key_range()));
        Self {
            shares: shares.collect(),
            are_shards: true,
            nowhere: 0,
        }
    }

    /// Makes this many ranges of equal length; the last may be shorter.
    pub(crate) fn equal(ranges: u16) -> Self {
        let number = u128::from(ranges.max(1));
        // 2^128 divided by the number, rounded up.
        let quotient = u128::MAX.checked_div(number).unwrap_or_default();
        let len = quotient.saturating_add(1);
        let share = |place: u128| {
            let start = place.saturating_mul(len);
            let end = match place.saturating_add(1) {
                next if next == number => u128::MAX,
                next => next.saturating_mul(len).saturating_sub(1),
            };
            let range = HashKeyRange::new(HashKey::new(start), HashKey::new(end)).ok()?;
            let [from, to] = [start, end].map(|hash_key| hash_key >> 112);
            Some(RangeShare::new(format!("{from:04x}…-{to:04x}…"), range))
        };
        Self {
            shares: (0..number).filter_map(share).collect(),
            are_shards: false,
            nowhere: 0,
        }
    }

    /// Returns the place of the range that contains this hash key.
    pub(crate) fn place_of(&self, hash_key: HashKey) -> usize {
        self.shares
            .partition_point(|share| share.starting_hash_key <= hash_key)
            .saturating_sub(1)
    }

    /// Counts a user record: in the range at `place`, or else as one without a valid hash key.
    pub(crate) fn add(&mut self, place: Option<usize>, data_len: usize) {
        match place.and_then(|place| self.shares.get_mut(place)) {
            Some(share) => {
                share.user_records = share.user_records.saturating_add(1);
                share.bytes = share.bytes.saturating_add(wide(data_len));
            }
            None => self.nowhere = self.nowhere.saturating_add(1),
        }
    }

    pub(crate) fn add_user_record(&mut self, user_record: &UserRecord<'_>) {
        let hash_key = user_record.hash_key().ok();
        let place = hash_key.map(|hash_key| self.place_of(hash_key));
        self.add(place, user_record.data().len());
    }

    /// Returns true if each range is a shard's.
    pub(crate) const fn are_shards(&self) -> bool {
        self.are_shards
    }

    /// Returns the ranges, the lowest hash key first.
    pub(crate) fn shares(&self) -> &[RangeShare] {
        &self.shares
    }

    /// Returns the number of user records whose explicit hash key is not a valid number.
    pub(crate) const fn nowhere(&self) -> u64 {
        self.nowhere
    }

    /// Returns the number of ranges with user records.
    pub(crate) fn filled_count(&self) -> usize {
        let filled = self.shares.iter().filter(|share| share.user_records > 0);
        filled.count()
    }

    /// Returns the number of user records in the fullest range.
    pub(crate) fn most(&self) -> u64 {
        let counts = self.shares.iter().map(|share| share.user_records);
        counts.max().unwrap_or_default()
    }

    /// Returns the number of user records in all ranges.
    pub(crate) fn total(&self) -> u64 {
        let counts = self.shares.iter().map(|share| share.user_records);
        counts.fold(0, u64::saturating_add)
    }

    /// Returns true if the range has more than one and a half times the mean.
    pub(crate) fn is_hot(&self, share: &RangeShare) -> bool {
        let ranges = u128::from(wide(self.shares.len()));
        let times_mean = ranges.saturating_mul(share.user_records.into());
        times_mean.saturating_mul(2) > u128::from(self.total()).saturating_mul(3)
    }

    /// Returns the number of user records in the fullest range as a multiple of the mean.
    pub(crate) fn skew(&self) -> String {
        let scaled = u128::from(self.most()).saturating_mul(wide(self.shares.len()).into());
        tenths(scaled, self.total())
    }

    /// Prints a line for each range, if any has user records.
    pub(crate) fn print(&self, styles: &Styles, out: &mut impl Write) -> io::Result<()> {
        let total = self.total();
        let row = |share: &RangeShare| Row {
            name: share.name.clone(),
            name_style: anstyle::Style::new(),
            value: share.user_records,
            bar_style: match self.is_hot(share) {
                true => styles.doubtful,
                false => styles.data,
            },
            text: format!(
                "{} ({} %), {}",
                count(share.user_records, "user record"),
                percent(share.user_records, total),
                size(share.bytes)
            ),
        };
        let listed = self.shares.iter().filter(|_| total > 0);
        let rows: Vec<_> = listed.map(row).collect();
        bars(&rows, 20, false, styles, out)?;
        match self.nowhere {
            0 => Ok(()),
            nowhere => {
                let text = count(nowhere, "user record");
                let text =
                    format!("in no shard: {text} with an explicit hash key that is not a number");
                styles.paragraph("    ", &painted(styles.bad, text), out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_any_number_have_every_hash_key_once() {
        for number in [1, 2, 3, 7, 16, 1000, u16::MAX] {
            let ranges = RangeShares::equal(number);
            assert_eq!(ranges.shares.len(), usize::from(number));
            let mut next = Some(0);
            for (place, share) in ranges.shares.iter().enumerate() {
                assert_eq!(Some(share.starting_hash_key.to_u128()), next, "{number}");
                for hash_key in [share.starting_hash_key, share.ending_hash_key] {
                    assert_eq!(ranges.place_of(hash_key), place);
                }
                next = share.ending_hash_key.to_u128().checked_add(1);
            }
            assert_eq!(next, None, "{number}");
        }
    }
}
