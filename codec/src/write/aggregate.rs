//! A finished aggregate, and the keys that it is put under.

use core::fmt;

use crate::digest::Digest;
use crate::frame::MESSAGE_START;
use crate::hash_key::HashKey;
use crate::key_bytes::KeyBytes;
use crate::limits::{DIGEST_LEN, MAGIC_LEN};
use crate::wire::num::{Num as _, to_usize};
use crate::wire::put::delimited_len;

/// The keys of the Kinesis record that carries an aggregate.
///
/// `K` is the type of a key chosen by the caller: `&'static str` by default, or for
/// example `String`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "AWS's two conventions, and everything else"
)]
pub enum OuterKey<K = &'static str> {
    /// The first user record's partition key, and its explicit hash key if it
    /// has one. AWS's aggregation modules do this.
    #[default]
    FirstUserRecord,
    /// The partition key `a`, and the first user record's hash key as explicit
    /// hash key. The KPL does this.
    Kpl,
    /// This partition key, and the first user record's hash key as explicit
    /// hash key.
    ///
    /// The rules of [`NewUserRecord::new`](crate::NewUserRecord::new) apply to
    /// it, and it counts towards [`Limits::max_size`](crate::Limits::max_size).
    Chosen(K),
}

impl OuterKey {
    /// The partition key of every Kinesis record under [`OuterKey::Kpl`].
    pub const KPL_PARTITION_KEY: &'static str = "a";
}

impl<K: AsRef<str>> OuterKey<K> {
    /// The outer partition key, if it is not that of the first user record.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self {
            Self::FirstUserRecord => None,
            Self::Kpl => Some(OuterKey::KPL_PARTITION_KEY),
            Self::Chosen(key) => Some(key.as_ref()),
        }
    }
}

/// The parts of an aggregate's first user record that the outer keys depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstUserRecord {
    pub(crate) partition_key_len: u32,
    /// Stored as bytes: a `u128` would increase the alignment of the writer (5 % more text on a
    /// Cortex-M3).
    explicit_hash_key: Option<[u8; 16]>,
}

impl FirstUserRecord {
    pub(crate) const NONE: Self = Self {
        partition_key_len: 0,
        explicit_hash_key: None,
    };

    pub(crate) fn new(partition_key_len: u32, explicit_hash_key: Option<HashKey>) -> Self {
        Self {
            partition_key_len,
            explicit_hash_key: explicit_hash_key.map(|key| key.to_u128().to_le_bytes()),
        }
    }

    fn explicit_hash_key(&self) -> Option<HashKey> {
        let number = self.explicit_hash_key.map(u128::from_le_bytes);
        number.map(HashKey::new)
    }
}

/// Everything that is known about an aggregate besides its bytes.
#[derive(Clone, Copy)]
pub(crate) struct Description<'out> {
    /// `None` if it is that of the first user record.
    pub(crate) fixed_partition_key: Option<&'out str>,
    pub(crate) first_partition_key_len: u32,
    pub(crate) explicit_hash_key: Option<HashKey>,
    pub(crate) record_count: usize,
}

impl<'out> Description<'out> {
    pub(crate) fn new<K: AsRef<str>>(
        blob: &[u8],
        outer_key: &'out OuterKey<K>,
        first: FirstUserRecord,
        record_count: u32,
    ) -> Self {
        let fixed_partition_key = outer_key.fixed();
        let explicit_hash_key = match (fixed_partition_key, first.explicit_hash_key()) {
            (Some(_), None) => {
                let key = first_partition_key(blob, first.partition_key_len);
                Some(HashKey::of_partition_key(key))
            }
            (_, explicit_hash_key) => explicit_hash_key,
        };
        Self {
            fixed_partition_key,
            first_partition_key_len: first.partition_key_len,
            explicit_hash_key,
            record_count: to_usize(record_count),
        }
    }
}

/// Returns the first entry, of `len` bytes, of a blob's partition key table.
fn first_partition_key(blob: &[u8], len: u32) -> &[u8] {
    let end = MESSAGE_START.plus(delimited_len(len));
    blob.get(to_usize(end.minus(len))..to_usize(end))
        .unwrap_or_default()
}

/// A finished aggregate: the data of a Kinesis record and the keys to put it
/// under.
#[derive(Clone, Copy)]
pub struct Aggregate<'out> {
    pub(crate) blob: &'out [u8],
    pub(crate) description: Description<'out>,
}

impl<'out> Aggregate<'out> {
    /// Returns the blob.
    #[must_use]
    pub const fn data(&self) -> &'out [u8] {
        self.blob
    }

    /// Returns the outer partition key.
    #[must_use]
    pub fn partition_key(&self) -> &'out str {
        self.description.fixed_partition_key.unwrap_or_else(|| {
            // Checked here and not in `finish`: the check is a large part of a writer's code on
            // a small processor. It cannot fail, since the key was a `str` when it was pushed.
            str::from_utf8(self.first_partition_key()).unwrap_or_default()
        })
    }

    fn first_partition_key(&self) -> &'out [u8] {
        first_partition_key(self.blob, self.description.first_partition_key_len)
    }

    /// Returns the outer partition key for logs, without checking that it is UTF-8.
    #[cfg(feature = "defmt")]
    pub(crate) fn partition_key_bytes(&self) -> KeyBytes<'out> {
        let fixed = self.description.fixed_partition_key;
        KeyBytes::new(fixed.map_or_else(|| self.first_partition_key(), str::as_bytes))
    }

    /// Returns the outer explicit hash key, if the Kinesis record needs one.
    #[must_use]
    pub const fn explicit_hash_key(&self) -> Option<HashKey> {
        self.description.explicit_hash_key
    }

    /// Returns the number of user records, at least one.
    #[must_use]
    pub const fn record_count(&self) -> usize {
        self.description.record_count
    }
}

impl PartialEq for Aggregate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
            && self.partition_key() == other.partition_key()
            && self.explicit_hash_key() == other.explicit_hash_key()
    }
}

impl Eq for Aggregate<'_> {}

/// Prints the keys and counts, not the data.
impl fmt::Debug for Aggregate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregate")
            // `str`'s own `Debug` contains panics.
            .field("partition_key", &KeyBytes::from(self.partition_key()))
            .field("explicit_hash_key", &self.explicit_hash_key())
            .field("record_count", &self.record_count())
            .field("data_len", &self.blob.len())
            .finish()
    }
}

/// A finished blob without its digest, for callers that compute the digests of
/// many blobs at once.
#[must_use = "readers do not recognise a blob without its digest as aggregated"]
pub struct UnsealedBlob<'out> {
    pub(crate) blob: &'out mut [u8],
}

impl<'out> UnsealedBlob<'out> {
    /// Returns the bytes that the digest is computed over.
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

/// Prints the length, not the bytes.
impl fmt::Debug for UnsealedBlob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsealedBlob")
            .field("len", &self.blob.len())
            .finish()
    }
}

/// A finished aggregate without its digest, see [`UnsealedBlob`].
#[must_use = "readers do not recognise a blob without its digest as aggregated"]
pub struct UnsealedAggregate<'out> {
    pub(crate) blob: UnsealedBlob<'out>,
    pub(crate) description: Description<'out>,
}

impl<'out> UnsealedAggregate<'out> {
    /// Returns the bytes that the digest is computed over.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.blob.message()
    }

    /// Writes the digest of [`message`](Self::message).
    #[must_use]
    pub fn seal(self, digest: Digest) -> Aggregate<'out> {
        Aggregate {
            blob: self.blob.seal(digest),
            description: self.description,
        }
    }
}

/// Prints the count and the length, not the bytes.
impl fmt::Debug for UnsealedAggregate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsealedAggregate")
            .field("record_count", &self.description.record_count)
            .field("data_len", &self.blob.blob.len())
            .finish()
    }
}
