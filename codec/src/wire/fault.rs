//! What is wrong with a field.

use crate::error::RequiredField;

/// Why reading stops.
///
/// One byte: an error of several words would need space in the result of every function
/// on its way up. [`Fields::error`](crate::wire::field::Fields::error) adds the numbers,
/// which are still where they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The message ends within the field.
    Truncated,
    /// A tag has more than [`MAX_TAG_LEN`](crate::limits::MAX_TAG_LEN) bytes.
    TagTooLong,
    /// A number has more than [`MAX_VARINT_LEN`](crate::limits::MAX_VARINT_LEN) bytes,
    /// or a length has more than 64 bits.
    NumberTooLong,
    /// The number that was read is not a valid tag.
    InvalidTag,
    /// The length that was read exceeds the rest of the message.
    LengthOverrun,
    /// A group end without the start of a group.
    UnexpectedEndGroup,
    /// A group ends under another field number than it started with.
    MismatchedEndGroup,
    /// A group starts inside too many others.
    NestingTooDeep,
    /// The message at the offset lacks this field.
    Missing(RequiredField),
}
