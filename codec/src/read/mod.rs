//! A blob in; plain, aggregated or malformed out.
//!
//! The message is checked as a whole before anything is handed out. What was
//! checked is not stored (there is no memory for it), so handing out reads the
//! records again, with the same functions; they cannot fail a second time.

pub(crate) mod aggregated_record;
pub(crate) mod check;
pub(crate) mod key_slots;
pub(crate) mod record;
pub(crate) mod user_records;

use crate::digest::Digest;
use crate::error::DecodeError;
use crate::frame::{Frame, PlainReason};
use crate::read::aggregated_record::AggregatedRecord;

/// What a blob is, if it is not malformed.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum Parsed<'buf> {
    /// Not aggregated: the blob is one user record as it stands.
    Plain(PlainReason),
    /// Aggregated: the user records are inside.
    Aggregated(AggregatedRecord<'buf>),
}

/// Reads the data of a Kinesis record.
///
/// ```
/// use kinesis_agg_codec::{Parsed, parse};
///
/// # let blob = b"\xf3\x89\x9a\xc2\x0a\x01a\x0a\x01b\x1a\x05\x08\0\x1a\x01x\x1a\x05\x08\x01\x1a\x01y\
/// #   \xb0\x03\x19\x09\xae\x75\x89\x1c\xa9\x4a\xce\xc2\xec\xce\x31\x25";
/// match parse(blob)? {
///     Parsed::Plain(reason) => println!("one user record, because: {reason}"),
///     Parsed::Aggregated(aggregated) => {
///         for user_record in aggregated.user_records() {
///             println!("{:?}: {:?}", user_record.partition_key(), user_record.data());
///         }
///     }
/// }
/// # Ok::<(), kinesis_agg_codec::DecodeError>(())
/// ```
///
/// Takes time linear in the blob, no memory of its own.
///
/// # Errors
///
/// [`DecodeError`] if magic and digest are good and the message is not valid.
/// Its kind and offset name the first structural fault in the order of the
/// bytes, or else the first key index outside its table in the order of the
/// records.
pub fn parse(blob: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    parse_if(blob, |frame| frame.is_intact(&Digest::of(frame.message())))
}

/// Reads the data of a Kinesis record whose message digest was computed
/// elsewhere, as in a batch of many; see [`Frame::message`].
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
    parse_if(blob, |frame| frame.is_intact(&computed))
}

/// Reads the data of a Kinesis record without looking at its digest.
///
/// For blobs that something else protects, and for looking into damaged ones.
/// Data that only happens to start with the magic is then malformed, or worse,
/// an aggregate.
///
/// # Errors
///
/// As [`parse`], whatever the digest.
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
    AggregatedRecord::check(frame.message())
}
