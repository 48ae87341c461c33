//! The numbers of the format and of the service, each with its unit and its
//! source.

use crate::error::LimitError;

/// Length of the magic at the start of a blob, in bytes.
///
/// Source: the KPL's aggregation format document.
pub const MAGIC_LEN: usize = 4;

/// Length of the MD5 digest at the end of a blob, in bytes.
///
/// Source: the KPL's aggregation format document.
pub const DIGEST_LEN: usize = 16;

/// Length that the frame (magic and digest) adds to the message, in bytes.
///
/// A blob of this length or shorter is not aggregated (KCL behaviour).
pub const FRAME_LEN: u32 = 20;
const _: () = assert!(FRAME_LEN == 20 && MAGIC_LEN + DIGEST_LEN == 20);

/// Length of the longest varint, in bytes.
///
/// Source: protobuf encoding.
pub const MAX_VARINT_LEN: u8 = 10;

/// Length of the longest field tag, in bytes.
///
/// Source: the C++ protobuf runtime; a tag is a 32-bit number.
pub const MAX_TAG_LEN: u8 = 5;

/// Levels of messages and groups that may enclose a field.
///
/// The aggregated record itself is not counted: groups nest this deep at the
/// top, one level less in a record, two levels less in a record's tag. Source:
/// the default recursion limit of the protobuf runtimes.
pub const MAX_NESTING: usize = 100;

/// Length of the longest partition key that is written, in UTF-16 code units.
///
/// Source: the KPL's front end; the service says "256 characters". Longer keys
/// are read.
pub const MAX_PARTITION_KEY_UTF16_LEN: usize = 256;

/// Length of the longest hash key in decimal, in bytes: the digits of 2^128 - 1.
pub const MAX_HASH_KEY_DECIMAL_LEN: usize = 39;

/// The default size limit of a Kinesis record, in bytes: data plus partition key.
///
/// Source: Kinesis service quota.
pub const DEFAULT_MAX_SIZE: u32 = 1 << 20;

/// The largest record size that a stream can be set to, in bytes.
///
/// Source: Kinesis service quota (`UpdateMaxRecordSize`).
pub const LARGEST_MAX_SIZE: u32 = 10 << 20;

/// Key slots that the reader and the writer own when the caller lends none.
///
/// A choice of this crate.
pub const DEFAULT_KEY_SLOTS: usize = 16;

/// The most slots that a look-up of [`KeySlots`](crate::KeySlots) compares.
///
/// It bounds the cost of keys that were chosen to collide. With twice as many slots as keys,
/// other keys need far fewer: at most 21, measured with 30,000 keys of each of eight shapes.
/// A choice of this crate.
pub const MAX_KEY_PROBES: usize = 64;

/// The largest size and count of an aggregate.
///
/// ```
/// use kinesis_agg_codec::Limits;
///
/// let limits = Limits::new().with_max_count(500)?.with_max_size(25_600)?;
/// assert_eq!(limits.max_count(), 500);
/// # Ok::<(), kinesis_agg_codec::LimitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Limits {
    max_size: u32,
    max_count: usize,
}

impl Limits {
    /// Returns limits of [`DEFAULT_MAX_SIZE`] bytes and any number of user
    /// records.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_size: DEFAULT_MAX_SIZE,
            max_count: usize::MAX,
        }
    }

    /// Sets the largest Kinesis record in bytes: the blob plus the outer
    /// partition key in UTF-8, as the service counts.
    ///
    /// # Errors
    ///
    /// [`LimitError::Size`] if `max_size` is zero or above
    /// [`LARGEST_MAX_SIZE`].
    pub const fn with_max_size(self, max_size: u32) -> Result<Self, LimitError> {
        if max_size == 0 || max_size > LARGEST_MAX_SIZE {
            return Err(LimitError::Size {
                max_size,
                limit: LARGEST_MAX_SIZE,
            });
        }
        Ok(Self { max_size, ..self })
    }

    /// Sets the largest number of user records in one aggregate.
    ///
    /// # Errors
    ///
    /// [`LimitError::Count`] if `max_count` is zero.
    pub const fn with_max_count(self, max_count: usize) -> Result<Self, LimitError> {
        if max_count == 0 {
            return Err(LimitError::Count);
        }
        Ok(Self { max_count, ..self })
    }

    /// Returns the largest Kinesis record in bytes: blob plus outer partition
    /// key.
    #[must_use]
    pub const fn max_size(&self) -> u32 {
        self.max_size
    }

    /// Returns the largest number of user records in one aggregate.
    #[must_use]
    pub const fn max_count(&self) -> usize {
        self.max_count
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
