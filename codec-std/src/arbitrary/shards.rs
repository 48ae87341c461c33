//! Arbitrary hash keys, hash key ranges and shards.

use alloc::format;
use alloc::vec::Vec;

use arbitrary::{Arbitrary, Error, Result, Unstructured};
use kinesis_agg_codec::{HashKey, HashKeyRange};

use crate::shards::{Shard, ShardMap};

/// Generates a hash key: a small one, one near a power of two (where the ranges of
/// shards begin and end), or any. For fields, use `#[arbitrary(with = hash_key)]`.
///
/// # Errors
///
/// Same as [`Arbitrary::arbitrary`].
pub fn hash_key(u: &mut Unstructured<'_>) -> Result<HashKey> {
    Ok(HashKey::new(match u.int_in_range(0..=2_u8)? {
        0 => u.int_in_range(0..=7_u128)?,
        1 => {
            let exponent = u.int_in_range(0..=127_u32)?;
            let distance: i8 = u.int_in_range(-2..=2)?;
            1_u128
                .wrapping_shl(exponent)
                .wrapping_add_signed(i128::from(distance))
        }
        _ => u.arbitrary()?,
    }))
}

/// Generates a hash key range between two hash keys from [`hash_key`]. For fields, use
/// `#[arbitrary(with = hash_key_range)]`.
///
/// # Errors
///
/// Same as [`Arbitrary::arbitrary`].
pub fn hash_key_range(u: &mut Unstructured<'_>) -> Result<HashKeyRange> {
    let (one, other) = (hash_key(u)?, hash_key(u)?);
    HashKeyRange::new(one.min(other), one.max(other)).map_err(|_| Error::IncorrectFormat)
}

/// Generates maps of up to 16 open shards.
impl<'a> Arbitrary<'a> for ShardMap {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut stream = Stream::default();
        for _ in 0..u.int_in_range(0..=15_u8)? {
            stream.split(u)?;
        }
        stream.map()
    }
}

/// The shards of a stream over time, with splits and merges. Each map is a later listing
/// of the same stream, including closed shards and parents.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it has no other fields")]
pub struct Reshards {
    /// The maps, oldest first. There is at least one.
    pub maps: Vec<ShardMap>,
}

impl<'a> Arbitrary<'a> for Reshards {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut stream = Stream::default();
        for _ in 0..u.int_in_range(0..=7_u8)? {
            stream.split(u)?;
        }
        let mut maps = Vec::from([stream.map()?]);
        for _ in 0..u.int_in_range(0..=7_u8)? {
            if u.arbitrary()? {
                stream.split(u)?;
            } else {
                stream.merge(u)?;
            }
            maps.push(stream.map()?);
        }
        Ok(Self { maps })
    }
}

/// A stream while it is generated.
struct Stream {
    /// The open shards, in order of their hash keys.
    open: Vec<(usize, HashKeyRange, Vec<usize>)>,
    closed: Vec<(usize, HashKeyRange, Vec<usize>)>,
    next_id: usize,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            open: Vec::from([(0, HashKeyRange::FULL, Vec::new())]),
            closed: Vec::new(),
            next_id: 1,
        }
    }
}

impl Stream {
    fn id(&mut self) -> usize {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        id
    }

    /// Splits an open shard, unless its range has a single hash key.
    fn split(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let place = u.choose_index(self.open.len())?;
        let Some((id, range, _)) = self.open.get(place).cloned() else {
            return Ok(());
        };
        let (start, end) = (range.starting_hash_key(), range.ending_hash_key());
        let Some(first_of_right) = start.to_u128().checked_add(1) else {
            return Ok(());
        };
        if first_of_right > end.to_u128() {
            return Ok(());
        }
        let middle = u.int_in_range(first_of_right..=end.to_u128())?;
        let halves = [
            HashKeyRange::new(start, HashKey::new(middle.saturating_sub(1))),
            HashKeyRange::new(HashKey::new(middle), end),
        ];
        let mut children = Vec::new();
        for half in halves {
            let half = half.map_err(|_| Error::IncorrectFormat)?;
            children.push((self.id(), half, Vec::from([id])));
        }
        let after = place.saturating_add(1);
        self.closed.extend(self.open.splice(place..after, children));
        Ok(())
    }

    /// Merges two adjacent open shards, if there are at least two.
    fn merge(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let Some(pairs) = self.open.len().checked_sub(1).filter(|pairs| *pairs > 0) else {
            return Ok(());
        };
        let place = u.choose_index(pairs)?;
        let after = place.saturating_add(2);
        let Some([left, right]) = self.open.get(place..after) else {
            return Ok(());
        };
        let range = HashKeyRange::new(left.1.starting_hash_key(), right.1.ending_hash_key());
        let range = range.map_err(|_| Error::IncorrectFormat)?;
        let parents = Vec::from([left.0, right.0]);
        let merged = [(self.id(), range, parents)];
        self.closed.extend(self.open.splice(place..after, merged));
        Ok(())
    }

    fn map(&self) -> Result<ShardMap> {
        let shard = |(id, range, parents): &(usize, HashKeyRange, Vec<usize>)| {
            let name = |id: &usize| format!("shardId-{id:012}");
            let shard = Shard::new(name(id), *range);
            let parents = parents.iter().map(name);
            parents.fold(shard, |shard, parent| shard.with_parent(parent))
        };
        let closed = self.closed.iter().map(|closed| shard(closed).closed());
        let listed = self.open.iter().map(shard).chain(closed);
        ShardMap::new(listed).map_err(|_| Error::IncorrectFormat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbitrary::{Batch, Message};
    use crate::read::{Deaggregator, Outcome};

    /// Returns pseudorandom bytes.
    fn noise(len: usize, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let byte = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..len).map(byte).collect()
    }

    #[test]
    fn arbitrary_batches_contain_every_outcome() {
        let (mut aggregated, mut nested_or_plain, mut malformed) = (0, 0, 0);
        for seed in 0..300 {
            let noise = noise(2_000, seed);
            let batch = Batch::arbitrary(&mut Unstructured::new(&noise)).unwrap();
            let mut deaggregator = Deaggregator::new();
            let read: Vec<_> = deaggregator.deaggregate(&batch.records).collect();
            for one in &read {
                assert!(one.extended_sequence_number().unwrap().is_some());
                match one.outcome() {
                    Outcome::Aggregated { .. } => aggregated += 1,
                    Outcome::Plain(_) => nested_or_plain += 1,
                    Outcome::Malformed(_) => malformed += 1,
                }
            }
        }
        assert!(aggregated > 100 && nested_or_plain > 100 && malformed > 20);
    }

    #[test]
    fn some_arbitrary_messages_are_valid_and_some_malformed() {
        let outcomes = (0..500).map(|seed| {
            let noise = noise(500, seed);
            let message = Message::arbitrary(&mut Unstructured::new(&noise)).unwrap();
            let records = [message.frame()];
            let outcome = Deaggregator::new();
            let mut read = outcome.into_deaggregated(&records);
            let malformed = read.next().is_some_and(|one| one.malformed().is_some());
            (malformed, read.deaggregator().counters().aggregated > 0)
        });
        let outcomes: Vec<_> = outcomes.collect();
        assert!(outcomes.contains(&(true, false)) && outcomes.contains(&(false, true)));
    }

    #[test]
    fn arbitrary_shard_maps_split_and_merge() {
        let (mut opened, mut merged) = (0, 0);
        for seed in 0..100 {
            let noise = noise(400, seed);
            let reshards = Reshards::arbitrary(&mut Unstructured::new(&noise)).unwrap();
            for pair in reshards.maps.windows(2) {
                let diff = pair[0].diff(&pair[1]);
                opened += diff.opened.len();
                merged += usize::from(diff.closed.len() > diff.opened.len());
            }
        }
        assert!(opened > 100 && merged > 10, "{opened}, {merged}");
    }
}
