//! The counts of a writer, and the key indices that it returns.

use core::num::{NonZeroU16, NonZeroU32};

use crate::error::{EncodeError, EncodedPart};
use crate::schema::KeyKind;
use crate::wire::num::{Num as _, to_u32, to_usize};
use crate::write::new_record::{ANY, NewRecord};

/// A place in the key table of the aggregate that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct KeyPlace {
    /// Counted from one, so that an `Option` of a place takes no more memory.
    ordinal: NonZeroU32,
    /// Bytes of the key.
    key_len: u32,
}

impl KeyPlace {
    /// Returns the index of the key in its table.
    fn number(self) -> u32 {
        self.ordinal.get().minus(1)
    }
}

/// Distinguishes an aggregate from earlier ones of the same writer. Wraps around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Generation(NonZeroU16);

impl Generation {
    pub(crate) const FIRST: Self = Self(NonZeroU16::MIN);

    pub(crate) fn next(self) -> Self {
        Self(self.0.checked_add(1).unwrap_or(NonZeroU16::MIN))
    }
}

/// A key of one of a writer's aggregates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct KeyIndex {
    place: KeyPlace,
    /// The generation of the aggregate that contains the key. Not zero, so that an `Option` of
    /// an index takes no more memory.
    generation: Generation,
}

/// The index of a partition key in the table of the aggregate that is being
/// written, as [`SectionWriter::add_partition_key`] and
/// [`StreamWriter::add_partition_key`] return it.
///
/// It is valid until the writer finishes or clears this aggregate. After that the writer
/// rejects it with [`EncodeError::StaleKeyIndex`]. The writer distinguishes aggregates by a
/// 16-bit number that wraps: an index kept for exactly 65,535 aggregates is accepted again.
/// Indices of other writers are not detected.
///
/// [`SectionWriter::add_partition_key`]: crate::SectionWriter::add_partition_key
/// [`StreamWriter::add_partition_key`]: crate::StreamWriter::add_partition_key
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PartitionKeyIndex(pub(crate) KeyIndex);

/// The index of an explicit hash key in the table of the aggregate that is
/// being written. It is valid as long as a [`PartitionKeyIndex`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ExplicitHashKeyIndex(pub(crate) KeyIndex);

/// How many keys and user records an aggregate has so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    partition_keys: u32,
    explicit_hash_keys: u32,
    records: u32,
}

impl Counts {
    pub(crate) const NONE: Self = Self {
        partition_keys: 0,
        explicit_hash_keys: 0,
        records: 0,
    };

    pub(crate) const fn records(&self) -> u32 {
        self.records
    }

    pub(crate) fn add_record(&mut self) {
        self.records = self.records.plus(1);
    }

    pub(crate) const fn keys(&self, kind: KeyKind) -> u32 {
        match kind {
            KeyKind::Partition => self.partition_keys,
            KeyKind::ExplicitHash => self.explicit_hash_keys,
        }
    }

    /// Counts a key and returns its index.
    pub(crate) fn add_key(
        &mut self,
        kind: KeyKind,
        key: &[u8],
        generation: Generation,
    ) -> KeyIndex {
        let count = match kind {
            KeyKind::Partition => &mut self.partition_keys,
            KeyKind::ExplicitHash => &mut self.explicit_hash_keys,
        };
        *count = count.plus(1);
        let place = KeyPlace {
            // The count is at least one.
            ordinal: NonZeroU32::new(*count).unwrap_or(NonZeroU32::MIN),
            key_len: to_u32(key.len()),
        };
        KeyIndex { place, generation }
    }

    /// Returns true if there is nothing but one partition key. An explicit hash key that does
    /// not fit then never will: another aggregate has no more room.
    pub(crate) const fn is_one_partition_key(&self) -> bool {
        self.partition_keys == 1 && self.explicit_hash_keys == 0 && self.records == 0
    }

    /// Returns the number of a key of this aggregate.
    fn check_index(
        &self,
        kind: KeyKind,
        index: KeyIndex,
        generation: Generation,
    ) -> Result<u32, EncodeError> {
        if index.generation != generation {
            return Err(EncodeError::StaleKeyIndex);
        }
        let (number, count) = (index.place.number(), self.keys(kind));
        if number >= count {
            return Err(EncodeError::UnknownKeyIndex {
                index: to_usize(number),
                count: to_usize(count),
            });
        }
        Ok(number)
    }

    /// Returns the numbers of the keys of a record.
    pub(crate) fn check_keys(
        &self,
        generation: Generation,
        (PartitionKeyIndex(partition_key), explicit_hash_key): RecordKeys,
    ) -> Result<(u32, Option<u32>), EncodeError> {
        let partition_key = self.check_index(KeyKind::Partition, partition_key, generation)?;
        let mut number = None;
        if let Some(ExplicitHashKeyIndex(key)) = explicit_hash_key {
            number = Some(self.check_index(KeyKind::ExplicitHash, key, generation)?);
        }
        Ok((partition_key, number))
    }
}

/// The keys of a user record.
pub(crate) type RecordKeys = (PartitionKeyIndex, Option<ExplicitHashKeyIndex>);

/// Keys of the aggregate that is being written: [`RecordKeys`] without the generation, which
/// the writer knows.
#[derive(Clone, Copy)]
pub(crate) struct StoredKeys {
    partition_key: KeyPlace,
    explicit_hash_key: Option<KeyPlace>,
}

impl StoredKeys {
    pub(crate) const NONE: Self = Self {
        partition_key: KeyPlace {
            ordinal: NonZeroU32::MIN,
            key_len: 0,
        },
        explicit_hash_key: None,
    };

    pub(crate) fn new((partition_key, explicit_hash_key): RecordKeys) -> Self {
        Self {
            partition_key: partition_key.0.place,
            explicit_hash_key: explicit_hash_key.map(|key| key.0.place),
        }
    }

    /// Returns the keys, given the generation of their aggregate.
    pub(crate) fn keys(self, generation: Generation) -> RecordKeys {
        let index = |place| KeyIndex { place, generation };
        (
            PartitionKeyIndex(index(self.partition_key)),
            self.explicit_hash_key.map(index).map(ExplicitHashKeyIndex),
        )
    }
}

/// Returns the length of a record's partition key, and of a blob that holds the record and
/// nothing else.
pub(crate) fn alone_lens(keys: RecordKeys, record: &NewRecord<'_, ANY>) -> (u32, u32) {
    let (PartitionKeyIndex(partition_key), explicit_hash_key) = keys;
    let explicit_hash_key_len =
        explicit_hash_key.map(|ExplicitHashKeyIndex(key)| key.place.key_len);
    let blob_len = record.blob_len_alone(partition_key.place.key_len, explicit_hash_key_len);
    (partition_key.place.key_len, blob_len)
}

/// Checks a size against its limit.
///
/// # Errors
///
/// [`EncodeError::TooLarge`] if `alone`, the size of an aggregate that holds
/// `part` and nothing else, is above the limit, too; else
/// [`EncodeError::Full`].
pub(crate) fn check_size(
    part: EncodedPart,
    needed: u32,
    limit: u32,
    alone: impl FnOnce() -> u32,
) -> Result<(), EncodeError> {
    if needed <= limit {
        return Ok(());
    }
    let alone = alone();
    Err(if alone > limit {
        EncodeError::TooLarge {
            part,
            needed: alone,
            limit,
        }
    } else {
        EncodeError::Full { needed, limit }
    })
}
