//! The three parts of a message while they grow in one buffer, and how they are
//! put into the KPL's order.
//!
//! ```text
//! while growing   magic | records ->            free            <- keys |
//! when finished   magic | partition keys | explicit hash keys | records | digest | free
//! ```
//!
//! Two parts can grow in one buffer without moving, three cannot. So both kinds
//! of keys share the far end, each new entry before the previous one, and are
//! separated at the end. No space is reserved: the buffer is full when the
//! finished blob would not fit.
//!
//! Putting the parts in order moves each byte once if the free space can hold
//! the keys. If it cannot, records are moved twice (two reversals make a
//! rotation) and keys at most 2 + 2 * log2(n) times, where n is how often a
//! partition key follows an explicit hash key; twice if there is only one kind
//! of key.
//!
//! Without the feature `fast` there is only the second way, and each key entry
//! is stored backwards, so that one reversal of all keys puts them in order,
//! without reading where each ends. Both ways take 0.6 kB more (a quarter of an
//! `AggregateWriter` on a Cortex-M3); the second alone takes half as much time
//! again (x86-64, 9,000 records of 100 bytes).

use crate::error::EncodeError;
use crate::frame::{MAGIC, MESSAGE_START};
use crate::limits::{FRAME_LEN, MAX_VARINT_LEN};
use crate::schema::{EXPLICIT_HASH_KEY, KeyKind, PARTITION_KEY};
use crate::wire::num::{Num as _, to_u32, to_usize};
use crate::wire::put::{bytes_field_len, put_bytes_field};
use crate::wire::sink::Sink;
use crate::wire::varint::{self, FOR_SIZE};
use crate::write::counts::{Counts, Generation, KeyIndex};
use crate::write::new_record::NewRecord;

/// The type of [`part_keys`].
type PartKeys = fn(&mut [u8]) -> Option<()>;

#[derive(Clone, Debug)]
pub(crate) struct Sections<B> {
    buffer: B,
    counts: Counts,
    partition_keys_len: u32,
    keys_len: u32,
    records_len: u32,
    generation: Generation,
    /// [`part_keys`], once there is an explicit hash key: a program without any does not
    /// contain that code (0.3 kB on a Cortex-M3).
    part_keys: Option<PartKeys>,
}

impl<B> Sections<B> {
    pub(crate) const fn new(buffer: B) -> Self {
        Self {
            buffer,
            counts: Counts::NONE,
            partition_keys_len: 0,
            keys_len: 0,
            records_len: 0,
            generation: Generation::FIRST,
            part_keys: None,
        }
    }

    pub(crate) fn into_buffer(self) -> B {
        self.buffer
    }

    /// Replaces the buffer, which holds a finished blob or nothing.
    #[cfg(feature = "heapless")]
    pub(crate) fn replace_buffer(&mut self, buffer: B) -> B {
        core::mem::replace(&mut self.buffer, buffer)
    }

    pub(crate) fn clear(&mut self) {
        self.counts = Counts::NONE;
        self.generation = self.generation.next();
        self.partition_keys_len = 0;
        self.keys_len = 0;
        self.records_len = 0;
        self.part_keys = None;
    }

    pub(crate) const fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(crate) const fn generation(&self) -> Generation {
        self.generation
    }

    /// Returns the buffer length with which each byte is moved only once when the parts are put
    /// in order.
    pub(crate) fn roomy_len(&self) -> u32 {
        self.encoded_len().saturating_add(self.keys_len)
    }

    /// Returns the length of the finished blob.
    pub(crate) fn encoded_len(&self) -> u32 {
        FRAME_LEN.plus(self.keys_len).plus(self.records_len)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Sections<B> {
    /// Returns the length of the longest blob.
    pub(crate) fn capacity(&self) -> u32 {
        to_u32(self.buffer.as_ref().len())
    }

    /// Returns a part of the buffer, if the buffer is long enough.
    fn place(&mut self, start: usize, len: u32) -> Option<&mut [u8]> {
        let rest = self.buffer.as_mut().get_mut(start..)?;
        rest.get_mut(..to_usize(len))
    }

    /// Adds a key to its table. There must be room for it.
    pub(crate) fn push_key(&mut self, kind: KeyKind, key: &[u8]) -> Option<KeyIndex> {
        let len = bytes_field_len(key);
        let keys_len = self.keys_len.plus(len);
        let start = self.buffer.as_ref().len().checked_sub(to_usize(keys_len))?;
        let place = self.place(start, len)?;
        put_bytes_field(&mut Sink::new(place), kind.tag(), key)?;
        if FOR_SIZE {
            reverse(place);
        }
        if kind == KeyKind::Partition {
            self.partition_keys_len = self.partition_keys_len.plus(len);
        }
        self.keys_len = keys_len;
        Some(self.counts.add_key(kind, key, self.generation))
    }

    /// Must be called before the first explicit hash key is added.
    pub(crate) fn expect_explicit_hash_keys(&mut self) {
        self.part_keys = Some(part_keys);
    }

    /// Returns the distance from the start of the next key, if that is `key`, to the buffer's
    /// end.
    pub(crate) fn next_key_from_end(&self, key: &[u8]) -> u32 {
        // An entry starts with its tag and length; an entry that is stored backwards, with its key.
        let len = if FOR_SIZE {
            bytes_field_len(key)
        } else {
            to_u32(key.len())
        };
        self.keys_len.plus(len)
    }

    /// Returns the key of `len` bytes that starts `from_end` bytes before the buffer's end;
    /// backwards without `fast`.
    pub(crate) fn stored_key(&self, from_end: u32, len: usize) -> Option<&[u8]> {
        let buffer = self.buffer.as_ref();
        let start = buffer.len().checked_sub(to_usize(from_end))?;
        buffer.get(start..)?.get(..len)
    }

    /// Returns true if the bytes that start `from_end` bytes before the buffer's end are `key`.
    pub(crate) fn is_key(&self, from_end: u32, key: &[u8]) -> bool {
        match self.stored_key(from_end, key.len()) {
            Some(stored) if FOR_SIZE => stored.iter().rev().eq(key),
            Some(stored) => same(stored, key),
            None => false,
        }
    }

    /// Adds a record. There must be room for it.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn push_record<const SHAPE: bool>(
        &mut self,
        record: &NewRecord<'_, SHAPE>,
    ) -> Option<()> {
        let len = record.encoded_len();
        let start = to_usize(MESSAGE_START.plus(self.records_len));
        record.write(&mut Sink::new(self.place(start, len)?))?;
        self.records_len = self.records_len.plus(len);
        self.counts.add_record();
        Some(())
    }

    /// Moves the parts into another buffer, or returns that buffer if it is too short.
    pub(crate) fn move_to<C: AsRef<[u8]> + AsMut<[u8]>>(
        &self,
        mut buffer: C,
    ) -> Result<Sections<C>, C> {
        let copied = self.copy_to(buffer.as_mut());
        match copied {
            Some(()) => Ok(Sections {
                buffer,
                counts: self.counts,
                partition_keys_len: self.partition_keys_len,
                keys_len: self.keys_len,
                records_len: self.records_len,
                generation: self.generation,
                part_keys: self.part_keys,
            }),
            None => Err(buffer),
        }
    }

    fn copy_to(&self, to: &mut [u8]) -> Option<()> {
        let from = self.buffer.as_ref();
        to.get(..to_usize(self.encoded_len()))?;
        // Without records, the old buffer may be shorter than the magic.
        if self.records_len > 0 {
            let start = to_usize(MESSAGE_START);
            let records = from.get(start..)?.get(..to_usize(self.records_len))?;
            Sink::new(to.get_mut(start..)?).put(records)?;
        }
        let keys_len = to_usize(self.keys_len);
        let keys = from.get(from.len().checked_sub(keys_len)?..)?;
        let start = to.len().checked_sub(keys_len)?;
        Sink::new(to.get_mut(start..)?).put(keys)
    }

    /// Puts the parts in order after the magic and starts over. Returns the blob without its
    /// digest.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`] without records. Nothing is changed then.
    pub(crate) fn finish(&mut self) -> Result<&mut [u8], EncodeError> {
        if self.counts.records() == 0 {
            return Err(EncodeError::Empty);
        }
        let part_keys = self.part_keys;
        let partition_keys_len = to_usize(self.partition_keys_len);
        let (keys_len, records_len) = (to_usize(self.keys_len), to_usize(self.records_len));
        self.clear();
        let buffer = self.buffer.as_mut();
        // The buffer is that long, or nothing would have been written into it.
        order(buffer, part_keys, partition_keys_len, keys_len, records_len)
            .ok_or(EncodeError::Empty)
    }
}

fn order(
    buffer: &mut [u8],
    part_keys: Option<PartKeys>,
    partition_keys_len: usize,
    keys_len: usize,
    records_len: usize,
) -> Option<&mut [u8]> {
    let (magic, body) = buffer.split_first_chunk_mut()?;
    *magic = MAGIC;
    let message_len = keys_len.checked_add(records_len)?;
    let free_len = body.len().checked_sub(message_len)?;
    if free_len >= keys_len && !FOR_SIZE {
        order_through_free_space(body, partition_keys_len, keys_len, records_len)?;
    } else {
        order_in_place(body, keys_len, records_len)?;
        if let Some(part_keys) = part_keys {
            part_keys(body.get_mut(..keys_len)?)?;
        }
    }
    buffer.get_mut(..message_len.checked_add(to_usize(FRAME_LEN))?)
}

/// First moves the records out of the way, then each key to its place.
fn order_through_free_space(
    body: &mut [u8],
    partition_keys_len: usize,
    keys_len: usize,
    records_len: usize,
) -> Option<()> {
    let keys_start = body.len().checked_sub(keys_len)?;
    let (front, keys) = body.split_at_mut_checked(keys_start)?;
    let ordered = front.get_mut(..keys_len.checked_add(records_len)?)?;
    move_up(ordered, records_len);
    let tables = ordered.get_mut(..keys_len)?;
    let (mut partition_keys, mut explicit_hash_keys) =
        tables.split_at_mut_checked(partition_keys_len)?;
    // Keys are stored last to first.
    let mut rest = &*keys;
    while !rest.is_empty() {
        let (tag, len) = key_entry(rest)?;
        let (entry, tail) = rest.split_at_checked(len)?;
        rest = tail;
        let table = match tag {
            PARTITION_KEY => &mut partition_keys,
            _ => &mut explicit_hash_keys,
        };
        let unfilled = core::mem::take(table);
        let (before, place) = unfilled.split_at_mut_checked(unfilled.len().checked_sub(len)?)?;
        place.copy_from_slice(entry);
        *table = before;
    }
    Some(())
}

/// Returns true if both are equal. Inlined: a call of `memcmp` costs more than the comparison
/// of a usual key (6 % of a push on x86-64).
#[inline(always)]
fn same(a: &[u8], b: &[u8]) -> bool {
    same_chunks::<16>(a, b)
        .or_else(|| same_chunks::<8>(a, b))
        .unwrap_or_else(|| a == b)
}

/// Compares chunks of `N` bytes; `None` if `a` is shorter than one. The last
/// chunk is compared first: many keys differ only at their ends.
#[inline(always)]
fn same_chunks<const N: usize>(a: &[u8], b: &[u8]) -> Option<bool> {
    if a.last_chunk::<N>()? != b.last_chunk::<N>()? || a.len() != b.len() {
        return Some(false);
    }
    let (mut a, mut b) = (a, b);
    while let (Some((chunk_a, rest_a)), Some((chunk_b, rest_b))) =
        (a.split_first_chunk::<N>(), b.split_first_chunk::<N>())
    {
        if chunk_a != chunk_b {
            return Some(false);
        }
        (a, b) = (rest_a, rest_b);
    }
    Some(true)
}

/// Moves the first `len` bytes of `memory` to its end.
fn move_up(memory: &mut [u8], len: usize) {
    if let Some(distance) = memory.len().checked_sub(len) {
        memory.copy_within(..len, distance);
    }
}

/// Closes the gap, then turns `records | keys, last to first` into `keys,
/// first to last | records`.
fn order_in_place(body: &mut [u8], keys_len: usize, records_len: usize) -> Option<()> {
    let keys_start = body.len().checked_sub(keys_len)?;
    let mut rest = body.get_mut(keys_start..)?;
    // Without `fast`, the entries are stored backwards already.
    while !rest.is_empty() && !FOR_SIZE {
        let (_, len) = key_entry(rest)?;
        let (entry, tail) = rest.split_at_mut_checked(len)?;
        reverse(entry);
        rest = tail;
    }
    let behind_records = body.get_mut(records_len..)?;
    let distance = behind_records.len().checked_sub(keys_len)?;
    behind_records.copy_within(distance.., 0);
    let ordered = body.get_mut(..keys_len.checked_add(records_len)?)?;
    reverse(ordered);
    reverse(ordered.get_mut(keys_len..)?);
    Some(())
}

/// Separates mixed key entries: partition keys first, each kind in its order.
///
/// A pass exchanges the inner two of every four runs of one kind, which halves
/// the number of runs.
fn part_keys(keys: &mut [u8]) -> Option<()> {
    for _halving in 0..=u32::BITS {
        let mut rest = &mut *keys;
        let mut exchanged = false;
        while !rest.is_empty() {
            let partition = run_len(rest, PARTITION_KEY)?;
            let mixed = rest.get_mut(partition..)?;
            let explicit = run_len(mixed, EXPLICIT_HASH_KEY)?;
            let partition = run_len(mixed.get(explicit..)?, PARTITION_KEY)?;
            let (inner, tail) = mixed.split_at_mut_checked(explicit.checked_add(partition)?)?;
            if partition != 0 {
                let (explicit, partition) = inner.split_at_mut_checked(explicit)?;
                reverse(explicit);
                reverse(partition);
                reverse(inner);
                exchanged = true;
            }
            let explicit = run_len(tail, EXPLICIT_HASH_KEY)?;
            rest = tail.get_mut(explicit..)?;
        }
        if !exchanged {
            return Some(());
        }
    }
    None
}

/// Not inlined into its many callers: an `AggregateWriter` takes 3 % less text, a
/// `SectionWriter` 6 % less (Cortex-M3).
#[inline(never)]
fn reverse(bytes: &mut [u8]) {
    bytes.reverse();
}

/// Returns the length of the key entries with this tag that `keys` starts with.
fn run_len(keys: &[u8], tag: u32) -> Option<usize> {
    let mut len = 0_usize;
    while let Some(rest) = keys.get(len..).filter(|rest| !rest.is_empty()) {
        let (found, entry_len) = key_entry(rest)?;
        if found != tag {
            break;
        }
        len = len.checked_add(entry_len)?;
    }
    Some(len)
}

/// Returns tag and length of the key entry at the start of `keys`. This writer made it, so its
/// tag has one byte.
fn key_entry(keys: &[u8]) -> Option<(u32, usize)> {
    let (&tag, rest) = keys.split_first()?;
    let (len, len_len) = varint::decode(rest, MAX_VARINT_LEN).ok()?;
    let head_len = len_len.checked_add(1)?;
    Some((
        u32::from(tag),
        head_len.checked_add(usize::try_from(len.value).ok()?)?,
    ))
}
