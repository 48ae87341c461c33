//! A user record to write.

use core::fmt;

use crate::error::EncodeError;
use crate::hash_key::HashKey;
use crate::key_bytes::KeyBytes;
use crate::limits::MAX_PARTITION_KEY_UTF16_LEN;
use crate::record_tag::RecordTags;
use crate::wire::num::{Num as _, to_u32};
use crate::write::new_record::{ANY, NewRecord};
use crate::write::new_tags::NewTags;

/// A user record to be written.
///
/// ```
/// use kinesis_agg_codec::{HashKey, NewUserRecord, RecordTag};
///
/// let tags = [RecordTag { key: "unit".into(), value: Some("C".into()) }];
/// let user_record = NewUserRecord::new("sensor-7", b"21.5")
///     .with_explicit_hash_key(HashKey::new(7))
///     .with_tags(tags[..].into());
/// ```
#[derive(Clone, Copy)]
pub struct NewUserRecord<'a> {
    pub(crate) partition_key: &'a str,
    pub(crate) explicit_hash_key: Option<HashKey>,
    pub(crate) data: &'a [u8],
    pub(crate) tags: NewTags<'a>,
}

impl<'a> NewUserRecord<'a> {
    /// Creates a user record without explicit hash key and tags.
    ///
    /// The partition key must have 1 to [`MAX_PARTITION_KEY_UTF16_LEN`] UTF-16
    /// code units (the KPL's rule; the service says "characters"). An
    /// [`AggregateWriter`](crate::AggregateWriter) checks that when it is
    /// pushed. The data may be any bytes.
    #[must_use]
    pub const fn new(partition_key: &'a str, data: &'a [u8]) -> Self {
        Self {
            partition_key,
            explicit_hash_key: None,
            data,
            tags: NewTags::NONE,
        }
    }

    /// Sets the explicit hash key, or removes it.
    #[must_use]
    pub fn with_explicit_hash_key(self, explicit_hash_key: impl Into<Option<HashKey>>) -> Self {
        Self {
            explicit_hash_key: explicit_hash_key.into(),
            ..self
        }
    }

    /// Sets the tags.
    #[must_use]
    pub const fn with_tags(mut self, tags: RecordTags<'a>) -> Self {
        self.tags = NewTags::new(tags);
        self
    }

    /// Returns the partition key.
    #[must_use]
    pub const fn partition_key(&self) -> &'a str {
        self.partition_key
    }

    /// Returns the explicit hash key, if there is one.
    #[must_use]
    pub const fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    /// Returns the data.
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Returns the tags, in order.
    #[must_use]
    pub const fn tags(&self) -> RecordTags<'a> {
        self.tags.tags()
    }

    /// Returns the hash key, which determines the shard: the explicit hash key
    /// if there is one, else the MD5 of the partition key.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| HashKey::of_partition_key(self.partition_key.as_bytes()))
    }

    /// Returns true without explicit hash key and tags, as for most user records.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.explicit_hash_key.is_none() && self.tags.is_empty()
    }

    /// Returns the length in bytes of a blob that holds this user record and no other.
    #[must_use]
    pub fn encoded_len_alone(&self) -> u32 {
        let text = self.explicit_hash_key.map(HashKey::to_decimal);
        let explicit_hash_key_len = text.map(|text| to_u32(text.as_bytes().len()));
        let index = explicit_hash_key_len.map(|_| 0);
        NewRecord::<ANY>::new(0, index, self.data, self.tags)
            .blob_len_alone(to_u32(self.partition_key.len()), explicit_hash_key_len)
    }

    /// Checks the partition key, as an
    /// [`AggregateWriter`](crate::AggregateWriter) does before anything else.
    /// The other writers accept any key.
    ///
    /// # Errors
    ///
    /// [`EncodeError::EmptyPartitionKey`] if it is empty,
    /// [`EncodeError::PartitionKeyTooLong`] if it has more than
    /// [`MAX_PARTITION_KEY_UTF16_LEN`] UTF-16 code units.
    pub fn check_partition_key(&self) -> Result<(), EncodeError> {
        check_partition_key(self.partition_key)
    }
}

/// Checks the length of a partition key.
pub(crate) fn check_partition_key(key: &str) -> Result<(), EncodeError> {
    if key.is_empty() {
        return Err(EncodeError::EmptyPartitionKey);
    }
    // A string has at most as many UTF-16 code units as bytes.
    if key.len() <= MAX_PARTITION_KEY_UTF16_LEN {
        return Ok(());
    }
    check_long_partition_key(key)
}

#[cold]
#[inline(never)]
fn check_long_partition_key(key: &str) -> Result<(), EncodeError> {
    let limit = MAX_PARTITION_KEY_UTF16_LEN;
    // The first byte of a character decides: four bytes are two units, fewer are one. Takes 0.1 kB
    // less than `encode_utf16` on a Cortex-M3.
    let utf16_len = key.bytes().fold(0_usize, |len, byte| {
        len.plus(match byte {
            0x80..0xc0 => 0,
            0xf0.. => 2,
            _ => 1,
        })
    });
    if utf16_len > limit {
        return Err(EncodeError::PartitionKeyTooLong { utf16_len, limit });
    }
    Ok(())
}

impl PartialEq for NewUserRecord<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.partition_key == other.partition_key
            && self.explicit_hash_key == other.explicit_hash_key
            && self.data == other.data
            && self.tags() == other.tags()
    }
}

impl Eq for NewUserRecord<'_> {}

/// Bytes that are not printable ASCII are escaped.
impl fmt::Debug for NewUserRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUserRecord")
            // `str`'s own `Debug` contains panics.
            .field("partition_key", &KeyBytes::from(self.partition_key))
            .field("explicit_hash_key", &self.explicit_hash_key)
            .field("data", &KeyBytes::new(self.data))
            .field("tags", &self.tags())
            .finish()
    }
}
