//! The Kinesis record that user records arrive in.

use alloc::sync::Arc;

use bytes::Bytes;

/// A record of a Kinesis stream, in the type of some API.
///
/// Implement this trait for the record type of the API that you read with. Reading
/// needs only the data. The keys are reported for records that are not aggregated, and
/// the sequence number is needed for checkpoints.
pub trait EnclosingRecord {
    /// Returns the data: an aggregate, or the data of one plain user record.
    fn data(&self) -> &[u8];

    /// Returns the partition key of the Kinesis record, if known.
    fn partition_key(&self) -> Option<&str> {
        None
    }

    /// Returns the explicit hash key of the Kinesis record, if known. The service does
    /// not return it to consumers.
    fn explicit_hash_key(&self) -> Option<&str> {
        None
    }

    /// Returns the sequence number, if known.
    fn sequence_number(&self) -> Option<&str> {
        None
    }
}

/// A Kinesis record whose data is in shared memory, so that a user record can
/// outlive it without a copy of the data
/// ([`Delivered::into_owned`](crate::Delivered::into_owned)).
///
/// Each owned item keeps a clone of its Kinesis record. If cloning your type allocates,
/// wrap it in an `Arc`: `Arc<R>` implements this trait as well.
pub trait SharedData: EnclosingRecord + Clone {
    /// Returns the same data as [`EnclosingRecord::data`], without copying it.
    fn shared_data(&self) -> Bytes;
}

impl<R: EnclosingRecord + ?Sized> EnclosingRecord for &R {
    fn data(&self) -> &[u8] {
        (**self).data()
    }

    fn partition_key(&self) -> Option<&str> {
        (**self).partition_key()
    }

    fn explicit_hash_key(&self) -> Option<&str> {
        (**self).explicit_hash_key()
    }

    fn sequence_number(&self) -> Option<&str> {
        (**self).sequence_number()
    }
}

impl<R: EnclosingRecord + ?Sized> EnclosingRecord for Arc<R> {
    fn data(&self) -> &[u8] {
        (**self).data()
    }

    fn partition_key(&self) -> Option<&str> {
        (**self).partition_key()
    }

    fn explicit_hash_key(&self) -> Option<&str> {
        (**self).explicit_hash_key()
    }

    fn sequence_number(&self) -> Option<&str> {
        (**self).sequence_number()
    }
}

impl<R: SharedData> SharedData for Arc<R> {
    fn shared_data(&self) -> Bytes {
        (**self).shared_data()
    }
}

/// Data without keys and without a sequence number.
impl EnclosingRecord for [u8] {
    fn data(&self) -> &[u8] {
        self
    }
}

/// Data without keys and without a sequence number.
impl EnclosingRecord for Vec<u8> {
    fn data(&self) -> &[u8] {
        self
    }
}

/// Data without keys and without a sequence number.
impl EnclosingRecord for Bytes {
    fn data(&self) -> &[u8] {
        self
    }
}

impl SharedData for Bytes {
    fn shared_data(&self) -> Bytes {
        self.clone()
    }
}

/// A Kinesis record, independent of any API.
///
/// With the feature `serde`, it is serialized as a struct.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(
    clippy::exhaustive_structs,
    reason = "built as a literal; has every field that a put or a get knows"
)]
pub struct KinesisRecord {
    /// The data.
    pub data: Bytes,
    /// The partition key, if known.
    pub partition_key: Option<String>,
    /// The explicit hash key as decimal text, if known.
    pub explicit_hash_key: Option<String>,
    /// The sequence number as decimal text, if known; at most
    /// [`MAX_SEQUENCE_NUMBER_LEN`](crate::read::MAX_SEQUENCE_NUMBER_LEN) digits.
    pub sequence_number: Option<String>,
}

impl EnclosingRecord for KinesisRecord {
    fn data(&self) -> &[u8] {
        &self.data
    }

    fn partition_key(&self) -> Option<&str> {
        self.partition_key.as_deref()
    }

    fn explicit_hash_key(&self) -> Option<&str> {
        self.explicit_hash_key.as_deref()
    }

    fn sequence_number(&self) -> Option<&str> {
        self.sequence_number.as_deref()
    }
}

impl SharedData for KinesisRecord {
    fn shared_data(&self) -> Bytes {
        self.data.clone()
    }
}
