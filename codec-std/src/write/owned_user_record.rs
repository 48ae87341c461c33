//! User records that own their bytes.

use bytes::Bytes;
use kinesis_agg_codec::{HashKey, KeyBytes, NewUserRecord, RecordTag, RecordTags, UserRecord};

use crate::kinesis_record::EnclosingRecord;
use crate::read::{Delivered, OwnedDelivered};
use crate::write::error::UnfitUserRecord;

/// A user record to be written that owns its bytes, for example for queues and retries.
///
/// ```
/// use kinesis_agg::{HashKey, OwnedUserRecord};
///
/// let user_record = OwnedUserRecord::new("sensor-7", "21.5")
///     .with_explicit_hash_key(HashKey::new(7))
///     .with_tag("unit", Some("C"));
/// assert_eq!(user_record.tags().iter().count(), 1);
/// ```
///
/// With the feature `serde`, it is serialized as a struct. The explicit hash key is
/// decimal text; data and tags are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "serde_form::Form", try_from = "serde_form::Form")
)]
pub struct OwnedUserRecord {
    partition_key: Option<String>,
    explicit_hash_key: Option<HashKey>,
    data: Bytes,
    /// The tags, encoded as in a record.
    tags: Vec<u8>,
}

impl OwnedUserRecord {
    /// Makes a user record without explicit hash key and tags. The aggregator checks the
    /// partition key; see [`NewUserRecord::new`].
    pub fn new(partition_key: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self::from_raw(Some(partition_key.into()), None, data.into())
    }

    /// Makes a user record without a partition key, for streams that distribute
    /// records themselves
    /// ([`Distribution::Auto`](crate::producer::Distribution::Auto)). No
    /// aggregate can hold it: aggregators reject it as if its key were empty.
    pub fn without_partition_key(data: impl Into<Bytes>) -> Self {
        Self::from_raw(None, None, data.into())
    }

    /// Makes a user record without tags.
    pub(crate) const fn from_raw(
        partition_key: Option<String>,
        explicit_hash_key: Option<HashKey>,
        data: Bytes,
    ) -> Self {
        Self {
            partition_key,
            explicit_hash_key,
            data,
            tags: Vec::new(),
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

    /// Adds a tag.
    #[must_use]
    pub fn with_tag(mut self, key: &str, value: Option<&str>) -> Self {
        self.push_tag(RecordTag {
            key: key.into(),
            value: value.map(Into::into),
        });
        self
    }

    fn push_tag(&mut self, tag: RecordTag<'_>) {
        let start = self.tags.len();
        let len = usize::try_from(tag.encoded_len()).unwrap_or(usize::MAX);
        self.tags.resize(start.saturating_add(len), 0);
        if let Some(place) = self.tags.get_mut(start..) {
            // `place` has exactly the length of the tag.
            let _written = tag.encode_into(place);
        }
    }

    /// Returns the partition key, if there is one. Only user records made
    /// [without](Self::without_partition_key) have none.
    #[must_use]
    pub fn partition_key(&self) -> Option<&str> {
        self.partition_key.as_deref()
    }

    /// Returns the explicit hash key, if there is one.
    #[must_use]
    pub const fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    /// Returns the data.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// Returns the tags, in order.
    #[must_use]
    #[inline]
    pub fn tags(&self) -> RecordTags<'_> {
        if self.tags.is_empty() {
            return RecordTags::default();
        }
        RecordTags::parse(&self.tags).unwrap_or_default()
    }

    /// Returns the hash key, which determines the shard. Without a partition key, it
    /// is the hash key of an empty one.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.as_user_record().hash_key()
    }

    /// Returns the partition key, empty if there is none, and the data.
    pub(crate) fn into_key_and_data(self) -> (String, Bytes) {
        (self.partition_key.unwrap_or_default(), self.data)
    }

    /// Returns partition key, explicit hash key and data. Drops the tags.
    pub(crate) fn into_raw(self) -> (Option<String>, Option<HashKey>, Bytes) {
        (self.partition_key, self.explicit_hash_key, self.data)
    }

    /// Returns the length of data, partition key and tags, in bytes.
    pub(crate) fn content_len(&self) -> usize {
        let key_len = self.partition_key.as_ref().map_or(0, String::len);
        self.data
            .len()
            .saturating_add(key_len)
            .saturating_add(self.tags.len())
    }

    /// Copies the data, which may be a slice of a larger buffer.
    pub(crate) fn with_own_data(self) -> Self {
        Self {
            data: Bytes::copy_from_slice(&self.data),
            ..self
        }
    }

    /// Converts a user record that was read into one to be written.
    ///
    /// `data` is its data, copied or shared.
    ///
    /// # Errors
    ///
    /// [`UnfitUserRecord::PartitionKey`] if the partition key is not UTF-8,
    /// [`UnfitUserRecord::ExplicitHashKey`] if the explicit hash key is not a hash key.
    /// Both can be read but not written.
    pub fn from_read(user_record: &UserRecord<'_>, data: Bytes) -> Result<Self, UnfitUserRecord> {
        Self::from_parts(
            user_record.partition_key(),
            user_record.explicit_hash_key(),
            user_record.tags(),
            data,
        )
    }

    fn from_parts(
        partition_key: KeyBytes<'_>,
        explicit_hash_key: Option<KeyBytes<'_>>,
        tags: RecordTags<'_>,
        data: Bytes,
    ) -> Result<Self, UnfitUserRecord> {
        let partition_key = partition_key
            .to_str()
            .map_err(UnfitUserRecord::PartitionKey)?;
        let explicit_hash_key = explicit_hash_key
            .map(|text| HashKey::from_decimal(text.as_bytes()))
            .transpose()
            .map_err(UnfitUserRecord::ExplicitHashKey)?;
        let mut owned = Self::new(partition_key, data).with_explicit_hash_key(explicit_hash_key);
        for tag in tags {
            owned.push_tag(tag);
        }
        Ok(owned)
    }
}

impl From<&NewUserRecord<'_>> for OwnedUserRecord {
    /// Copies everything.
    fn from(user_record: &NewUserRecord<'_>) -> Self {
        let data = Bytes::copy_from_slice(user_record.data());
        let mut owned = Self::new(user_record.partition_key(), data)
            .with_explicit_hash_key(user_record.explicit_hash_key());
        for tag in user_record.tags() {
            owned.push_tag(tag);
        }
        owned
    }
}

/// Copies the data; see [`OwnedUserRecord::from_read`].
impl TryFrom<&UserRecord<'_>> for OwnedUserRecord {
    type Error = UnfitUserRecord;

    fn try_from(user_record: &UserRecord<'_>) -> Result<Self, UnfitUserRecord> {
        Self::from_read(user_record, Bytes::copy_from_slice(user_record.data()))
    }
}

/// Copies the data; [`Delivered::into_owned`] shares it. If the user record was not
/// in an aggregate, its keys are those of the Kinesis record.
impl<R: EnclosingRecord> TryFrom<&Delivered<'_, R>> for OwnedUserRecord {
    type Error = UnfitUserRecord;

    fn try_from(delivered: &Delivered<'_, R>) -> Result<Self, UnfitUserRecord> {
        if let Some(error) = delivered.malformed() {
            return Err(UnfitUserRecord::Malformed(error));
        }
        Self::from_parts(
            delivered
                .partition_key()
                .ok_or(UnfitUserRecord::NoPartitionKey)?,
            delivered.explicit_hash_key(),
            delivered.tags(),
            Bytes::copy_from_slice(delivered.data()),
        )
    }
}

/// Shares the data. If the user record was not in an aggregate, its keys are those
/// of the Kinesis record.
impl<R: EnclosingRecord> TryFrom<OwnedDelivered<R>> for OwnedUserRecord {
    type Error = UnfitUserRecord;

    fn try_from(delivered: OwnedDelivered<R>) -> Result<Self, UnfitUserRecord> {
        if let Some(error) = delivered.malformed() {
            return Err(UnfitUserRecord::Malformed(error));
        }
        Self::from_parts(
            delivered
                .partition_key()
                .ok_or(UnfitUserRecord::NoPartitionKey)?,
            delivered.explicit_hash_key(),
            delivered.tags(),
            delivered.data().clone(),
        )
    }
}

/// Any type that an aggregator accepts as a user record. If the aggregator rejects
/// it, it returns the value to the caller.
pub trait AsUserRecord {
    /// Borrows the user record.
    fn as_user_record(&self) -> NewUserRecord<'_>;
}

impl AsUserRecord for OwnedUserRecord {
    fn as_user_record(&self) -> NewUserRecord<'_> {
        NewUserRecord::new(self.partition_key().unwrap_or_default(), &self.data)
            .with_explicit_hash_key(self.explicit_hash_key)
            .with_tags(self.tags())
    }
}

impl AsUserRecord for NewUserRecord<'_> {
    fn as_user_record(&self) -> NewUserRecord<'_> {
        *self
    }
}

impl<U: AsUserRecord + ?Sized> AsUserRecord for &U {
    fn as_user_record(&self) -> NewUserRecord<'_> {
        (**self).as_user_record()
    }
}

#[cfg(feature = "serde")]
mod serde_form {
    use alloc::string::String;
    use alloc::vec::Vec;

    use bytes::Bytes;
    use kinesis_agg_codec::{HashKey, HashKeyError, RecordTag};
    use serde::{Deserialize, Serialize};

    use crate::write::owned_user_record::OwnedUserRecord;

    /// The serialized form of a user record.
    #[derive(Serialize, Deserialize)]
    #[serde(rename = "OwnedUserRecord")]
    pub(super) struct Form {
        #[serde(default)]
        partition_key: Option<String>,
        #[serde(default)]
        explicit_hash_key: Option<String>,
        data: Bytes,
        #[serde(default)]
        tags: Vec<(Bytes, Option<Bytes>)>,
    }

    impl From<OwnedUserRecord> for Form {
        fn from(user_record: OwnedUserRecord) -> Self {
            let tag = |tag: RecordTag<'_>| {
                let bytes = |text: &[u8]| Bytes::copy_from_slice(text);
                let value = tag.value.map(|value| bytes(value.as_bytes()));
                (bytes(tag.key.as_bytes()), value)
            };
            Self {
                tags: user_record.tags().iter().map(tag).collect(),
                partition_key: user_record.partition_key,
                explicit_hash_key: user_record.explicit_hash_key.map(|key| key.to_string()),
                data: user_record.data,
            }
        }
    }

    impl TryFrom<Form> for OwnedUserRecord {
        type Error = HashKeyError;

        fn try_from(form: Form) -> Result<Self, HashKeyError> {
            let explicit_hash_key = form
                .explicit_hash_key
                .map(|text| text.parse::<HashKey>())
                .transpose()?;
            let mut user_record = Self::from_raw(form.partition_key, explicit_hash_key, form.data);
            for (key, value) in &form.tags {
                user_record.push_tag(RecordTag {
                    key: key[..].into(),
                    value: value.as_ref().map(|value| value[..].into()),
                });
            }
            Ok(user_record)
        }
    }
}
