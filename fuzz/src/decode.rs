//! Parses arbitrary bytes. The outcome (plain, aggregated or malformed) must be the one that
//! the format requires, and the same each time. The content of an aggregate must stay the
//! same when it is written again.

use arbitrary::{Arbitrary as _, Unstructured};
use kinesis_agg_codec::{
    AggregatedRecord, DecodeError, Digest, EncodeError, Frame, MAGIC, Parsed, PlainReason,
    ReadSlot, RecordTag, RecordTags, SectionWriter, UserRecord, parse, parse_with_digest,
    parse_without_digest,
};
use kinesis_agg_tests::{Read, read_in, read_with_slots, reseal, wire};

#[cfg(feature = "std")]
use crate::delivered;
use crate::message::Message as MadeUp;
use crate::reference::{Message, Outcome};
use crate::{hash_key, reference};

/// Checks a blob. If the first byte is 0, the rest is the blob; otherwise the input encodes
/// a message, see [`message_of`], that is framed with its correct digest.
pub fn check(input: &[u8]) {
    match input {
        [0, blob @ ..] => check_blob(blob),
        message => check_blob(&reseal(&message_of(message))),
    }
}

/// Returns the message that `input` encodes: if its first byte is even, the rest of the
/// input, otherwise a message that is generated field by field.
#[must_use]
pub fn message_of(input: &[u8]) -> Vec<u8> {
    match input.split_first() {
        None => Vec::new(),
        Some((mode, rest)) if mode % 2 == 0 => rest.to_vec(),
        Some((_, rest)) => {
            let message = MadeUp::arbitrary_take_rest(Unstructured::new(rest));
            message.map(|message| message.encode()).unwrap_or_default()
        }
    }
}

fn outcome_of(parsed: Result<Parsed<'_>, DecodeError>) -> Outcome {
    match parsed {
        Ok(Parsed::Plain(reason)) => Outcome::Plain(reason),
        Ok(Parsed::Aggregated(aggregated)) => Outcome::Aggregated(all_of(&aggregated)),
        Err(error) => Outcome::Malformed(error),
    }
}

pub(crate) fn all_of(aggregated: &AggregatedRecord<'_>) -> Message {
    let keys = |keys: kinesis_agg_codec::Keys<'_>, count| {
        assert_eq!(keys.len(), count);
        let keys: Vec<_> = keys.map(|key| key.as_bytes().to_vec()).collect();
        assert_eq!(keys.len(), count);
        keys
    };
    Message {
        partition_keys: keys(
            aggregated.partition_keys(),
            aggregated.partition_key_count(),
        ),
        explicit_hash_keys: keys(
            aggregated.explicit_hash_keys(),
            aggregated.explicit_hash_key_count(),
        ),
        user_records: read_with_slots(aggregated, aggregated.key_count()),
    }
}

fn check_blob(blob: &[u8]) {
    let outcome = outcome_of(parse(blob));
    assert_eq!(outcome_of(parse(blob)), outcome);
    assert_eq!(outcome, expected(blob));
    if let Ok(frame) = Frame::split(blob) {
        let computed = Digest::of(frame.message());
        assert_eq!(outcome_of(parse_with_digest(blob, computed)), outcome);
        let trusting = outcome_of(parse_without_digest(blob));
        assert_eq!(trusting, outcome_of(parse(&reseal(frame.message()))));
        if computed == frame.digest() {
            assert_eq!(trusting, outcome);
        }
    } else {
        assert_eq!(outcome_of(parse_without_digest(blob)), outcome);
        let no_digest = Digest::from([0; 16]);
        assert_eq!(outcome_of(parse_with_digest(blob, no_digest)), outcome);
    }
    match &outcome {
        Outcome::Plain(_) => {}
        Outcome::Malformed(error) => {
            assert!((MAGIC.len()..=blob.len()).contains(&error.offset()));
            assert!(!error.to_string().is_empty());
        }
        Outcome::Aggregated(message) => check_aggregated(blob, message),
    }
    #[cfg(feature = "std")]
    delivered::check(blob, &outcome);
}

/// Returns the outcome that the format document requires for this blob.
fn expected(blob: &[u8]) -> Outcome {
    let Some(framed) = blob.strip_prefix(&MAGIC) else {
        return Outcome::Plain(PlainReason::NoMagic);
    };
    if framed.len() <= 16 {
        return Outcome::Plain(PlainReason::TooShort);
    }
    let (message, digest) = framed.split_at(framed.len() - 16);
    if md5::compute(message).0 != digest {
        return Outcome::Plain(PlainReason::DigestMismatch);
    }
    match (reference::read(message), parse(blob)) {
        (Ok(message), _) => Outcome::Aggregated(message),
        // Only the codec can construct its error, so the parts are compared instead.
        (Err(fault), Err(error)) => {
            assert_eq!((error.kind(), error.offset()), fault);
            Outcome::Malformed(error)
        }
        (Err(fault), Ok(_)) => panic!("malformed: {fault:?}"),
    }
}

fn check_aggregated(blob: &[u8], message: &Message) {
    let Ok(Parsed::Aggregated(aggregated)) = parse(blob) else {
        unreachable!("the same blob was aggregated when parsed before");
    };
    assert_eq!(aggregated.record_count(), message.user_records.len());
    let mut by_default = aggregated.user_records();
    assert_eq!(by_default.len(), message.user_records.len());
    for expected in &message.user_records {
        let user_record = by_default.next().unwrap();
        assert_eq!(&Read::from(&user_record), expected);
        check_user_record(blob, &user_record);
    }
    assert!(by_default.next().is_none());
    let key_count = aggregated.key_count();
    for slot_count in [
        0,
        1,
        2,
        3,
        key_count / 2,
        key_count.saturating_sub(1),
        key_count + 1,
    ] {
        let read = read_with_slots(&aggregated, slot_count);
        assert_eq!(read, message.user_records, "{slot_count} slots");
    }
    // Slots that were used for another blob.
    let other = reseal(
        &[
            wire::partition_key(b"").repeat(7),
            wire::record(5, None, b""),
        ]
        .concat(),
    );
    let mut slots = vec![ReadSlot::default(); key_count.max(7)];
    drop(read_in(&kinesis_agg_tests::aggregated(&other), &mut slots));
    assert_eq!(read_in(&aggregated, &mut slots), message.user_records);
    // A cursor over the wrong blob may return nonsense but must not panic.
    for wrong in [&[], &blob[..blob.len() / 2], &blob[1..], &other] {
        let mut walk = aggregated
            .user_records_in([ReadSlot::default(); 2])
            .into_cursor();
        while walk.advance(wrong).is_some() {}
    }
    check_written_again(message);
}

fn check_user_record(blob: &[u8], user_record: &UserRecord<'_>) {
    let inside = |part: &[u8]| {
        let (blob, part) = (blob.as_ptr_range(), part.as_ptr_range());
        assert!(blob.start <= part.start && part.end <= blob.end);
    };
    inside(user_record.partition_key().as_bytes());
    inside(user_record.data());
    if let Some(key) = user_record.explicit_hash_key() {
        inside(key.as_bytes());
    }
    for tag in user_record.tags() {
        inside(tag.key.as_bytes());
        if let Some(value) = tag.value {
            inside(value.as_bytes());
        }
        let mut out = vec![0xa5; usize::try_from(tag.encoded_len()).unwrap()];
        let encoded = tag.encode_into(&mut out).unwrap();
        assert!(RecordTags::parse(encoded).unwrap().into_iter().eq([tag]));
        let len = out.len();
        assert!(tag.encode_into(&mut out[1..]).is_err() && out.len() == len);
    }
    let encoded = user_record.tags().as_encoded().unwrap();
    if !encoded.is_empty() {
        inside(encoded);
    }
    assert_eq!(RecordTags::parse(encoded).unwrap(), user_record.tags());
    assert_eq!(
        user_record.tags().is_empty(),
        user_record.tags().into_iter().count() == 0
    );

    let hash_key = user_record.hash_key().map(|hash_key| hash_key.to_u128());
    match user_record.explicit_hash_key() {
        Some(text) => assert_eq!(hash_key.ok(), hash_key::reading(text.as_bytes())),
        None => assert_eq!(
            hash_key,
            Ok(hash_key::md5(user_record.partition_key().as_bytes()))
        ),
    }
    #[cfg(feature = "std")]
    delivered::check_owned(user_record);
}

/// Checks that an aggregate can be written into a buffer of exactly its length, and
/// not into one that is a byte shorter.
fn check_written_again(message: &Message) {
    let position = |table: &[Vec<u8>], key: &[u8]| {
        let index = table.iter().position(|entry| entry == key).unwrap();
        u64::try_from(index).unwrap()
    };
    let written = [
        message
            .partition_keys
            .iter()
            .flat_map(|key| wire::partition_key(key))
            .collect(),
        message
            .explicit_hash_keys
            .iter()
            .flat_map(|key| wire::explicit_hash_key(key))
            .collect(),
        message
            .user_records
            .iter()
            .flat_map(|user_record| {
                let mut body = wire::number(
                    1,
                    position(&message.partition_keys, &user_record.partition_key),
                );
                if let Some(key) = &user_record.explicit_hash_key {
                    body.extend(wire::number(2, position(&message.explicit_hash_keys, key)));
                }
                body.extend(wire::bytes(3, &user_record.data));
                for (key, value) in &user_record.tags {
                    let value = value.as_ref().map(|value| wire::bytes(2, value));
                    let tag = [wire::bytes(1, key), value.unwrap_or_default()].concat();
                    body.extend(wire::bytes(4, &tag));
                }
                wire::bytes(3, &body)
            })
            .collect::<Vec<u8>>(),
    ]
    .concat();
    let len = written.len() + MAGIC.len() + 16;

    let mut writer = SectionWriter::new(vec![0xa5; len]);
    let pushed = push_all(&mut writer, message);
    assert_eq!(pushed, Ok(()));
    assert_eq!(usize::try_from(writer.encoded_len()).unwrap(), len);
    assert_eq!(writer.record_count(), message.user_records.len());
    if message.user_records.is_empty() {
        assert_eq!(writer.finish().err(), Some(EncodeError::Empty));
    } else {
        let mut unsealed = writer.clone();
        let unsealed = unsealed.finish_unsealed().unwrap();
        let digest = Digest::of(unsealed.message());
        let sealed = unsealed.seal(digest).to_vec();
        let blob = writer.finish().unwrap();
        assert_eq!(blob, sealed);
        assert_eq!(blob, reseal(&written));
        assert_eq!(
            outcome_of(parse(blob)),
            Outcome::Aggregated(message.clone())
        );
    }

    let mut writer = SectionWriter::new(vec![0xa5; len - 1]);
    match push_all(&mut writer, message) {
        Err(EncodeError::Full { needed, limit } | EncodeError::TooLarge { needed, limit, .. }) => {
            assert!(needed > limit && limit == u32::try_from(len - 1).unwrap());
        }
        // Nothing was pushed, so nothing could be rejected.
        Ok(()) if written.is_empty() => {}
        other => panic!("{other:?}"),
    }
}

fn push_all<B: AsRef<[u8]> + AsMut<[u8]>>(
    writer: &mut SectionWriter<B>,
    message: &Message,
) -> Result<(), EncodeError> {
    // Add keys of both tables in turn, because the order between the tables is free.
    let mut partition_keys = Vec::new();
    let mut explicit_hash_keys = Vec::new();
    let mut explicit = message.explicit_hash_keys.iter();
    for key in &message.partition_keys {
        partition_keys.push((key, writer.add_partition_key(key)?));
        if let Some(key) = explicit.next() {
            explicit_hash_keys.push((key, writer.add_explicit_hash_key(key)?));
        }
    }
    for key in explicit {
        explicit_hash_keys.push((key, writer.add_explicit_hash_key(key)?));
    }
    for user_record in &message.user_records {
        let (_, partition_key) = *partition_keys
            .iter()
            .find(|(key, _)| **key == user_record.partition_key)
            .unwrap();
        let explicit_hash_key = user_record.explicit_hash_key.as_ref().map(|wanted| {
            let found = explicit_hash_keys.iter().find(|(key, _)| *key == wanted);
            found.unwrap().1
        });
        let tags: Vec<_> = user_record
            .tags
            .iter()
            .map(|(key, value)| RecordTag {
                key: key.as_slice().into(),
                value: value.as_deref().map(Into::into),
            })
            .collect();
        let tags = RecordTags::from(&tags[..]);
        writer.push(partition_key, explicit_hash_key, &user_record.data, tags)?;
    }
    Ok(())
}
