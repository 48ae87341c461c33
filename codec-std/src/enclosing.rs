//! The Kinesis record that user records come in.

use bytes::Bytes;

/// A record of a Kinesis stream as some API delivers it.
///
/// Deaggregation needs the data; the rest goes along with plain records and
/// into errors.
pub trait EnclosingRecord {
    /// The data: a blob, or the data of one plain user record.
    fn data(&self) -> &[u8];

    /// The partition key that the Kinesis record was put under, if known.
    fn partition_key(&self) -> Option<&str> {
        None
    }

    /// The explicit hash key that the Kinesis record was put under, if known.
    /// The service does not deliver it.
    fn explicit_hash_key(&self) -> Option<&str> {
        None
    }

    /// The sequence number, if known.
    fn sequence_number(&self) -> Option<&str> {
        None
    }
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

/// Data of which nothing else is known.
impl EnclosingRecord for [u8] {
    fn data(&self) -> &[u8] {
        self
    }
}

/// Data of which nothing else is known.
impl EnclosingRecord for Vec<u8> {
    fn data(&self) -> &[u8] {
        self
    }
}

/// Data of which nothing else is known.
impl EnclosingRecord for Bytes {
    fn data(&self) -> &[u8] {
        self
    }
}

/// A Kinesis record of no particular API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "made by literal; all that a put or a get knows"
)]
pub struct KinesisRecord {
    /// The data.
    pub data: Bytes,
    /// The partition key, if known.
    pub partition_key: Option<String>,
    /// The explicit hash key as decimal text, if known.
    pub explicit_hash_key: Option<String>,
    /// The sequence number as decimal text, if known; up to 56 digits.
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
