//! What is wrong with the field that is being read.

use crate::error::RequiredField;

/// Why reading stops. One byte: the numbers that belong to it are still where they
/// were read, and an error of several words would take room in every result on its
/// way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The message ends first.
    Truncated,
    /// A tag goes on after [`MAX_TAG_LEN`](crate::limits::MAX_TAG_LEN) bytes.
    TagTooLong,
    /// A number goes on after [`MAX_VARINT_LEN`](crate::limits::MAX_VARINT_LEN)
    /// bytes, or a length has more than 64 bits.
    NumberTooLong,
    /// The number that was read is no tag.
    InvalidTag,
    /// The number that was read is more bytes than there are.
    LengthOverrun,
    /// The end of a group that nothing started.
    UnexpectedEndGroup,
    /// The end of a group other than the one whose number was noted.
    MismatchedEndGroup,
    /// The start of a group in too many others.
    NestingTooDeep,
    /// The message whose tag stands at the offset lacks this.
    Missing(RequiredField),
}
