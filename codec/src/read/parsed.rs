//! The outcome of parsing a blob.

use crate::digest::Digest;
use crate::error::DecodeError;
use crate::frame::{Frame, PlainReason};
use crate::read::aggregated_record::AggregatedRecord;
use crate::read::check::check;
use crate::read::counts::Counts;

/// A blob that is not malformed.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum Parsed<'buf> {
    /// Not aggregated: the whole blob is one user record.
    Plain(PlainReason),
    /// Aggregated: the user records are inside.
    Aggregated(AggregatedRecord<'buf>),
}

impl<'buf> Parsed<'buf> {
    /// Returns the aggregated record, or `None` if the blob is plain.
    #[must_use]
    pub const fn aggregated(self) -> Option<AggregatedRecord<'buf>> {
        match self {
            Self::Plain(_) => None,
            Self::Aggregated(aggregated) => Some(aggregated),
        }
    }
}

/// Parses the data of a Kinesis record.
///
/// ```
/// use kinesis_agg_codec::{Parsed, parse};
///
/// # let blob = b"\xf3\x89\x9a\xc2\x0a\x01a\x0a\x01b\x1a\x05\x08\0\x1a\x01x\x1a\x05\x08\x01\x1a\x01y\
/// #   \xb0\x03\x19\x09\xae\x75\x89\x1c\xa9\x4a\xce\xc2\xec\xce\x31\x25";
/// match parse(blob)? {
///     Parsed::Plain(reason) => println!("one user record: {reason}"),
///     Parsed::Aggregated(aggregated) => {
///         for user_record in aggregated.user_records() {
///             println!("{}: {:?}", user_record.partition_key(), user_record.data());
///         }
///     }
/// }
/// # Ok::<(), kinesis_agg_codec::DecodeError>(())
/// ```
///
/// Runs in time linear in the blob's length and uses no memory of its own.
///
/// # Errors
///
/// [`DecodeError`] if magic and digest are good but the message is not valid. The
/// error names the first structural fault in byte order, or else the first key index
/// outside its table in record order.
pub fn parse(blob: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    parse_if(blob, |frame| frame.digest() == Digest::of(frame.message()))
}

/// Parses the data of a Kinesis record whose message digest was computed elsewhere,
/// for example together with the digests of other blobs. See [`Frame::message`].
///
/// ```
/// use kinesis_agg_codec::{Digest, Frame, Parsed, PlainReason, parse_with_digest};
///
/// let blob = b"\xf3\x89\x9a\xc2 message and 16 more bytes";
/// let frame = Frame::split(blob).unwrap();
/// let computed = Digest::of(frame.message());
/// let parsed = parse_with_digest(blob, computed)?;
/// assert!(matches!(parsed, Parsed::Plain(PlainReason::DigestMismatch)));
/// # Ok::<(), kinesis_agg_codec::DecodeError>(())
/// ```
///
/// # Errors
///
/// As [`parse`].
pub fn parse_with_digest(blob: &[u8], computed: Digest) -> Result<Parsed<'_>, DecodeError> {
    parse_if(blob, |frame| frame.digest() == computed)
}

/// Parses the data of a Kinesis record without computing its digest.
///
/// For blobs that are protected by other means, and for inspecting damaged ones. Data
/// that starts with the magic by chance is reported as malformed, or even as an
/// aggregate.
///
/// # Errors
///
/// [`DecodeError`] if the blob has a magic and room for a message, but the message is
/// not valid, whatever the digest.
pub fn parse_without_digest(blob: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    parse_if(blob, |_| true)
}

fn parse_if(
    blob: &[u8],
    is_intact: impl FnOnce(&Frame<'_>) -> bool,
) -> Result<Parsed<'_>, DecodeError> {
    let frame = match Frame::split(blob) {
        Ok(frame) => frame,
        Err(reason) => return Ok(Parsed::Plain(reason)),
    };
    if !is_intact(&frame) {
        return Ok(Parsed::Plain(PlainReason::DigestMismatch));
    }
    let mut aggregated = AggregatedRecord {
        message: frame.message(),
        counts: Counts::default(),
    };
    check(aggregated.message, &mut aggregated.counts)?;
    Ok(Parsed::Aggregated(aggregated))
}
