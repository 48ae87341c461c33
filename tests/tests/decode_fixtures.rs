//! Compares the outcome for 573 blobs with that of real consumers and protobuf runtimes.
//! Protects consumers from wrong outcomes, and from user records that are lost, changed
//! or invented.

use kinesis_agg_codec::{
    DecodeError, DecodeErrorKind, Digest, Frame, HashKey, HashKeyError, KeyBytes, MAGIC, Parsed,
    PlainReason, parse, parse_with_digest, parse_without_digest,
};
use kinesis_agg_tests::fixtures::{Class, Consumer, DecodeCase, Message, decode_cases};
use kinesis_agg_tests::{Read, aggregated, read_with_slots};

#[derive(Debug, PartialEq)]
enum Verdict {
    Plain(PlainReason),
    Malformed(DecodeError),
    Aggregated(Vec<Read>),
}

/// Reads a blob with several numbers of slots and with each parse function, all of which
/// must agree.
fn verdict(case: &DecodeCase) -> Verdict {
    let parsed = parse(&case.blob);
    let verdict = match parsed {
        Ok(Parsed::Plain(reason)) => Verdict::Plain(reason),
        Err(error) => Verdict::Malformed(error),
        Ok(Parsed::Aggregated(aggregated)) => {
            let read: Vec<Read> = aggregated.user_records().map(|r| Read::from(&r)).collect();
            assert_eq!(read.len(), aggregated.record_count(), "{}", case.id);
            for slot_count in [0, 1, 2, 3, 16, aggregated.key_count()] {
                let same = read_with_slots(&aggregated, slot_count);
                assert_eq!(same, read, "{}: {slot_count} slots", case.id);
            }
            Verdict::Aggregated(read)
        }
    };
    if let Ok(frame) = Frame::split(&case.blob) {
        let with_digest = parse_with_digest(&case.blob, Digest::of(frame.message()));
        assert_eq!(format!("{with_digest:?}"), format!("{parsed:?}"));
        if frame.digest() == Digest::of(frame.message()) {
            let trusting = parse_without_digest(&case.blob);
            assert_eq!(format!("{trusting:?}"), format!("{parsed:?}"));
        }
    }
    verdict
}

fn plain_reason(blob: &[u8]) -> PlainReason {
    if !blob.starts_with(&MAGIC) {
        PlainReason::NoMagic
    } else if blob.len() <= 20 {
        PlainReason::TooShort
    } else {
        PlainReason::DigestMismatch
    }
}

/// Returns the KCL's user records, which have no tags.
fn of_kcl(kcl: &Consumer) -> Vec<Read> {
    let user_records = kcl.records.iter().map(|record| Read {
        partition_key: record.partition_key.clone().unwrap().into_bytes(),
        explicit_hash_key: record.explicit_hash_key.clone().map(String::into_bytes),
        data: record.data.clone(),
        tags: Vec::new(),
        sub_sequence_number: record.sub_sequence,
    });
    user_records.collect()
}

fn without_tags(read: &[Read]) -> Vec<Read> {
    let without_tags = |user_record: &Read| Read {
        tags: Vec::new(),
        ..user_record.clone()
    };
    read.iter().map(without_tags).collect()
}

fn entry(table: &[Vec<u8>], index: u64) -> Option<&Vec<u8>> {
    table.get(usize::try_from(index).ok()?)
}

/// Returns the user records of a message that C++ protobuf read, or the first index that
/// is outside its table.
fn of_message(message: &Message) -> Result<Vec<Read>, DecodeErrorKind> {
    let len = |table: &[Vec<u8>]| u64::try_from(table.len()).unwrap();
    let records = (0..).zip(&message.records);
    let user_records = records.map(|(sub_sequence_number, record)| {
        let partition_key = entry(&message.partition_keys, record.pk_index).ok_or(
            DecodeErrorKind::PartitionKeyIndex {
                index: record.pk_index,
                count: len(&message.partition_keys),
            },
        )?;
        let explicit_hash_key = match record.ehk_index {
            Some(index) => Some(entry(&message.explicit_hash_keys, index).cloned().ok_or(
                DecodeErrorKind::ExplicitHashKeyIndex {
                    index,
                    count: len(&message.explicit_hash_keys),
                },
            )?),
            None => None,
        };
        Ok(Read {
            partition_key: partition_key.clone(),
            explicit_hash_key,
            data: record.data.clone(),
            tags: Vec::new(),
            sub_sequence_number,
        })
    });
    user_records.collect()
}

/// Returns the fault that the format rules require for a case in which the protobuf
/// runtimes disagree, or `None` if the case is valid.
fn rule(id: &str) -> Option<DecodeErrorKind> {
    Some(match id {
        // A length, like any varint, may have more bytes than it needs. Spare bits of the tenth
        // byte are dropped.
        "varint_nonminimal/len-6bytes"
        | "varint_nonminimal/len-7bytes"
        | "varint_overlong/index-10b-last7e"
        | "varint_overlong/unknown-10b-last7f" => return None,
        "varint_overlong/index-10b-last7f" => DecodeErrorKind::PartitionKeyIndex {
            index: 1 << 63,
            count: 1,
        },
        "varint_overlong/index-all-ff-10" => DecodeErrorKind::PartitionKeyIndex {
            index: u64::MAX,
            count: 1,
        },
        // Tags have at most five bytes and 32 bits.
        "varint_nonminimal/tag-7b" => DecodeErrorKind::VarintTooLong { limit: 5 },
        "varint_overlong/tag-f536870912" => DecodeErrorKind::InvalidTag {
            tag: (1 << 29) << 3 | 2,
        },
        "varint_overlong/tag-f1073741823" => DecodeErrorKind::InvalidTag {
            tag: ((1 << 30) - 1) << 3 | 2,
        },
        // Lengths must fit.
        "varint_overlong/len-2^63+1" => DecodeErrorKind::LengthOverrun {
            claimed: (1 << 63) + 1,
            available: 8,
        },
        "varint_overlong/len-10b-last7f" => DecodeErrorKind::VarintTooLong { limit: 10 },
        "end_group/crossed" => DecodeErrorKind::MismatchedEndGroup {
            started: 6,
            ended: 5,
        },
        "deep_nesting/groups-in-record-101" | "deep_nesting/groups-in-tag-99" => {
            DecodeErrorKind::NestingTooDeep
        }
        other => panic!("no rule for {other}"),
    })
}

/// Checks that a case is malformed, and returns the kind of the error.
fn malformed(case: &DecodeCase) -> DecodeErrorKind {
    match verdict(case) {
        Verdict::Malformed(error) => {
            assert!(error.offset() < case.blob.len() - 15, "{}", case.id);
            error.kind()
        }
        other => panic!("{}: {other:?}", case.id),
    }
}

/// Checks that a case is aggregated and has the content that C++ protobuf reads, and
/// returns its user records.
fn lossless(case: &DecodeCase) -> Vec<Read> {
    let Verdict::Aggregated(read) = verdict(case) else {
        panic!("{}: {:?}", case.id, verdict(case));
    };
    hash_key_errors(case);
    let message = case.cpp_protobuf_3_21_12.as_ref().unwrap();
    if message.parses {
        assert_eq!(Ok(without_tags(&read)), of_message(message), "{}", case.id);
        for (user_record, record) in read.iter().zip(&message.records) {
            assert_eq!(user_record.tags.len(), record.tags, "{}", case.id);
        }
        let view = aggregated(&case.blob);
        assert_eq!(view.partition_keys().len(), message.partition_keys.len());
        assert!(
            view.partition_keys()
                .eq(message.partition_keys.iter().map(|key| KeyBytes::new(key)))
        );
        assert_eq!(
            view.explicit_hash_keys().len(),
            message.explicit_hash_keys.len()
        );
        assert!(
            view.explicit_hash_keys().eq(message
                .explicit_hash_keys
                .iter()
                .map(|key| KeyBytes::new(key)))
        );
    }
    read
}

/// Returns the hash key error of each user record, and compares the hash keys with the
/// rule: an optional `+`, then ASCII digits. (The KCL also accepts `-0` and digits of
/// other scripts.)
fn hash_key_errors(case: &DecodeCase) -> Vec<Option<HashKeyError>> {
    let view = aggregated(&case.blob);
    let errors = view.user_records().map(|user_record| {
        let hash_key = user_record.hash_key().map(HashKey::to_u128);
        if let Some(text) = user_record.explicit_hash_key() {
            let number = text.to_str().ok().and_then(|text| text.parse().ok());
            assert_eq!(hash_key.ok(), number, "{}: {text:?}", case.id);
        }
        hash_key.err()
    });
    errors.collect()
}

#[test]
fn every_blob_has_its_expected_outcome() {
    let cases = decode_cases();
    for case in &cases {
        let id = &case.id;
        match case.class {
            Class::NotAggregated => {
                assert_eq!(
                    verdict(case),
                    Verdict::Plain(plain_reason(&case.blob)),
                    "{id}"
                );
            }
            Class::Records => {
                assert_eq!(without_tags(&lossless(case)), of_kcl(&case.kcl), "{id}");
            }
            Class::NoRecords => {
                assert_eq!(lossless(case), Vec::new(), "{id}");
                assert_eq!(aggregated(&case.blob).record_count(), 0, "{id}");
            }
            Class::Malformed => {
                let kind = malformed(case);
                assert!(
                    !matches!(
                        kind,
                        DecodeErrorKind::PartitionKeyIndex { .. }
                            | DecodeErrorKind::ExplicitHashKeyIndex { .. }
                    ),
                    "{id}: {kind:?}"
                );
                // A runtime that does not enforce `required` parses a message in which a
                // field is missing.
                let message = case.cpp_protobuf_3_21_12.as_ref().unwrap();
                assert_eq!(
                    matches!(kind, DecodeErrorKind::MissingField { .. }),
                    message.parses && !message.initialized,
                    "{id}: {kind:?}"
                );
            }
            Class::BadIndex => {
                let message = case.cpp_protobuf_3_21_12.as_ref().unwrap();
                assert_eq!(Err(malformed(case)), of_message(message), "{id}");
            }
            Class::InvalidUtf8 => {
                let view = aggregated(&case.blob);
                assert!(!lossless(case).is_empty(), "{id}");
                assert!(
                    view.partition_keys()
                        .chain(view.explicit_hash_keys())
                        .any(|key| key.to_str().is_err()),
                    "{id}"
                );
            }
            Class::EhkNotANumber => {
                assert!(!lossless(case).is_empty(), "{id}");
                assert!(
                    hash_key_errors(case).iter().any(|error| matches!(
                        error,
                        Some(HashKeyError::NotADigit { .. } | HashKeyError::Empty)
                    )),
                    "{id}"
                );
            }
            Class::EhkOutOfRange => {
                assert!(!lossless(case).is_empty(), "{id}");
                let out_of_range = Some(HashKeyError::OutOfRange);
                assert!(hash_key_errors(case).contains(&out_of_range), "{id}");
            }
            Class::RuntimesDisagree => match rule(id) {
                None => assert_eq!(lossless(case), of_kcl(&case.kcl), "{id}"),
                Some(kind) => assert_eq!(malformed(case), kind, "{id}"),
            },
        }
    }
}
