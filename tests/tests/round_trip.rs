//! Writes arbitrary user records, and reads them with the reader and with an independent
//! protobuf implementation. Both must return what was written, whatever the buffer and
//! the key slots are like.

use core::convert::Infallible;
use std::collections::HashMap;

use kinesis_agg_codec::{
    AggregateWriter, KeySlots, NewUserRecord, Parsed, RecordTags, RewriteError, SectionWriter,
    StreamWriter, WriteSlot, parse,
};
use kinesis_agg_tests::fixtures::decode_cases;
use kinesis_agg_tests::{
    Owned, Read, aggregated, expected, message_of, read_with_slots, reseal, wire,
};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

/// `proto/aggregated_record.proto`, as another implementation reads it.
#[derive(Clone, PartialEq, prost::Message)]
struct AggregatedRecord {
    #[prost(string, repeated, tag = "1")]
    partition_key_table: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_key_table: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(uint64, required, tag = "1")]
    partition_key_index: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key_index: Option<u64>,
    #[prost(bytes = "vec", required, tag = "3")]
    data: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    tags: Vec<Tag>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Tag {
    #[prost(string, required, tag = "1")]
    key: String,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// Returns the index of `key` in `table`, and appends it if it is new.
fn intern(table: &mut Vec<String>, key: &str) -> u64 {
    let place = table
        .iter()
        .position(|known| known == key)
        .unwrap_or_else(|| {
            table.push(key.to_owned());
            table.len() - 1
        });
    u64::try_from(place).unwrap()
}

impl AggregatedRecord {
    /// Returns the message with each key stored once, in order of first use.
    fn of(user_records: &[Owned]) -> Self {
        let mut message = Self::default();
        for user_record in user_records {
            let key = &user_record.partition_key;
            let tags = user_record.tags.iter().cloned();
            let record = Record {
                partition_key_index: intern(&mut message.partition_key_table, key),
                explicit_hash_key_index: user_record
                    .explicit_hash_key
                    .map(|key| intern(&mut message.explicit_hash_key_table, &key.to_string())),
                data: user_record.data.clone(),
                tags: tags.map(|(key, value)| Tag { key, value }).collect(),
            };
            message.records.push(record);
        }
        message
    }

    fn user_records(&self) -> Vec<Read> {
        let entry =
            |table: &[String], index| table[usize::try_from(index).unwrap()].clone().into_bytes();
        let records = (0..).zip(&self.records);
        let user_records = records.map(|(sub_sequence_number, record)| Read {
            partition_key: entry(&self.partition_key_table, record.partition_key_index),
            explicit_hash_key: record
                .explicit_hash_key_index
                .map(|index| entry(&self.explicit_hash_key_table, index)),
            data: record.data.clone(),
            tags: record
                .tags
                .iter()
                .map(|tag| {
                    let value = tag.value.clone().map(String::into_bytes);
                    (tag.key.clone().into_bytes(), value)
                })
                .collect(),
            sub_sequence_number,
        });
        user_records.collect()
    }
}

/// Lengths around those at which a varint grows.
fn edge_len() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..4_usize, 4 => 115..135_usize, 1 => 16_370..16_390_usize]
}

fn partition_key() -> impl Strategy<Value = String> {
    prop_oneof![
        // A small pool, so that keys repeat, and a large one, so that slots run out.
        4 => prop::sample::select(vec!["a", "b", "\u{e9}", "10", "2"]).prop_map(str::to_owned),
        4 => (0..1000_u32).prop_map(|n| format!("key-{n}")),
        2 => (125..132_usize).prop_map(|len| "k".repeat(len)),
        1 => "\\PC{1,60}",
    ]
}

fn explicit_hash_key() -> impl Strategy<Value = Option<u128>> {
    prop_oneof![
        3 => Just(None),
        3 => (0..4_u128).prop_map(Some),
        3 => any::<u128>().prop_map(Some),
        1 => Just(Some(u128::MAX)),
    ]
}

fn tags() -> impl Strategy<Value = Vec<(String, Option<String>)>> {
    let text = || {
        prop_oneof![
            4 => "\\PC{0,4}",
            1 => (120..132_usize).prop_map(|len| "t".repeat(len)),
        ]
    };
    prop_oneof![
        3 => Just(Vec::new()),
        1 => vec((text(), prop::option::of(text())), 1..4),
    ]
}

fn user_record() -> impl Strategy<Value = Owned> {
    let data = (edge_len(), any::<u8>()).prop_map(|(len, byte)| vec![byte; len]);
    let parts = (partition_key(), explicit_hash_key(), data, tags());
    parts.prop_map(|(partition_key, explicit_hash_key, data, tags)| Owned {
        partition_key,
        explicit_hash_key,
        data,
        tags,
    })
}

/// The number of bytes that a buffer has beyond the blob: none, a few, about as many as
/// are needed to move the keys in one step, or plenty.
#[derive(Clone, Copy, Debug)]
enum Slack {
    Bytes(usize),
    Plenty,
}

fn slack() -> impl Strategy<Value = Slack> {
    prop_oneof![
        2 => Just(Slack::Bytes(0)),
        2 => (1..100_usize).prop_map(Slack::Bytes),
        1 => (100..3000_usize).prop_map(Slack::Bytes),
        1 => Just(Slack::Plenty),
    ]
}

type Writer = AggregateWriter<Vec<u8>, KeySlots<Vec<WriteSlot>>>;

fn writer(buffer_len: usize, slot_count: usize) -> Writer {
    let slots = KeySlots::new(vec![WriteSlot::EMPTY; slot_count]);
    AggregateWriter::with_key_lookup(vec![0xa5; buffer_len], slots)
}

/// Pushes all user records, and checks the predicted lengths.
fn push_all(writer: &mut Writer, user_records: &[Owned]) {
    for user_record in user_records {
        let tags = user_record.tag_list();
        let user_record = user_record.borrow(&tags);
        let promised = writer.encoded_len_with(&user_record);
        assert!(writer.fits(&user_record));
        writer.try_push(&user_record).unwrap();
        assert_eq!(writer.encoded_len(), promised);
    }
}

fn finish(writer: &mut Writer) -> Vec<u8> {
    let promised = usize::try_from(writer.encoded_len()).unwrap();
    let blob = writer.finish().unwrap().data().to_vec();
    assert_eq!(blob.len(), promised);
    blob
}

/// Writes user records into a large buffer and returns the blob.
fn write(user_records: &[Owned], slot_count: usize) -> Vec<u8> {
    let mut writer = writer(1 << 20, slot_count);
    push_all(&mut writer, user_records);
    finish(&mut writer)
}

/// Reads a blob and writes it again, with its tables in the same order.
fn rewrite(blob: &[u8]) -> Vec<u8> {
    let view = aggregated(blob);
    let mut writer = SectionWriter::new(vec![0xa5; blob.len() + 64]);
    let mut partition_keys = Vec::new();
    let mut explicit_hash_keys = Vec::new();
    for key in view.partition_keys() {
        partition_keys.push((key, writer.add_partition_key(key.as_bytes()).unwrap()));
    }
    for key in view.explicit_hash_keys() {
        let index = writer.add_explicit_hash_key(key.as_bytes()).unwrap();
        explicit_hash_keys.push((key, index));
    }
    for user_record in view.user_records() {
        let find = |(key, _): &&(_, _)| *key == user_record.partition_key();
        let (_, partition_key) = partition_keys.iter().find(find).unwrap();
        let explicit_hash_key = user_record.explicit_hash_key().map(|given| {
            let found = explicit_hash_keys.iter().find(|(key, _)| *key == given);
            found.unwrap().1
        });
        let tags = user_record.tags();
        writer
            .push(*partition_key, explicit_hash_key, user_record.data(), tags)
            .unwrap();
    }
    writer.finish().unwrap().to_vec()
}

/// Streams user records, each key just before the record that first uses it.
fn stream(user_records: &[Owned]) -> Vec<u8> {
    let mut blob = Vec::new();
    let mut writer = StreamWriter::new(|bytes: &[u8]| {
        blob.extend_from_slice(bytes);
        Ok::<(), Infallible>(())
    });
    let mut partition_keys = HashMap::new();
    let mut explicit_hash_keys = HashMap::new();
    for user_record in user_records {
        let key = user_record.partition_key.as_bytes();
        let partition_key = *partition_keys
            .entry(key)
            .or_insert_with(|| writer.add_partition_key(key).unwrap());
        let explicit_hash_key = user_record.explicit_hash_key.map(|number| {
            *explicit_hash_keys.entry(number).or_insert_with(|| {
                let text = number.to_string();
                writer.add_explicit_hash_key(text.as_bytes()).unwrap()
            })
        });
        let tags = user_record.tag_list();
        let tags = RecordTags::from(&tags[..]);
        writer
            .push(partition_key, explicit_hash_key, &user_record.data, tags)
            .unwrap();
    }
    let promised = usize::try_from(writer.encoded_len()).unwrap();
    let streamed = writer.finish().unwrap();
    let first = &user_records[0];
    assert_eq!(
        streamed.first_partition_key(),
        partition_keys[first.partition_key.as_bytes()]
    );
    assert_eq!(
        streamed.first_explicit_hash_key(),
        first.explicit_hash_key.map(|key| explicit_hash_keys[&key])
    );
    assert_eq!(streamed.record_count(), user_records.len());
    assert_eq!(usize::try_from(streamed.encoded_len()), Ok(promised));
    assert_eq!(blob.len(), promised);
    blob
}

/// Interleaves `parts` in the order that `picks` gives, keeping the order within each.
fn interleave(parts: Vec<Vec<Vec<u8>>>, picks: &[usize]) -> Vec<u8> {
    let mut parts: Vec<_> = parts.into_iter().map(Vec::into_iter).collect();
    let part_count = parts.len();
    let mut message = Vec::new();
    for pick in picks {
        message.extend(parts[pick % part_count].next().unwrap_or_default());
    }
    message.extend(parts.into_iter().flatten().flatten());
    message
}

/// Encodes a tag in which each field is given twice.
fn doubled_tag(tag: &Tag) -> Vec<u8> {
    let stale = |number| wire::bytes(number, b"stale");
    let key = wire::bytes(1, tag.key.as_bytes());
    let value = tag
        .value
        .as_ref()
        .map(|value| wire::bytes(2, value.as_bytes()));
    let value = value.map(|value| [stale(2), value].concat());
    let body = [stale(1), value.unwrap_or_default(), key].concat();
    wire::bytes(4, &body)
}

/// Encodes a record with its fields in any order, indices and data given twice, and an
/// unknown field among them.
fn shuffled_record(record: &Record, picks: &[usize]) -> Vec<u8> {
    let stale_index = |number| wire::number(number, u64::MAX);
    let ehk_index = record.explicit_hash_key_index;
    let ehk_index = ehk_index.map(|index| vec![stale_index(2), wire::number(2, index)]);
    let parts = vec![
        record.tags.iter().map(doubled_tag).collect(),
        vec![wire::bytes(3, b"stale"), wire::bytes(3, &record.data)],
        ehk_index.unwrap_or_default(),
        vec![wire::number(77, u64::MAX)],
        vec![stale_index(1), wire::number(1, record.partition_key_index)],
    ];
    wire::bytes(3, &interleave(parts, picks))
}

/// Encodes the message with its fields in any order at both levels.
fn shuffled(message: &AggregatedRecord, picks: &[usize]) -> Vec<u8> {
    let pks = message.partition_key_table.iter();
    let ehks = message.explicit_hash_key_table.iter();
    let records = message.records.iter().enumerate();
    let parts = vec![
        records
            .map(|(place, record)| shuffled_record(record, &picks[place % picks.len()..]))
            .collect(),
        ehks.map(|key| wire::explicit_hash_key(key.as_bytes()))
            .collect(),
        pks.map(|key| wire::partition_key(key.as_bytes())).collect(),
        vec![wire::bytes(1000, b"unknown"); 3],
    ];
    interleave(parts, picks)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 200,
        // Failures are only logged, so that tests write no files to the source folder.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// With slots for all keys, the schema and the KPL's order determine every byte.
    #[test]
    fn written_user_records_are_read_back(
        user_records in vec(user_record(), 1..40),
        slot_count in prop_oneof![0..16_usize, Just(100)],
        reader_slots in 0..100_usize,
        slack in slack(),
    ) {
        let blob = write(&user_records, slot_count);
        let read = read_with_slots(&aggregated(&blob), reader_slots);
        prop_assert_eq!(&read, &expected(&user_records));

        let by_prost = AggregatedRecord::decode(message_of(&blob)).unwrap();
        prop_assert_eq!(by_prost.user_records(), read);
        let canonical = reseal(&AggregatedRecord::of(&user_records).encode_to_vec());
        if slot_count == 100 {
            prop_assert!(blob == canonical);
        } else {
            prop_assert!(blob.len() >= canonical.len());
        }

        let buffer_len = match slack {
            Slack::Bytes(slack) => blob.len() + slack,
            Slack::Plenty => 3 * blob.len(),
        };
        let mut writer = writer(buffer_len, slot_count);
        // The second aggregate overwrites the first in the same buffer.
        for _ in 0..2 {
            push_all(&mut writer, &user_records);
            prop_assert!(finish(&mut writer) == blob);
        }
    }

    /// A streamed blob holds the same fields as a buffered one, in another order.
    #[test]
    fn streamed_user_records_are_read_back(
        user_records in vec(user_record(), 1..40),
        reader_slots in 0..100_usize,
    ) {
        let blob = stream(&user_records);
        let read = read_with_slots(&aggregated(&blob), reader_slots);
        prop_assert_eq!(&read, &expected(&user_records));

        let by_prost = AggregatedRecord::decode(message_of(&blob)).unwrap();
        prop_assert!(by_prost == AggregatedRecord::of(&user_records));
        prop_assert!(rewrite(&blob) == write(&user_records, 100));
    }

    /// Short user records with many different keys: the tables are larger than the
    /// records, and keys of both kinds are added in any order.
    #[test]
    fn many_keys_are_sorted_into_sections_in_any_buffer(
        keys in vec((0..400_u32, prop::option::of(0..400_u128)), 1..150),
        slack in 0..4000_usize,
    ) {
        let user_records: Vec<_> = keys
            .into_iter()
            .map(|(partition_key, explicit_hash_key)| Owned {
                partition_key: format!("{partition_key}"),
                explicit_hash_key,
                ..Owned::default()
            })
            .collect();
        let canonical = reseal(&AggregatedRecord::of(&user_records).encode_to_vec());
        for slack in [0, slack] {
            let mut writer = writer(canonical.len() + slack, 400);
            push_all(&mut writer, &user_records);
            prop_assert!(finish(&mut writer) == canonical);
        }
    }

    #[test]
    fn moving_the_writer_to_another_buffer_keeps_its_user_records(
        user_records in vec(user_record(), 1..30),
        moved_at in 0..30_usize,
        slack in 0..300_usize,
    ) {
        let (before, after) = user_records.split_at(moved_at.min(user_records.len()));
        let blob = write(&user_records, 64);
        let mut small = writer(1 << 20, 64);
        push_all(&mut small, before);
        let len = usize::try_from(small.encoded_len()).unwrap();

        // One byte too few: writer and buffer are returned, and the writer stays usable.
        let (small, buffer) = small.move_to(vec![0xa5; len - 1]).unwrap_err();
        prop_assert_eq!(buffer.len(), len - 1);
        // Move from a buffer that is exactly full to a larger one.
        let full = small.move_to(vec![0xa5; len]).unwrap();
        let mut larger = full.move_to(vec![0x5a; blob.len() + slack]).unwrap();
        prop_assert_eq!(usize::try_from(larger.encoded_len()).unwrap(), len);
        push_all(&mut larger, after);
        let aggregate = larger.finish().unwrap();
        prop_assert_eq!(aggregate.partition_key(), &user_records[0].partition_key);
        prop_assert_eq!(
            aggregate.explicit_hash_key().map(|key| key.to_u128()),
            user_records[0].explicit_hash_key
        );
        prop_assert!(aggregate.data() == blob);
    }

    #[test]
    fn fields_are_read_in_any_order_and_can_be_written_again(
        user_records in vec(user_record(), 1..20),
        picks in vec(0..20_usize, 1..80),
        slot_count in 0..50_usize,
    ) {
        let message = AggregatedRecord::of(&user_records);
        let bytes = shuffled(&message, &picks);
        prop_assert!(AggregatedRecord::decode(&bytes[..]).as_ref() == Ok(&message));
        let blob = reseal(&bytes);
        let view = aggregated(&blob);
        prop_assert_eq!(read_with_slots(&view, slot_count), expected(&user_records));

        let again = rewrite(&blob);
        prop_assert!(message_of(&again) == message.encode_to_vec());
    }
}

/// Includes keys that are not valid UTF-8.
#[test]
fn every_valid_fixture_can_be_written_again() {
    let mut written = 0;
    for case in decode_cases() {
        let Ok(Parsed::Aggregated(view)) = parse(&case.blob) else {
            continue;
        };
        if view.record_count() == 0 {
            continue;
        }
        let again = rewrite(&case.blob);
        let again = aggregated(&again);
        assert_eq!(
            read_with_slots(&again, 16),
            read_with_slots(&view, 16),
            "{}",
            case.id
        );
        assert!(
            again.partition_keys().eq(view.partition_keys()),
            "{}",
            case.id
        );
        assert!(
            again.explicit_hash_keys().eq(view.explicit_hash_keys()),
            "{}",
            case.id
        );
        written += 1;
    }
    assert!(written > 150, "{written}");
}

/// With a single slot, keys are compared with each other, several bytes at a time.
#[test]
fn keys_that_differ_in_one_byte_are_distinct() {
    for (len, place) in (1..=50).flat_map(|len| (0..len).map(move |place| (len, place))) {
        let key = "k".repeat(len);
        let mut other = key.clone();
        other.replace_range(place..=place, "K");
        let mut writer = writer(1000, 1);
        for key in [&key, &other, &key] {
            writer.try_push(&NewUserRecord::new(key, b"")).unwrap();
        }
        let blob = finish(&mut writer);
        let view = aggregated(&blob);
        let found: Vec<_> = view.user_records().map(|it| it.partition_key()).collect();
        assert!(
            found == [&key, &other, &key].map(|key| key.as_str()),
            "{key}, {other}"
        );
        assert_eq!(view.partition_key_count(), 2, "{key}");
    }
}

/// Adds up to ten keys of both kinds in every order, with buffers on both sides of the
/// sizes that decide how the sections are sorted.
#[test]
fn every_order_of_keys_is_sorted_into_sections() {
    for key_count in 1..=10_u32 {
        for mixture in 0..1_u32 << key_count {
            check_mixture((0..key_count).map(|place| mixture >> place & 1 == 1));
        }
    }
}

/// Writes keys of these kinds; `true` is a partition key, `false` an explicit hash key.
fn check_mixture(is_partition_key: impl Iterator<Item = bool> + Clone) {
    let key = |place: usize| vec![b'0' + u8::try_from(place % 10).unwrap(); place * 31 % 131];
    let mut tables = [Vec::new(), Vec::new()];
    for (place, is_partition_key) in is_partition_key.clone().enumerate() {
        let [partition_keys, explicit_hash_keys] = &mut tables;
        match is_partition_key {
            true => partition_keys.extend(wire::partition_key(&key(place))),
            false => explicit_hash_keys.extend(wire::explicit_hash_key(&key(place))),
        }
    }
    let keys_len = tables.concat().len();
    for data_len in [0, 300] {
        let data: Vec<_> = (0..=255).cycle().take(data_len).collect();
        // The record needs an entry in the partition key table to refer to.
        let entry = wire::partition_key(b"first");
        let record = wire::record(0, None, &data);
        let message = [&entry, &tables.concat()[..], &record].concat();
        let canonical = reseal(&message);
        for slack in [
            0,
            1,
            keys_len / 2,
            (keys_len + 7).saturating_sub(17),
            keys_len,
            5000,
        ] {
            let mut writer = SectionWriter::new(vec![0xa5; canonical.len() + slack]);
            let first = writer.add_partition_key(b"first").unwrap();
            for (place, is_partition_key) in is_partition_key.clone().enumerate() {
                let key = key(place);
                match is_partition_key {
                    true => drop(writer.add_partition_key(&key).unwrap()),
                    false => drop(writer.add_explicit_hash_key(&key).unwrap()),
                }
            }
            writer
                .push(first, None, &data, RecordTags::default())
                .unwrap();
            assert!(
                writer.finish().unwrap() == canonical,
                "{:?}, slack {slack}",
                is_partition_key.collect::<Vec<_>>()
            );
        }
    }
}

/// Every user record of the fixtures either converts and is read back unchanged, or is
/// rejected with the right error. Protects gateways that aggregate again what they read.
#[test]
fn a_user_record_that_was_read_can_be_written_or_the_error_states_the_reason() {
    let [mut written, mut not_utf8, mut no_hash_key] = [0; 3];
    for case in decode_cases() {
        let Ok(Some(aggregated)) = parse(&case.blob).map(Parsed::aggregated) else {
            continue;
        };
        for read in aggregated.user_records() {
            let new = match NewUserRecord::try_from(&read) {
                Ok(new) => new,
                Err(RewriteError::PartitionKeyNotUtf8 { offset }) => {
                    let key = read.partition_key().as_bytes();
                    assert!(str::from_utf8(&key[..offset]).is_ok(), "{}", case.id);
                    assert!(str::from_utf8(key).is_err(), "{}", case.id);
                    not_utf8 += 1;
                    continue;
                }
                Err(RewriteError::ExplicitHashKey(error)) => {
                    assert_eq!(read.hash_key(), Err(error), "{}", case.id);
                    no_hash_key += 1;
                    continue;
                }
                Err(error) => panic!("{}: {error}", case.id),
            };
            assert_eq!(Ok(new.hash_key()), read.hash_key(), "{}", case.id);
            if new.check_partition_key().is_err() {
                // A key that was read may be empty or too long to write.
                continue;
            }
            let mut writer = AggregateWriter::new(vec![0xa5; 1 << 20]);
            writer.try_push(&new).unwrap();
            let blob = writer.finish().unwrap().data();
            let again = kinesis_agg_tests::aggregated(blob)
                .user_records()
                .next()
                .unwrap();
            assert_eq!(again.partition_key(), read.partition_key(), "{}", case.id);
            assert_eq!(again.hash_key(), read.hash_key(), "{}", case.id);
            assert_eq!(again.data(), read.data(), "{}", case.id);
            assert_eq!(again.tags(), read.tags(), "{}", case.id);
            written += 1;
        }
    }
    assert!(written > 250, "{written}");
    assert!(not_utf8 > 0 && no_hash_key > 0, "{not_utf8}, {no_hash_key}");
}
