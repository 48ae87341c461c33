//! A finished aggregate.

use crate::digest::Digest;
use crate::frame::MESSAGE_START;
use crate::hash_key::HashKey;
use crate::key_bytes::KeyBytes;
use crate::limits::{DIGEST_LEN, MAGIC_LEN};
use crate::wire::num::Num as _;
use crate::wire::put::delimited_len;

/// A finished blob whose digest is not yet written: the seam for whoever
/// computes the digests of many blobs at once.
#[derive(Debug)]
#[must_use = "a blob without its digest is not aggregated for any reader"]
pub struct UnsealedBlob<'out> {
    pub(crate) blob: &'out mut [u8],
}

impl<'out> UnsealedBlob<'out> {
    /// What the digest is to be computed over.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        let end = self.blob.len().saturating_sub(DIGEST_LEN);
        self.blob.get(MAGIC_LEN..end).unwrap_or_default()
    }

    /// Writes the digest of [`message`](Self::message) and returns the blob.
    #[must_use]
    pub fn seal(self, digest: Digest) -> &'out [u8] {
        if let Some(place) = self.blob.last_chunk_mut() {
            *place = digest.to_bytes();
        }
        self.blob
    }

    pub(crate) fn seal_here(self) -> &'out [u8] {
        let digest = Digest::of(self.message());
        self.seal(digest)
    }
}

/// What the Kinesis record that carries an aggregate is put under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "both conventions there are")]
pub enum OuterKey {
    /// The first user record's partition key, and its explicit hash key if it
    /// has one. What AWS's aggregation modules do.
    #[default]
    FirstUserRecord,
    /// The partition key `a`, and the first user record's hash key as explicit
    /// hash key. What the KPL does.
    Kpl,
}

impl OuterKey {
    /// The partition key of every Kinesis record under [`OuterKey::Kpl`].
    pub const KPL_PARTITION_KEY: &'static str = "a";

    /// UTF-8 bytes that the outer partition key adds to the Kinesis record.
    pub(crate) fn len(self, first_partition_key: &str) -> u32 {
        let key = match self {
            Self::FirstUserRecord => first_partition_key,
            Self::Kpl => Self::KPL_PARTITION_KEY,
        };
        u32::try_from(key.len()).unwrap_or(u32::MAX)
    }
}

/// A finished aggregate: the data of a Kinesis record, and what to put it
/// under.
#[derive(Clone, Copy, Debug)]
pub struct Aggregate<'out> {
    pub(crate) blob: &'out [u8],
    /// Text, which is checked only when somebody asks for it: the check is a large part of a writer
    /// on a small processor.
    pub(crate) partition_key: KeyBytes<'out>,
    pub(crate) explicit_hash_key: Option<HashKey>,
    pub(crate) record_count: u32,
}

impl<'out> Aggregate<'out> {
    pub(crate) fn new(
        blob: &'out [u8],
        outer_key: OuterKey,
        first_explicit_hash_key: Option<HashKey>,
        first_partition_key_len: u32,
        record_count: u32,
    ) -> Self {
        let first = first_partition_key(blob, first_partition_key_len);
        let (partition_key, explicit_hash_key) = match outer_key {
            OuterKey::FirstUserRecord => (first, first_explicit_hash_key),
            OuterKey::Kpl => (
                OuterKey::KPL_PARTITION_KEY.into(),
                first_explicit_hash_key
                    .or_else(|| Some(HashKey::of_partition_key(first.as_bytes()))),
            ),
        };
        Self {
            blob,
            partition_key,
            explicit_hash_key,
            record_count,
        }
    }

    /// The blob.
    #[must_use]
    pub const fn data(&self) -> &'out [u8] {
        self.blob
    }

    /// The outer partition key.
    #[must_use]
    pub const fn partition_key(&self) -> &'out str {
        match self.partition_key.to_str() {
            Ok(text) => text,
            // It was text when it was pushed.
            Err(_) => "",
        }
    }

    /// The outer explicit hash key, if there is to be one.
    #[must_use]
    pub const fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    /// User records in the aggregate, at least one.
    #[must_use]
    pub const fn record_count(&self) -> u32 {
        self.record_count
    }
}

/// An aggregate that lacks its digest, see [`UnsealedBlob`].
#[derive(Debug)]
#[must_use = "an aggregate without its digest is none for any reader"]
pub struct UnsealedAggregate<'out> {
    pub(crate) blob: UnsealedBlob<'out>,
    pub(crate) outer_key: OuterKey,
    pub(crate) first_explicit_hash_key: Option<HashKey>,
    pub(crate) first_partition_key_len: u32,
    pub(crate) record_count: u32,
}

impl<'out> UnsealedAggregate<'out> {
    /// What the digest is to be computed over.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.blob.message()
    }

    /// Writes the digest of [`message`](Self::message).
    #[must_use]
    pub fn seal(self, digest: Digest) -> Aggregate<'out> {
        Aggregate::new(
            self.blob.seal(digest),
            self.outer_key,
            self.first_explicit_hash_key,
            self.first_partition_key_len,
            self.record_count,
        )
    }
}

/// The partition key that the table of a finished blob starts with.
pub(crate) fn first_partition_key(blob: &[u8], len: u32) -> KeyBytes<'_> {
    let end = MESSAGE_START.wrapping_add(delimited_len(len));
    let key = usize::try_from(end.minus(len))
        .ok()
        .zip(usize::try_from(end).ok())
        .and_then(|(start, end)| blob.get(start..end))
        .unwrap_or_default();
    KeyBytes::new(key)
}
