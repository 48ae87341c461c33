//! The errors of reading and writing.
//!
//! Errors are `Copy`, carry raw numbers and import nothing from this crate, so that
//! every other file can use them.

use core::fmt;

/// A malformed aggregated record: the blob has a magic and room for a message, but the
/// message is not valid. [`parse`](crate::parse) checks the digest first.
///
/// No user record of such a blob is returned. The caller still holds the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DecodeError {
    kind: DecodeErrorKind,
    offset: usize,
}

impl DecodeError {
    pub(crate) const fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// Returns what is wrong.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// Returns the offset of the fault, in bytes from the start of the blob.
    ///
    /// Each [`DecodeErrorKind`] documents what is at that offset.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

/// What is wrong with the message. Unless a variant says otherwise, the offset is that
/// of the tag of the field at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// A message ends within a field or a group.
    ///
    /// Offset: the end of that message (aggregated record, record or tag).
    Truncated,
    /// A varint has more than `limit` bytes, or is a length of more than 64 bits.
    VarintTooLong {
        /// Bytes that this varint may have.
        limit: u8,
    },
    /// A field tag with field number 0, wire type 6 or 7, or more than 32 bits.
    InvalidTag {
        /// The tag as it was read: field number times 8 plus wire type.
        tag: u64,
    },
    /// A field claims more bytes than its message has left.
    LengthOverrun {
        /// Bytes that the field claims.
        claimed: u64,
        /// Bytes that remain.
        available: u64,
    },
    /// A group end without the start of a group.
    UnexpectedEndGroup {
        /// Field number of the end.
        field_number: u32,
    },
    /// A group ends with another field number than it started with.
    MismatchedEndGroup {
        /// Field number of the start.
        started: u32,
        /// Field number of the end.
        ended: u32,
    },
    /// Groups nest deeper than the format allows
    /// ([`MAX_NESTING`](crate::limits::MAX_NESTING)).
    NestingTooDeep,
    /// A required field is absent.
    ///
    /// Offset: the tag of the record, or of the record's tag, that lacks it.
    MissingField {
        /// The field that is absent.
        field: RequiredField,
    },
    /// A user record has the index of a partition key that is not in the table.
    ///
    /// Offset: the tag of the index.
    PartitionKeyIndex {
        /// The index as it was read.
        index: u64,
        /// Partition keys in the table.
        count: u64,
    },
    /// A user record has the index of an explicit hash key that is not in the table.
    ///
    /// Offset: the tag of the index.
    ExplicitHashKeyIndex {
        /// The index as it was read.
        index: u64,
        /// Explicit hash keys in the table.
        count: u64,
    },
    /// The blob is longer than a 32-bit offset can address, and far longer than Kinesis
    /// allows.
    ///
    /// Offset: 0.
    BlobTooLong,
}

/// A field that the schema calls `required`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RequiredField {
    /// `Record.partition_key_index`.
    PartitionKeyIndex,
    /// `Record.data`.
    Data,
    /// `Tag.key`.
    TagKey,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.offset)
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated => f.write_str("message ends within a field"),
            Self::VarintTooLong { limit } => write!(f, "varint has more than {limit} bytes"),
            Self::InvalidTag { tag } => match (tag >> 3, tag & 7) {
                (0, _) => f.write_str("field number 0"),
                (_, wire_type @ 6..) => write!(f, "unknown wire type {wire_type}"),
                _ => write!(f, "field tag {tag} does not fit 32 bits"),
            },
            Self::LengthOverrun { claimed, available } => {
                write!(
                    f,
                    "field of {claimed} bytes exceeds the {available} that remain"
                )
            }
            Self::UnexpectedEndGroup { field_number } => {
                write!(f, "group {field_number} ends without a start")
            }
            Self::MismatchedEndGroup { started, ended } => {
                write!(f, "group {started} ends as group {ended}")
            }
            Self::NestingTooDeep => f.write_str("groups are nested too deeply"),
            Self::MissingField { field } => write!(f, "required field {field} is missing"),
            Self::PartitionKeyIndex { index, count } => {
                write!(f, "partition key index {index} outside table of {count}")
            }
            Self::ExplicitHashKeyIndex { index, count } => {
                write!(
                    f,
                    "explicit hash key index {index} outside table of {count}"
                )
            }
            Self::BlobTooLong => f.write_str("blob longer than 32 bits can address"),
        }
    }
}

impl fmt::Display for RequiredField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PartitionKeyIndex => "partition_key_index",
            Self::Data => "data",
            Self::TagKey => "key",
        })
    }
}

/// Why a writer rejected a user record, a key or a call.
///
/// A rejected call does not change the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EncodeError {
    /// The aggregate has no room left for this user record or key. Finish the
    /// aggregate, then push again.
    ///
    /// The numbers are bytes of the blob. Where
    /// [`Limits::max_size`](crate::Limits::max_size) is the limit, they
    /// include the outer partition key.
    Full {
        /// Bytes needed, including those already in the aggregate.
        needed: u32,
        /// Bytes allowed: the buffer's length or the size limit.
        limit: u32,
    },
    /// The aggregate holds as many user records as the limit allows. Finish
    /// it, then push again.
    CountReached {
        /// User records that an aggregate may hold.
        limit: usize,
    },
    /// The user record, key or tag does not fit, even in an empty aggregate of
    /// its own. Only a larger buffer or limit helps.
    TooLarge {
        /// What does not fit.
        part: EncodedPart,
        /// Bytes needed: of a blob that holds nothing else (a user record comes
        /// with its keys), counted as in [`Full`](Self::Full). For a tag, bytes
        /// of the tag.
        needed: u32,
        /// Bytes allowed: the buffer's length or the size limit.
        limit: u32,
    },
    /// The partition key of the user record, or the chosen outer partition
    /// key, is empty. The service rejects empty partition keys.
    EmptyPartitionKey,
    /// The partition key of the user record, or the chosen outer partition
    /// key, is longer than the service accepts.
    PartitionKeyTooLong {
        /// UTF-16 code units of the key.
        utf16_len: usize,
        /// UTF-16 code units that a key may have
        /// ([`MAX_PARTITION_KEY_UTF16_LEN`](crate::limits::MAX_PARTITION_KEY_UTF16_LEN)).
        limit: usize,
    },
    /// The key index is not in the table of this aggregate: it belongs to
    /// another writer.
    UnknownKeyIndex {
        /// The index.
        index: usize,
        /// Keys in the table.
        count: usize,
    },
    /// The key index belongs to an earlier aggregate of this writer, which has
    /// been finished or cleared since. Add the key again.
    StaleKeyIndex,
    /// The aggregate has no user record. Empty aggregates are never written.
    Empty,
}

/// What does not fit, in [`EncodeError::TooLarge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EncodedPart {
    /// A user record with its keys.
    UserRecord,
    /// A partition key or an explicit hash key.
    Key,
    /// A tag of a user record.
    Tag,
}

impl EncodeError {
    /// Returns true if the aggregate is full, by size or by count: finish it
    /// and push the same user record again, which then succeeds.
    ///
    /// An aggregate that holds keys but no user record cannot be finished:
    /// clear it instead. A [`SectionWriter`](crate::SectionWriter) and a
    /// [`StreamWriter`](crate::StreamWriter) need the keys of the user record
    /// added again before the push.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::CountReached { .. })
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Full { needed, limit } => {
                write!(
                    f,
                    "aggregate is full: {needed} bytes needed; the limit is {limit}"
                )
            }
            Self::CountReached { limit } => {
                write!(
                    f,
                    "aggregate is full: the limit of {limit} user records is reached"
                )
            }
            Self::TooLarge {
                part,
                needed,
                limit,
            } => {
                write!(f, "{part} needs {needed} bytes alone; the limit is {limit}")
            }
            Self::EmptyPartitionKey => f.write_str("partition key is empty"),
            Self::PartitionKeyTooLong { utf16_len, limit } => {
                write!(
                    f,
                    "partition key has {utf16_len} UTF-16 code units; the limit is {limit}"
                )
            }
            Self::UnknownKeyIndex { index, count } => {
                write!(
                    f,
                    "key index {index} is not in this aggregate's table of {count} keys"
                )
            }
            Self::StaleKeyIndex => {
                f.write_str("key index belongs to an aggregate that was finished or cleared")
            }
            Self::Empty => f.write_str("aggregate has no user record"),
        }
    }
}

impl fmt::Display for EncodedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserRecord => "user record",
            Self::Key => "key",
            Self::Tag => "tag",
        })
    }
}

/// Why a [`StreamWriter`](crate::StreamWriter) did not write.
///
/// `E` is the sink's own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StreamError<E> {
    /// The call was rejected. The sink received nothing and the writer can be
    /// used as before.
    Rejected(EncodeError),
    /// The sink failed. It may have received part of the blob, which cannot be
    /// completed: the writer is poisoned.
    Sink(E),
    /// The sink failed or panicked in an earlier call. Call
    /// [`clear`](crate::StreamWriter::clear) to start another blob.
    Poisoned,
}

impl<E> From<EncodeError> for StreamError<E> {
    fn from(error: EncodeError) -> Self {
        Self::Rejected(error)
    }
}

/// The sink's own error is the [`source`](core::error::Error::source).
impl<E> fmt::Display for StreamError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(error) => error.fmt(f),
            Self::Sink(_) => f.write_str("sink failed"),
            Self::Poisoned => f.write_str("sink failed in an earlier call"),
        }
    }
}

/// Why a text is not a hash key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HashKeyError {
    /// The text has no digits.
    Empty,
    /// The text has a byte that is not a digit.
    NotADigit {
        /// Offset of the byte in the text.
        offset: usize,
    },
    /// The number is 2^128 or more.
    OutOfRange,
}

impl fmt::Display for HashKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => f.write_str("hash key has no digits"),
            Self::NotADigit { offset } => {
                write!(
                    f,
                    "hash key is not a decimal number: byte {offset} is not a digit"
                )
            }
            Self::OutOfRange => f.write_str("hash key is 2^128 or more"),
        }
    }
}

/// Why a user record that was read cannot be converted into one to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RewriteError {
    /// The partition key is not UTF-8.
    PartitionKeyNotUtf8 {
        /// Offset of the first byte of the key that is not valid UTF-8.
        offset: usize,
    },
    /// The explicit hash key is not a hash key.
    ExplicitHashKey(HashKeyError),
}

impl fmt::Display for RewriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartitionKeyNotUtf8 { offset } => {
                write!(f, "partition key is not UTF-8 at byte {offset}")
            }
            Self::ExplicitHashKey(error) => write!(f, "explicit {error}"),
        }
    }
}

/// A hash key range whose start is above its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ReversedRangeError {}

impl fmt::Display for ReversedRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hash key range starts above its end")
    }
}

/// A limit that an aggregate cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LimitError {
    /// The size limit is zero, or above what the service accepts.
    Size {
        /// The requested size, in bytes.
        max_size: u32,
        /// The largest size that can be set, in bytes.
        limit: u32,
    },
    /// The count limit is zero.
    Count,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Size { max_size, limit } => {
                write!(f, "maximum size {max_size} is not in 1..={limit}")
            }
            Self::Count => f.write_str("maximum count is zero"),
        }
    }
}

impl core::error::Error for DecodeError {}
impl core::error::Error for EncodeError {}
impl<E: core::error::Error + 'static> core::error::Error for StreamError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Sink(error) => Some(error),
            Self::Rejected(_) | Self::Poisoned => None,
        }
    }
}
impl core::error::Error for HashKeyError {}
impl core::error::Error for RewriteError {}
impl core::error::Error for ReversedRangeError {}
impl core::error::Error for LimitError {}
