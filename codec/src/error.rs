//! What can be wrong with bytes that are read, and what can refuse a write.
//!
//! Errors are `Copy`, carry raw numbers and import nothing of this crate, so
//! that every other file can use them.

use core::fmt;

/// A malformed aggregated record: magic and digest are good, the message is
/// not.
///
/// No user record of such a blob is handed out. The blob is still the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    offset: usize,
}

impl DecodeError {
    pub(crate) const fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// Where, in bytes from the start of the blob.
    ///
    /// Each [`DecodeErrorKind`] says what stands there.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

/// What is wrong with the message. Unless a variant says otherwise, the offset
/// is that of the tag of the field at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes end within a field or a group.
    ///
    /// Offset: the end of the message (aggregated record, record or tag) that
    /// ends too early.
    Truncated,
    /// A varint goes on after `limit` bytes, or is a length of more than 64
    /// bits.
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
        /// Bytes that are left.
        available: u64,
    },
    /// The end of a group that nothing started.
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
    /// A user record names a partition key that the table does not have.
    ///
    /// Offset: the tag of the index.
    PartitionKeyIndex {
        /// The index as it was read.
        index: u64,
        /// Partition keys in the table.
        count: u64,
    },
    /// A user record names an explicit hash key that the table does not have.
    ///
    /// Offset: the tag of the index.
    ExplicitHashKeyIndex {
        /// The index as it was read.
        index: u64,
        /// Explicit hash keys in the table.
        count: u64,
    },
    /// The blob has more bytes than a 32-bit offset can name; nothing that
    /// Kinesis carries is near that.
    ///
    /// Offset: 0.
    BlobTooLong,
}

/// A field that the schema calls `required`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
            Self::VarintTooLong { limit } => write!(f, "varint too long for {limit} bytes"),
            Self::InvalidTag { tag } => match (tag >> 3, tag & 7) {
                (0, _) => f.write_str("field number 0"),
                (_, wire_type @ 6..) => write!(f, "wire type {wire_type} does not exist"),
                _ => write!(f, "field tag {tag} does not fit 32 bits"),
            },
            Self::LengthOverrun { claimed, available } => {
                write!(f, "field of {claimed} bytes where {available} are left")
            }
            Self::UnexpectedEndGroup { field_number } => {
                write!(f, "end of group {field_number} without its start")
            }
            Self::MismatchedEndGroup { started, ended } => {
                write!(f, "group {started} ends as group {ended}")
            }
            Self::NestingTooDeep => f.write_str("groups nest too deep"),
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

/// Why a user record, a key or an aggregate was not written.
///
/// Whatever was refused left no trace: the writer stands as before the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EncodeError {
    /// The aggregate has no room left for this user record or key; finish it
    /// and push again. The numbers are bytes, of the blob plus, where a limit
    /// on the Kinesis record refuses, the outer partition key.
    Full {
        /// Bytes that would be needed.
        needed: u64,
        /// Bytes that there are.
        limit: u64,
    },
    /// The aggregate holds as many user records as it may; finish it and push
    /// again.
    CountReached {
        /// User records that it may hold.
        limit: u32,
    },
    /// The user record does not fit alone, and so is not taken in company
    /// either. Bytes as in [`Full`](Self::Full).
    TooLarge {
        /// Bytes that it needs alone.
        needed: u64,
        /// Bytes that there can be.
        limit: u64,
    },
    /// The partition key is empty. The service refuses that.
    EmptyPartitionKey,
    /// The partition key is longer than the service takes.
    PartitionKeyTooLong {
        /// Its UTF-16 code units.
        utf16_len: u64,
        /// UTF-16 code units that it may have.
        limit: u32,
    },
    /// A key index that this aggregate did not give out.
    UnknownKeyIndex {
        /// The index.
        index: u32,
        /// Keys in its table.
        count: u32,
    },
    /// There is no user record to finish; an aggregate without any is never
    /// written.
    Empty,
}

impl EncodeError {
    /// True if the same user record fits after the aggregate was finished.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::CountReached { .. })
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Full { needed, limit } => {
                write!(f, "aggregate is full: {needed} bytes needed of {limit}")
            }
            Self::CountReached { limit } => {
                write!(f, "aggregate is full: it holds its {limit} user records")
            }
            Self::TooLarge { needed, limit } => {
                write!(
                    f,
                    "user record needs {needed} bytes alone, {limit} is the limit"
                )
            }
            Self::EmptyPartitionKey => f.write_str("partition key is empty"),
            Self::PartitionKeyTooLong { utf16_len, limit } => {
                write!(
                    f,
                    "partition key has {utf16_len} UTF-16 units, {limit} is the limit"
                )
            }
            Self::UnknownKeyIndex { index, count } => {
                write!(f, "key index {index} outside table of {count}")
            }
            Self::Empty => f.write_str("no user record to finish"),
        }
    }
}

/// Why a writer into a stream did not write.
///
/// `E` is the error of what it writes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamError<E> {
    /// The call was refused; nothing was written, and the writer goes on.
    Refused(EncodeError),
    /// The sink failed. It may have taken a part of the blob, which nobody can
    /// complete: the writer is poisoned from here on.
    Sink(E),
    /// The sink failed in an earlier call.
    Poisoned,
}

impl<E> From<EncodeError> for StreamError<E> {
    fn from(error: EncodeError) -> Self {
        Self::Refused(error)
    }
}

/// The sink's own error is the source.
impl<E> fmt::Display for StreamError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Sink(_) => f.write_str("sink failed"),
            Self::Poisoned => f.write_str("sink failed before"),
        }
    }
}

/// Why a text is no hash key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashKeyError {
    /// There is no digit.
    Empty,
    /// A byte that is no digit.
    NotADigit {
        /// Its offset in the text, in bytes.
        offset: usize,
    },
    /// A number of 2^128 or more.
    OutOfRange,
}

impl fmt::Display for HashKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => f.write_str("hash key has no digit"),
            Self::NotADigit { offset } => {
                write!(
                    f,
                    "hash key is no decimal number: byte {offset} is no digit"
                )
            }
            Self::OutOfRange => f.write_str("hash key is 2^128 or more"),
        }
    }
}

/// A hash key range that would start above its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ReversedRangeError {}

impl fmt::Display for ReversedRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hash key range starts above its end")
    }
}

/// A limit that an aggregate cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitError {
    /// Zero bytes, or more than the service takes.
    Size {
        /// The size that was asked for, in bytes.
        max_size: u32,
        /// The largest that can be asked for, in bytes.
        limit: u32,
    },
    /// Zero user records.
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
            Self::Refused(_) | Self::Poisoned => None,
        }
    }
}
impl core::error::Error for HashKeyError {}
impl core::error::Error for ReversedRangeError {}
impl core::error::Error for LimitError {}
