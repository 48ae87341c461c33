//! A user record to be written.

use core::fmt;

use crate::error::EncodeError;
use crate::hash_key::HashKey;
use crate::key_bytes::KeyBytes;
use crate::limits::{FRAME_LEN, MAX_PARTITION_KEY_UTF16_LEN};
use crate::record_tag::RecordTags;
use crate::wire::put::bytes_field_len;
use crate::write::new_record::{ANY, NewRecord};

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
#[derive(Clone)]
pub struct NewUserRecord<'a> {
    pub(crate) partition_key: &'a str,
    pub(crate) explicit_hash_key: Option<HashKey>,
    pub(crate) data: &'a [u8],
    pub(crate) tags: RecordTags<'a>,
}

impl<'a> NewUserRecord<'a> {
    /// A user record without explicit hash key and tags.
    ///
    /// The partition key has 1 to [`MAX_PARTITION_KEY_UTF16_LEN`] UTF-16 code
    /// units (the KPL's rule; the service says "characters"), which the writer
    /// checks. Any data will do.
    pub fn new<D: AsRef<[u8]> + ?Sized>(partition_key: &'a str, data: &'a D) -> Self {
        Self {
            partition_key,
            explicit_hash_key: None,
            data: data.as_ref(),
            tags: RecordTags::default(),
        }
    }

    /// Sets the explicit hash key, or none.
    #[must_use]
    pub fn with_explicit_hash_key(self, explicit_hash_key: impl Into<Option<HashKey>>) -> Self {
        Self {
            explicit_hash_key: explicit_hash_key.into(),
            ..self
        }
    }

    /// Sets the tags.
    #[must_use]
    pub fn with_tags(self, tags: RecordTags<'a>) -> Self {
        Self { tags, ..self }
    }

    /// The partition key.
    #[must_use]
    pub const fn partition_key(&self) -> &'a str {
        self.partition_key
    }

    /// The explicit hash key, if there is one.
    #[must_use]
    pub const fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    /// The data.
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The tags, in order.
    #[must_use]
    pub fn tags(&self) -> RecordTags<'a> {
        self.tags
    }

    /// Where on the ring of shards the user record belongs.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| HashKey::of_partition_key(self.partition_key.as_bytes()))
    }

    /// True without explicit hash key and tags, as most user records are.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.explicit_hash_key.is_none() && self.tags.is_empty()
    }

    /// Bytes of a blob that holds this user record and no other.
    #[must_use]
    pub fn encoded_len_alone(&self) -> u32 {
        let text = self.explicit_hash_key.map(HashKey::to_decimal);
        self.encoded_len_alone_as::<ANY>(text.map(|text| bytes_field_len(text.as_bytes())))
    }

    /// As it is if its explicit hash key takes this many bytes in its table.
    pub(crate) fn encoded_len_alone_as<const SHAPE: bool>(
        &self,
        explicit_hash_key_len: Option<u32>,
    ) -> u32 {
        let index = explicit_hash_key_len.map(|_| 0);
        NewRecord::<SHAPE>::new(0, index, self.data, self.tags())
            .encoded_len()
            .saturating_add(explicit_hash_key_len.unwrap_or_default())
            .saturating_add(bytes_field_len(self.partition_key.as_bytes()))
            .saturating_add(FRAME_LEN)
    }

    /// Checks the partition key, as every writer does first.
    ///
    /// # Errors
    ///
    /// [`EncodeError::EmptyPartitionKey`] and
    /// [`EncodeError::PartitionKeyTooLong`].
    pub fn check_partition_key(&self) -> Result<(), EncodeError> {
        let key = self.partition_key;
        if key.is_empty() {
            return Err(EncodeError::EmptyPartitionKey);
        }
        let limit = MAX_PARTITION_KEY_UTF16_LEN;
        // No text has more UTF-16 code units than bytes.
        if u32::try_from(key.len()).is_ok_and(|len| len <= limit) {
            return Ok(());
        }
        // A character is one unit, of four bytes two: a byte that starts one tells.
        let utf16_len = key.bytes().fold(0_usize, |len, byte| {
            len.wrapping_add(match byte {
                0x80..0xc0 => 0,
                0xf0.. => 2,
                _ => 1,
            })
        });
        let utf16_len = u64::try_from(utf16_len).unwrap_or(u64::MAX);
        if utf16_len > u64::from(limit) {
            return Err(EncodeError::PartitionKeyTooLong { utf16_len, limit });
        }
        Ok(())
    }
}

impl fmt::Debug for NewUserRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUserRecord")
            // `str`'s own has panics in it, for a text that needs escapes.
            .field("partition_key", &KeyBytes::from(self.partition_key))
            .field("explicit_hash_key", &self.explicit_hash_key)
            .field("data", &self.data)
            .field("tags", &self.tags)
            .finish()
    }
}
