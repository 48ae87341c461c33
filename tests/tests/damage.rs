//! Parses blobs of the real KPL that were truncated or changed byte by byte. Protects
//! consumers from panics, from user records read from a corrupted blob, and from slices
//! and offsets outside the blob.

use kinesis_agg_codec::{AggregatedRecord, MAGIC, Parsed, PlainReason, parse};
use kinesis_agg_tests::fixtures::kpl_cases;
use kinesis_agg_tests::{message_of, reseal};

fn blobs() -> Vec<Vec<u8>> {
    let cases = kpl_cases().into_iter().filter(|case| case.aggregated);
    let mut blobs: Vec<_> = cases.map(|case| case.blob).collect();
    assert_eq!(blobs.len(), 3);
    // With tags and an unknown group, which the KPL does not write.
    blobs.push(reseal(
        b"\x0a\x01a\x12\x01\x37\x0a\x03bcd\
          \x1a\x10\x08\x01\x10\0\x1a\x01x\x22\x07\x0a\x02kk\x12\x01v\
          \x2b\x30\x96\x01\x2c\x1a\x04\x08\0\x1a\0",
    ));
    blobs
}

fn plain(blob: &[u8]) -> PlainReason {
    match parse(blob) {
        Ok(Parsed::Plain(reason)) => reason,
        other => panic!("{}: {other:?}", hex::encode(blob)),
    }
}

#[test]
fn every_proper_prefix_of_a_blob_is_plain() {
    for blob in blobs() {
        for len in 0..blob.len() {
            let expected = match len {
                0..4 => PlainReason::NoMagic,
                4..=20 => PlainReason::TooShort,
                _ => PlainReason::DigestMismatch,
            };
            assert_eq!(plain(&blob[..len]), expected, "{len}");
        }
    }
}

/// Returns the changes to try on each byte: all of them for a short blob, and otherwise
/// the lowest bit, the highest bit and all bits, to save time.
fn changes(blob: &[u8]) -> Vec<u8> {
    if blob.len() <= 500 {
        (1..=255).collect()
    } else {
        vec![0x01, 0x80, 0xff]
    }
}

#[test]
fn a_blob_with_one_changed_byte_is_plain() {
    for blob in blobs() {
        let mut damaged = blob.clone();
        for place in 0..blob.len() {
            let expected = if place < MAGIC.len() {
                PlainReason::NoMagic
            } else {
                PlainReason::DigestMismatch
            };
            for change in changes(&blob) {
                damaged[place] = blob[place] ^ change;
                assert_eq!(plain(&damaged), expected, "{place} ^ {change:#x}");
            }
            damaged[place] = blob[place];
        }
    }
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

/// Reads and checks everything in a view.
fn check_view(view: &AggregatedRecord<'_>, message: &[u8]) {
    let mut count = 0;
    for user_record in view.user_records() {
        assert_eq!(user_record.sub_sequence_number(), count);
        assert!(is_within(user_record.data(), message));
        assert!(is_within(user_record.partition_key().as_bytes(), message));
        if let Some(key) = user_record.explicit_hash_key() {
            assert!(is_within(key.as_bytes(), message));
        }
        for tag in user_record.tags() {
            assert!(is_within(tag.key.as_bytes(), message));
            assert!(
                tag.value
                    .is_none_or(|value| is_within(value.as_bytes(), message))
            );
        }
        // If a digit was changed, this may be an error, but must not panic.
        let _ = user_record.hash_key();
        count += 1;
    }
    assert_eq!(count, u64::try_from(view.record_count()).unwrap());
    let keys = view.partition_keys().count() + view.explicit_hash_keys().count();
    assert_eq!(keys, view.key_count());
}

/// Both outcomes must occur, to show that the changes reach both.
#[test]
fn a_changed_byte_with_a_correct_digest_is_valid_or_malformed() {
    for blob in blobs() {
        let mut message = message_of(&blob).to_vec();
        let (mut valid, mut malformed) = (0, 0);
        for place in 0..message.len() {
            let intact = message[place];
            for change in changes(&blob) {
                message[place] = intact ^ change;
                let damaged = reseal(&message);
                match parse(&damaged) {
                    Ok(Parsed::Aggregated(view)) => {
                        check_view(&view, &damaged[4..damaged.len() - 16]);
                        valid += 1;
                    }
                    Ok(Parsed::Plain(reason)) => panic!("{place} ^ {change:#x}: {reason}"),
                    Err(error) => {
                        assert!((4..=damaged.len() - 16).contains(&error.offset()));
                        malformed += 1;
                    }
                }
            }
            message[place] = intact;
        }
        let counts = format!("{valid} valid, {malformed} malformed");
        assert!(valid > 0 && malformed > 0, "{counts}");
    }
}

#[test]
fn a_prefix_of_the_message_with_a_correct_digest_is_valid_or_malformed() {
    for blob in blobs() {
        let message = message_of(&blob);
        let (mut valid, mut malformed) = (0, 0);
        for len in 1..message.len() {
            let cut = reseal(&message[..len]);
            match parse(&cut) {
                Ok(Parsed::Aggregated(view)) => {
                    check_view(&view, &cut[4..cut.len() - 16]);
                    valid += 1;
                }
                Ok(Parsed::Plain(reason)) => panic!("{len}: {reason}"),
                Err(error) => {
                    assert!((4..=cut.len() - 16).contains(&error.offset()));
                    malformed += 1;
                }
            }
        }
        let counts = format!("{valid} valid, {malformed} malformed");
        assert!(valid > 0 && malformed > 0, "{counts}");
    }
}
