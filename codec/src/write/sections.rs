//! The three parts of a message while they grow in one buffer, and their way
//! into the KPL's order.
//!
//! ```text
//! while growing   magic | records ->            free            <- keys |
//! when finished   magic | partition keys | explicit hash keys | records | digest | free
//! ```
//!
//! Three parts cannot grow in one buffer without moving, two can. So both kinds
//! of keys share the far end, each new entry before the last one, and are
//! parted at the end. Nothing moves while the parts grow, and nothing is kept
//! free: the buffer is full when the finished blob would be longer. On bare metal
//! each entry stands backwards, so that turning all keys round at once brings them
//! into order, without a look at where each ends.
//!
//! Putting the parts in order moves each byte once if the free space can hold
//! the keys. If it is smaller, and on bare metal always (one way is less code
//! than two), records are moved twice (two reversals make a
//! rotation), keys at most 2 + 2 * log2(n) times, n being how often a partition
//! key follows an explicit hash key; 2 times where one kind of key is absent.

use crate::error::EncodeError;
use crate::frame::{MAGIC, MESSAGE_START};
use crate::limits::{FRAME_LEN, MAX_VARINT_LEN};
use crate::schema::{EXPLICIT_HASH_KEY, KeyKind, PARTITION_KEY};
use crate::wire::put::{bytes_field_len, write_bytes_field};
use crate::wire::sink::Sink;
use crate::wire::varint::{self, FOR_SIZE};
use crate::write::new_record::NewRecord;

/// How much there is of one part.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    count: u32,
    len: u32,
}

impl Part {
    /// Counts what was written: the length of the buffer bounds all sums.
    fn add(&mut self, len: u32) {
        self.count = self.count.wrapping_add(1);
        self.len = self.len.wrapping_add(len);
    }
}

/// The shape of [`part_keys`].
type PartKeys = fn(&mut [u8]) -> Option<()>;

#[derive(Clone, Debug)]
pub(crate) struct Sections<B> {
    buffer: B,
    partition_keys: Part,
    explicit_hash_keys: Part,
    records: Part,
    /// [`part_keys`], once there is an explicit hash key: a program without any does not carry its
    /// code along.
    part_keys: Option<PartKeys>,
}

impl<B> Sections<B> {
    pub(crate) const fn new(buffer: B) -> Self {
        const EMPTY: Part = Part { count: 0, len: 0 };
        Self {
            buffer,
            partition_keys: EMPTY,
            explicit_hash_keys: EMPTY,
            records: EMPTY,
            part_keys: None,
        }
    }

    pub(crate) fn into_buffer(self) -> B {
        self.buffer
    }

    /// Gives the buffer of a finished blob away.
    #[cfg(feature = "heapless")]
    pub(crate) fn replace_buffer(&mut self, buffer: B) -> B {
        core::mem::replace(&mut self.buffer, buffer)
    }

    pub(crate) fn clear(&mut self) {
        self.partition_keys = Part::default();
        self.explicit_hash_keys = Part::default();
        self.records = Part::default();
        self.part_keys = None;
    }

    pub(crate) fn record_count(&self) -> u32 {
        self.records.count
    }

    pub(crate) fn key_count(&self, kind: KeyKind) -> u32 {
        match kind {
            KeyKind::Partition => self.partition_keys.count,
            KeyKind::ExplicitHash => self.explicit_hash_keys.count,
        }
    }

    fn keys_len(&self) -> u32 {
        self.partition_keys
            .len
            .wrapping_add(self.explicit_hash_keys.len)
    }

    /// Bytes of buffer with which the parts are put in order by moving each
    /// byte once.
    pub(crate) fn roomy_len(&self) -> u32 {
        self.encoded_len().saturating_add(self.keys_len())
    }

    /// Bytes of the finished blob.
    pub(crate) fn encoded_len(&self) -> u32 {
        FRAME_LEN
            .wrapping_add(self.keys_len())
            .wrapping_add(self.records.len)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Sections<B> {
    /// Bytes of the longest blob.
    pub(crate) fn capacity(&self) -> u32 {
        u32::try_from(self.buffer.as_ref().len()).unwrap_or(u32::MAX)
    }

    /// Why a part cannot grow by `len` bytes.
    #[cold]
    pub(crate) fn refusal(&self, len: u32) -> EncodeError {
        let limit = u64::from(self.capacity());
        let alone = u64::from(FRAME_LEN.saturating_add(len));
        if alone > limit {
            return EncodeError::TooLarge {
                needed: alone,
                limit,
            };
        }
        EncodeError::Full {
            needed: u64::from(self.encoded_len().saturating_add(len)),
            limit,
        }
    }

    /// True if a part can grow by `len` bytes. To be asked before each growth.
    pub(crate) fn has_room(&self, len: u32) -> bool {
        let encoded_len = self.encoded_len().checked_add(len);
        encoded_len.is_some_and(|encoded_len| encoded_len <= self.capacity())
    }

    /// Memory of the buffer, if there is such.
    fn place(&mut self, start: usize, len: u32) -> Option<&mut [u8]> {
        let rest = self.buffer.as_mut().get_mut(start..)?;
        rest.get_mut(..usize::try_from(len).ok()?)
    }

    /// Adds a key to its table, for which there is room; returns its index there.
    pub(crate) fn push_key(&mut self, kind: KeyKind, key: &[u8]) -> Option<u32> {
        let len = bytes_field_len(key);
        let keys_len = usize::try_from(self.keys_len().wrapping_add(len)).ok()?;
        let start = self.buffer.as_ref().len().checked_sub(keys_len)?;
        let place = self.place(start, len)?;
        write_bytes_field(&mut Sink::new(place), kind.tag(), key)?;
        if FOR_SIZE {
            reverse(place);
        }
        let part = match kind {
            KeyKind::Partition => &mut self.partition_keys,
            KeyKind::ExplicitHash => &mut self.explicit_hash_keys,
        };
        let index = part.count;
        part.add(len);
        Some(index)
    }

    /// To be called before the first explicit hash key.
    pub(crate) fn expect_explicit_hash_keys(&mut self) {
        self.part_keys = Some(part_keys);
    }

    /// How far from the buffer's end the bytes of the next key will start.
    pub(crate) fn next_key_from_end(&self, key: &[u8]) -> u32 {
        let len = if FOR_SIZE {
            bytes_field_len(key)
        } else {
            u32::try_from(key.len()).unwrap_or(u32::MAX)
        };
        self.keys_len().wrapping_add(len)
    }

    /// The key of `len` bytes that starts `from_end` bytes before the buffer's end;
    /// backwards on bare metal.
    #[inline]
    pub(crate) fn stored_key(&self, from_end: u32, len: usize) -> Option<&[u8]> {
        let buffer = self.buffer.as_ref();
        let start = buffer.len().checked_sub(usize::try_from(from_end).ok()?)?;
        buffer.get(start..)?.get(..len)
    }

    /// True if the key that starts `from_end` bytes before the buffer's end starts
    /// with `key`.
    #[inline]
    pub(crate) fn is_key(&self, from_end: u32, key: &[u8]) -> bool {
        match self.stored_key(from_end, key.len()) {
            Some(stored) if FOR_SIZE => stored.iter().rev().eq(key),
            Some(stored) => same(stored, key),
            None => false,
        }
    }

    /// Adds a record, for which there is room.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn push_record<const SHAPE: bool>(
        &mut self,
        record: &NewRecord<'_, SHAPE>,
    ) -> Option<()> {
        let len = record.encoded_len();
        let start = usize::try_from(MESSAGE_START.wrapping_add(self.records.len)).ok()?;
        record.write(self.place(start, len)?)?;
        self.records.add(len);
        Some(())
    }

    /// Moves what there is into another buffer, if it fits there.
    pub(crate) fn move_to<C: AsRef<[u8]> + AsMut<[u8]>>(
        &self,
        mut buffer: C,
    ) -> Result<Sections<C>, C> {
        let copied = self.copy_to(buffer.as_mut());
        match copied {
            Some(()) => Ok(Sections {
                buffer,
                partition_keys: self.partition_keys,
                explicit_hash_keys: self.explicit_hash_keys,
                records: self.records,
                part_keys: self.part_keys,
            }),
            None => Err(buffer),
        }
    }

    fn copy_to(&self, to: &mut [u8]) -> Option<()> {
        let from = self.buffer.as_ref();
        to.get(..usize::try_from(self.encoded_len()).ok()?)?;
        // Without records, there may be no place for them in the old buffer at all.
        if self.records.len > 0 {
            let start = usize::try_from(MESSAGE_START).ok()?;
            let end = start.checked_add(usize::try_from(self.records.len).ok()?)?;
            Sink::new(to.get_mut(start..)?).put(from.get(start..end)?)?;
        }
        let keys_len = usize::try_from(self.keys_len()).ok()?;
        let keys = from.get(from.len().checked_sub(keys_len)?..)?;
        let start = to.len().checked_sub(keys_len)?;
        Sink::new(to.get_mut(start..)?).put(keys)
    }

    /// Puts the parts in order, behind the magic, and starts over; returns the
    /// blob, its digest not yet written.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`] without records; nothing was changed then.
    pub(crate) fn finish(&mut self) -> Result<&mut [u8], EncodeError> {
        if self.records.count == 0 {
            return Err(EncodeError::Empty);
        }
        let part_keys = self.part_keys;
        let partition_keys_len = self.partition_keys.len;
        let (keys_len, records_len) = (self.keys_len(), self.records.len);
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
    partition_keys_len: u32,
    keys_len: u32,
    records_len: u32,
) -> Option<&mut [u8]> {
    let partition_keys_len = usize::try_from(partition_keys_len).ok()?;
    let keys_len = usize::try_from(keys_len).ok()?;
    let records_len = usize::try_from(records_len).ok()?;
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
    buffer.get_mut(..message_len.checked_add(usize::try_from(FRAME_LEN).ok()?)?)
}

/// Records aside first, then each key into its place.
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
    // The last key stands first.
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

/// True if both are equal. In place, as a call costs more than what it does for a
/// usual key.
#[inline(always)]
fn same(a: &[u8], b: &[u8]) -> bool {
    same_chunks::<16>(a, b)
        .or_else(|| same_chunks::<8>(a, b))
        .unwrap_or_else(|| a == b)
}

/// Whether both are equal, by chunks of `N` bytes; `None` if there is none of them. What is left is in
/// the last chunk, which is compared first: many keys differ only at their ends.
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

/// Parts mixed key entries, partition keys first, each kind in its order.
///
/// A pass exchanges the inner two of four runs of the same kind, and so halves
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

/// The one copy of this code; there are many callers.
#[inline(never)]
fn reverse(bytes: &mut [u8]) {
    bytes.reverse();
}

/// Bytes of the key entries with this tag that `keys` starts with.
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

/// Tag and length of the key entry that `keys` starts with. It was written here, so
/// its tag has one byte.
fn key_entry(keys: &[u8]) -> Option<(u32, usize)> {
    let (&tag, rest) = keys.split_first()?;
    let (len, rest) = varint::decode(rest, MAX_VARINT_LEN).ok()?;
    let head_len = keys.len().checked_sub(rest.len())?;
    Some((
        u32::from(tag),
        head_len.checked_add(usize::try_from(len.value).ok()?)?,
    ))
}
