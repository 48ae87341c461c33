//! Tests every reason to reject a user record, a key or an aggregate, at the boundary. The
//! error must state the right reason, and the writer must stay unchanged.

use kinesis_agg_codec::{
    AggregateWriter, EncodeError, EncodedPart, HashKey, KeySlots, LimitError, Limits,
    NewUserRecord, OuterKey, RecordTag, RecordTags, SectionWriter, WriteSlot, limits,
};

type Writer = AggregateWriter<Vec<u8>, KeySlots<Vec<WriteSlot>>>;

fn writer(buffer_len: usize) -> Writer {
    let slots = KeySlots::new(vec![WriteSlot::EMPTY; 8]);
    AggregateWriter::with_key_lookup(vec![0xa5; buffer_len], slots)
}

fn user_record(partition_key: &str) -> NewUserRecord<'_> {
    NewUserRecord::new(partition_key, b"data")
}

fn too_large(needed: u32, limit: u32) -> EncodeError {
    let part = EncodedPart::UserRecord;
    EncodeError::TooLarge {
        part,
        needed,
        limit,
    }
}

/// Returns the blob, the outer partition key and the outer explicit hash key that the
/// writer would finish with.
fn finished(writer: &Writer) -> Result<(Vec<u8>, String, Option<HashKey>), EncodeError> {
    writer.clone().finish().map(|aggregate| {
        let partition_key = aggregate.partition_key().to_owned();
        (
            aggregate.data().to_vec(),
            partition_key,
            aggregate.explicit_hash_key(),
        )
    })
}

/// Pushes a user record twice and checks that it is rejected each time, and that the
/// writer does not change.
#[track_caller]
fn reject(writer: &mut Writer, rejected: &NewUserRecord<'_>, error: EncodeError) {
    let before = (
        writer.encoded_len(),
        writer.record_count(),
        finished(writer),
    );
    for _ in 0..2 {
        assert!(!writer.fits(rejected));
        assert_eq!(writer.try_push(rejected), Err(error));
        let after = (
            writer.encoded_len(),
            writer.record_count(),
            finished(writer),
        );
        assert_eq!(after, before);
    }
}

#[track_caller]
fn accept(writer: &mut Writer, user_record: &NewUserRecord<'_>) {
    assert!(writer.fits(user_record));
    let promised = writer.encoded_len_with(user_record);
    assert_eq!(writer.try_push(user_record), Ok(()));
    assert_eq!(writer.encoded_len(), promised);
}

#[test]
fn a_partition_key_has_1_to_256_utf16_units() {
    let too_long = |utf16_len| EncodeError::PartitionKeyTooLong {
        utf16_len,
        limit: limits::MAX_PARTITION_KEY_UTF16_LEN,
    };
    // Characters of one, two, three and four UTF-8 bytes; the last has two code units.
    for (fits, rejected, utf16_len) in [
        ("k".repeat(256), "k".repeat(257), 257),
        ("\u{e9}".repeat(256), "\u{e9}".repeat(257), 257),
        ("\u{ffff}".repeat(256), "\u{ffff}".repeat(300), 300),
        ("\u{10000}".repeat(128), "\u{10000}".repeat(129), 258),
        (
            "\u{10ffff}".repeat(127) + "kk",
            "\u{10ffff}".repeat(127) + "kkk",
            257,
        ),
    ] {
        for is_first in [true, false] {
            let mut writer = writer(10_000);
            if !is_first {
                accept(&mut writer, &user_record("first"));
            }
            reject(
                &mut writer,
                &user_record(""),
                EncodeError::EmptyPartitionKey,
            );
            reject(&mut writer, &user_record(&rejected), too_long(utf16_len));
            accept(&mut writer, &user_record(&fits));
            accept(&mut writer, &user_record("k"));
        }
    }
}

/// The error for an invalid key must not depend on the space that is left.
#[test]
fn an_invalid_key_is_rejected_before_the_size_is_checked() {
    reject(
        &mut writer(0),
        &user_record(""),
        EncodeError::EmptyPartitionKey,
    );
}

#[test]
fn a_buffer_can_be_filled_to_the_last_byte() {
    let first = user_record("a").with_explicit_hash_key(HashKey::MAX);
    let tags = [RecordTag {
        key: "k".into(),
        value: None,
    }];
    // magic, table, records, digest
    let first_len = 4 + 3 + 41 + (2 + 2 + 2 + 6) + 16;
    for (second, second_len) in [
        (user_record("a"), 2 + 2 + 6),
        (user_record("bc"), 4 + 2 + 2 + 6),
        (
            user_record("a").with_explicit_hash_key(HashKey::MAX),
            2 + 4 + 6,
        ),
        (
            user_record("a").with_explicit_hash_key(HashKey::MIN),
            3 + 2 + 4 + 6,
        ),
        (user_record("a").with_tags(tags[..].into()), 2 + 2 + 6 + 5),
    ] {
        for buffer_len in 0..first_len + second_len {
            let limit = u32::try_from(buffer_len).unwrap();
            let mut writer = writer(buffer_len);
            assert_eq!(writer.capacity(), limit);
            let needed = u32::try_from(first_len).unwrap();
            if limit < needed {
                reject(&mut writer, &first, too_large(needed, limit));
                continue;
            }
            accept(&mut writer, &first);
            let needed = u32::try_from(first_len + second_len).unwrap();
            reject(&mut writer, &second, EncodeError::Full { needed, limit });
        }
        let mut writer = writer(first_len + second_len);
        accept(&mut writer, &first);
        accept(&mut writer, &second);
        assert_eq!(finished(&writer).unwrap().0.len(), first_len + second_len);
    }
}

#[test]
fn the_size_limit_counts_the_outer_partition_key() {
    let one = user_record("key\u{e9}");
    let blob_len = 20 + 7 + 10;
    for (outer_key, outer_len) in [
        (OuterKey::FirstUserRecord, 5),
        (OuterKey::Kpl, 1),
        (OuterKey::Chosen("fleet-3"), 7),
    ] {
        let sized = |max_size| {
            let limits = Limits::new().with_max_size(max_size).unwrap();
            writer(1000).with_limits(limits).with_outer_key(outer_key)
        };
        let size = blob_len + outer_len;
        reject(&mut sized(size - 1), &one, too_large(size, size - 1));
        reject(&mut sized(1), &one, too_large(size, 1));

        let mut writer = sized(size);
        accept(&mut writer, &one);
        let full = EncodeError::Full {
            needed: size + 10,
            limit: size,
        };
        reject(&mut writer, &one, full);
        // The outer key is that of the first user record. That of the rejected one counts only
        // when it is alone.
        let long = "k".repeat(40);
        let outer_len_alone = if outer_len == 5 { 40 } else { outer_len };
        let alone = 20 + 42 + 10 + outer_len_alone;
        reject(&mut writer, &user_record(&long), too_large(alone, size));

        let mut writer = sized(size + 10);
        accept(&mut writer, &one);
        accept(&mut writer, &one);
    }
}

#[test]
fn the_count_limit_is_enforced() {
    for limit in [1, 2, 3, 200] {
        let limits = Limits::new().with_max_count(limit).unwrap();
        let mut writer = writer(10_000).with_limits(limits);
        assert_eq!(writer.limits(), limits);
        for _ in 0..limit {
            accept(&mut writer, &user_record("a"));
        }
        let reached = EncodeError::CountReached { limit };
        assert!(reached.is_full());
        reject(&mut writer, &user_record("a"), reached);
        // A user record that would not fit in the next aggregate either is not rejected as full.
        let data = [0; 10_000];
        let large = NewUserRecord::new("a", &data);
        let error = writer.try_push(&large).unwrap_err();
        assert!(
            matches!(error, EncodeError::TooLarge { limit: 10_000, .. }),
            "{error}"
        );
        assert!(!error.is_full());
        reject(&mut writer, &large, error);
        // After finishing, the next user record is accepted.
        assert_eq!(writer.finish().unwrap().record_count(), limit);
        accept(&mut writer, &user_record("a"));
    }
}

/// In an aggregate with one user record, its partition key counts twice: in the table and
/// as the outer key.
#[test]
fn a_user_record_that_does_not_fit_alone_is_rejected_even_if_it_would_fit_second() {
    let long = "k".repeat(200);
    let needed = 20 + 203 + 10 + 200;
    let limits = Limits::new().with_max_size(needed - 1).unwrap();
    let too_large = too_large(needed, needed - 1);
    let second = user_record(&long);
    reject(&mut writer(1000).with_limits(limits), &second, too_large);

    // As the second user record, it would fit. But it could then never be resent alone.
    let mut writer = writer(1000).with_limits(limits);
    accept(&mut writer, &user_record("a"));
    reject(&mut writer, &second, too_large);
    let mut full = writer.with_limits(limits.with_max_count(1).unwrap());
    reject(&mut full, &second, too_large);
}

#[test]
fn limits_must_be_within_those_of_the_service() {
    let limit = limits::LARGEST_MAX_SIZE;
    for max_size in [1, limits::DEFAULT_MAX_SIZE, limit] {
        let limits = Limits::new().with_max_size(max_size).unwrap();
        assert_eq!(limits.max_size(), max_size);
    }
    for max_size in [0, limit + 1, u32::MAX] {
        let rejected = LimitError::Size { max_size, limit };
        assert_eq!(Limits::new().with_max_size(max_size), Err(rejected));
    }
    assert_eq!(Limits::new().with_max_count(0), Err(LimitError::Count));
    assert_eq!(Limits::default().max_size(), 1_048_576);
    assert_eq!(Limits::default().max_count(), usize::MAX);
}

#[test]
fn an_aggregate_without_user_records_is_never_written() {
    let mut writer = writer(1000);
    assert_eq!(finished(&writer), Err(EncodeError::Empty));
    accept(&mut writer, &user_record("a"));
    assert!(writer.finish().is_ok());
    assert_eq!(finished(&writer), Err(EncodeError::Empty));
    accept(&mut writer, &user_record("a"));
    writer.clear();
    assert_eq!(finished(&writer), Err(EncodeError::Empty));
    assert_eq!((writer.record_count(), writer.encoded_len()), (0, 20));
}

/// Returns the blob that a section writer would finish with.
fn sections(writer: &SectionWriter<Vec<u8>>) -> Result<Vec<u8>, EncodeError> {
    writer.clone().finish().map(<[u8]>::to_vec)
}

#[test]
fn a_rejected_push_does_not_change_the_section_writer() {
    let mut other = SectionWriter::new(vec![0xa5; 100]);
    let pk0 = other.add_partition_key(b"a").unwrap();
    let pk1 = other.add_partition_key(b"a").unwrap();
    let ehk0 = other.add_explicit_hash_key(b"7").unwrap();
    // An aggregate with keys but no user record is rejected, and the keys stay.
    assert_eq!(other.finish().err(), Some(EncodeError::Empty));
    assert_eq!(other.encoded_len(), 20 + 3 * 3);

    let tags = RecordTags::default;
    let mut writer = SectionWriter::new(vec![0xa5; 40]);
    let unknown = |index, count| Err(EncodeError::UnknownKeyIndex { index, count });
    assert_eq!(writer.push(pk0, None, b"", tags()), unknown(0, 0));
    let key = writer.add_partition_key(b"a").unwrap();
    assert_eq!(writer.push(pk1, None, b"", tags()), unknown(1, 1));
    assert_eq!(writer.push(key, Some(ehk0), b"", tags()), unknown(0, 0));
    assert_eq!((writer.record_count(), writer.encoded_len()), (0, 23));
    writer.push(key, None, b"xy", tags()).unwrap();
    assert_eq!((writer.record_count(), writer.encoded_len()), (1, 31));
    let blob = sections(&writer).unwrap();
    assert_eq!(blob.len(), 31);

    // 9 bytes are left.
    let full = |needed| EncodeError::Full { needed, limit: 40 };
    let too_large = |part, needed| EncodeError::TooLarge {
        part,
        needed,
        limit: 40,
    };
    let key_too_large = too_large(EncodedPart::Key, 41);
    for (len, error) in [(8, full(41)), (18, full(51)), (19, key_too_large)] {
        let key = vec![b'k'; len];
        assert_eq!(writer.add_partition_key(&key), Err(error));
        assert_eq!(writer.add_explicit_hash_key(&key), Err(error));
    }
    // The size of a lone user record includes its key.
    let record_too_large = too_large(EncodedPart::UserRecord, 41);
    for (len, error) in [(4, full(41)), (11, full(48)), (12, record_too_large)] {
        assert_eq!(writer.push(key, None, &vec![0; len], tags()), Err(error));
    }
    assert_eq!(sections(&writer), Ok(blob));
    writer.push(key, None, b"xyz", tags()).unwrap();
    assert_eq!(sections(&writer).unwrap().len(), 40);
    writer.clear();
    assert_eq!(sections(&writer), Err(EncodeError::Empty));
    let stale = Err(EncodeError::StaleKeyIndex);
    assert_eq!(writer.push(key, None, b"", tags()), stale);
}

#[test]
fn errors_say_what_is_wrong() {
    for (error, text) in [
        (
            EncodeError::Full {
                needed: 41,
                limit: 40,
            },
            "aggregate is full: 41 bytes needed; the limit is 40",
        ),
        (
            EncodeError::CountReached { limit: 3 },
            "aggregate is full: the limit of 3 user records is reached",
        ),
        (
            too_large(5033, 4096),
            "user record needs 5033 bytes alone; the limit is 4096",
        ),
        (
            EncodeError::TooLarge {
                part: EncodedPart::Key,
                needed: 41,
                limit: 40,
            },
            "key needs 41 bytes alone; the limit is 40",
        ),
        (
            EncodeError::TooLarge {
                part: EncodedPart::Tag,
                needed: 41,
                limit: 40,
            },
            "tag needs 41 bytes alone; the limit is 40",
        ),
        (EncodeError::EmptyPartitionKey, "partition key is empty"),
        (
            EncodeError::PartitionKeyTooLong {
                utf16_len: 257,
                limit: 256,
            },
            "partition key has 257 UTF-16 code units; the limit is 256",
        ),
        (
            EncodeError::UnknownKeyIndex { index: 7, count: 3 },
            "key index 7 is not in this aggregate's table of 3 keys",
        ),
        (
            EncodeError::StaleKeyIndex,
            "key index belongs to an aggregate that was finished or cleared",
        ),
        (EncodeError::Empty, "aggregate has no user record"),
    ] {
        assert_eq!(error.to_string(), text);
        let is_full = text.starts_with("aggregate is full");
        assert_eq!(error.is_full(), is_full);
    }
    for (error, text) in [
        (
            LimitError::Size {
                max_size: 0,
                limit: 10,
            },
            "maximum size 0 is not in 1..=10",
        ),
        (LimitError::Count, "maximum count is zero"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
