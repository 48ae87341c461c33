//! Blobs in literal bytes for each reason for which a blob is plain. Protects the rules
//! of the frame: a test fails if a rule changes, and a new reason does not compile until
//! it has a blob here.

use kinesis_agg_codec::{DecodeErrorKind, Frame, Parsed, PlainReason, parse};

/// A message of one byte, with one bit of its MD5 changed.
const WRONG_DIGEST: &[u8] =
    b"\xf3\x89\x9a\xc2\x80\x8d\x39\xdd\x7e\xef\x11\x5e\xa6\x97\x54\x46\xef\x40\x82\x95\x0f";
const RIGHT_DIGEST: &[u8] =
    b"\xf3\x89\x9a\xc2\x80\x8d\x39\xdd\x7e\xef\x11\x5e\xa6\x97\x54\x46\xef\x40\x82\x95\x1f";
/// The MD5 of no bytes at all: an aggregate of 20 bytes has no message.
const EMPTY_MESSAGE: &[u8] =
    b"\xf3\x89\x9a\xc2\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e";

fn blobs(reason: PlainReason) -> &'static [&'static [u8]] {
    match reason {
        PlainReason::NoMagic => &[
            b"",
            b"{}",
            b"\xf3\x89\x9a",
            b"\xf3\x89\x9a\xc3\x0a\x01a and longer than twenty bytes",
            b"\x00\xf3\x89\x9a\xc2\x0a\x01a and longer than twenty bytes",
        ],
        PlainReason::TooShort => &[
            b"\xf3\x89\x9a\xc2",
            b"\xf3\x89\x9a\xc20123456789",
            EMPTY_MESSAGE,
        ],
        PlainReason::DigestMismatch => &[WRONG_DIGEST, b"\xf3\x89\x9a\xc2 and then anything else"],
    }
}

#[test]
fn each_plain_reason_is_returned_for_its_blobs() {
    for (reason, text) in [
        (PlainReason::NoMagic, "no magic"),
        (PlainReason::TooShort, "too short"),
        (PlainReason::DigestMismatch, "digest mismatch"),
    ] {
        assert_eq!(reason.to_string(), text);
        for blob in blobs(reason) {
            assert!(
                matches!(parse(blob), Ok(Parsed::Plain(found)) if found == reason),
                "{blob:02x?}: {:?}",
                parse(blob)
            );
            let split = Frame::split(blob).err();
            let of_the_frame = (reason != PlainReason::DigestMismatch).then_some(reason);
            assert_eq!(split, of_the_frame, "{blob:02x?}");
        }
    }
}

#[test]
fn a_one_byte_message_with_its_digest_is_malformed_and_not_plain() {
    let error = parse(RIGHT_DIGEST).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::Truncated);
}
