//! Tests lengths and indices near the largest numbers of 16, 31, 32 and 63 bits, the integer
//! widths of different machines. A number that does not fit must cause an error that states
//! the number, and must never be truncated. `tests/portability.sh` also runs these tests
//! on a 32-bit machine, where the results must be the same.

#[cfg(feature = "std")]
use kinesis_agg::{OwnedUserRecord, RecordAggregator};
use kinesis_agg_codec::DecodeErrorKind::{ExplicitHashKeyIndex, LengthOverrun, PartitionKeyIndex};
use kinesis_agg_codec::parse;
#[cfg(feature = "std")]
use kinesis_agg_codec::{HashKey, Limits, limits::LARGEST_MAX_SIZE};
use kinesis_agg_tests::reseal;
use kinesis_agg_tests::wire::{bytes, explicit_hash_key, partition_key, record, varint};
#[cfg(feature = "std")]
use kinesis_agg_tests::{aggregated, message_of, read_with_slots};

/// Returns numbers around each edge, and numbers that would become `good` if they were
/// truncated to their low bits.
fn edges(good: u64) -> impl Iterator<Item = u64> {
    let around = [16, 31, 32, 63].into_iter().flat_map(move |bits| {
        let edge = 1_u64 << bits;
        [edge - 1, edge, edge + 1, edge + good, edge + (edge - 1)]
    });
    // With numbers near 2^64, adding an offset would wrap.
    around.chain((0..64).map(|below| u64::MAX - below))
}

/// The bytes around a field: those before it in the message, and those after it in the
/// innermost enclosing message.
type Around = (Vec<u8>, &'static [u8]);

/// Encloses a field in complete messages down to its level.
fn enclose(level: Level, field: &[u8]) -> (Vec<u8>, Around) {
    let key = partition_key(b"a");
    let within = |number, start: &[u8], field: &[u8]| {
        let whole = bytes(number, &[start, field].concat());
        let before = whole[..whole.len() - field.len()].to_vec();
        (whole, before)
    };
    match level {
        Level::Top => ([&key, field].concat(), (key, b"")),
        Level::Group => {
            let before = [&key, &b"\x2b"[..]].concat();
            ([&before, field, b"\x2c"].concat(), (before, b"\x2c"))
        }
        Level::Record => {
            let (record, before) = within(3, b"\x08\0\x1a\0", field);
            ([&key[..], &record].concat(), ([key, before].concat(), b""))
        }
        Level::Tag => {
            let (tag, before) = within(4, b"\x0a\0", field);
            let (record, outer) = within(3, b"\x08\0\x1a\0", &tag);
            (
                [&key[..], &record].concat(),
                ([key, outer, before].concat(), b""),
            )
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Level {
    Top,
    Group,
    Record,
    Tag,
}

/// Every field with a length: its level, its tag and a valid body.
const WITH_LENGTH: &[(Level, u8, &[u8])] = &[
    (Level::Top, 0x0a, b"keys"),
    (Level::Top, 0x12, b"1234"),
    (Level::Top, 0x1a, b"\x08\0\x1a\0"),
    (Level::Top, 0x2a, b"what"),
    (Level::Group, 0x0a, b"what"),
    (Level::Group, 0x2a, b"what"),
    (Level::Record, 0x1a, b"data"),
    (Level::Record, 0x22, b"\x0a\x02kk"),
    (Level::Record, 0x2a, b"what"),
    (Level::Tag, 0x0a, b"keys"),
    (Level::Tag, 0x12, b"text"),
    (Level::Tag, 0x2a, b"what"),
];

#[test]
fn a_length_beyond_its_message_is_an_overrun_whatever_its_low_bits() {
    for &(level, tag, body) in WITH_LENGTH {
        let field = |len| [&[tag][..], &varint(len), body].concat();
        let good = u64::try_from(body.len()).unwrap();
        // With the right length, the message is valid.
        let valid = reseal(&enclose(level, &field(good)).0);
        assert!(parse(&valid).is_ok(), "{level:?} {tag:#x}");
        for claimed in edges(good) {
            let (message, (before, after)) = enclose(level, &field(claimed));
            let error = parse(&reseal(&message)).unwrap_err();
            let available = u64::try_from(body.len() + after.len()).unwrap();
            assert_eq!(
                (error.kind(), error.offset()),
                (LengthOverrun { claimed, available }, 4 + before.len()),
                "{level:?} {tag:#x} {claimed:#x}"
            );
        }
    }
}

#[test]
fn an_index_beyond_its_table_is_rejected_whatever_its_low_bits() {
    let keys = [b"a", b"b", b"c", b"d"].map(|key| partition_key(key));
    let numbers = [b"1", b"2", b"3", b"4"].map(|key| explicit_hash_key(key));
    let tables = [keys.concat(), numbers.concat()].concat();
    let blob = |partition_key: u64, explicit_hash_key: u64, is_usual: bool| {
        let indices = [
            &b"\x08"[..],
            &varint(partition_key),
            b"\x10",
            &varint(explicit_hash_key),
        ];
        // Fields in the KPL's order, or in another one.
        let body = if is_usual {
            [&indices.concat()[..], b"\x1a\x01x"].concat()
        } else {
            [b"\x1a\x01x", &indices.concat()[..]].concat()
        };
        let before = 4 + tables.len() + 2 + if is_usual { 0 } else { 3 };
        let message = [&tables[..], &record(0, None, b""), &bytes(3, &body)].concat();
        let first = record(0, None, b"").len();
        (reseal(&message), before + first)
    };
    let count = 4;
    for is_usual in [true, false] {
        assert!(parse(&blob(3, 3, is_usual).0).is_ok());
        for index in edges(3) {
            let (wrong_key, at) = blob(index, 3, is_usual);
            let error = parse(&wrong_key).unwrap_err();
            let kind = PartitionKeyIndex { index, count };
            assert_eq!((error.kind(), error.offset()), (kind, at), "{index:#x}");
            let (wrong_number, at) = blob(3, index, is_usual);
            let error = parse(&wrong_number).unwrap_err();
            let kind = ExplicitHashKeyIndex { index, count };
            assert_eq!((error.kind(), error.offset()), (kind, at + 2), "{index:#x}");
        }
    }
}

/// Protects tables whose indices do not fit in 16 bits, when writing and when reading.
#[cfg(feature = "std")]
#[test]
fn more_than_65_536_keys_and_user_records_stay_distinct() {
    let count = (1 << 16) + 3;
    let key = |n: u32| format!("{n:x}");
    let limits = Limits::new().with_max_size(LARGEST_MAX_SIZE).unwrap();
    let mut aggregator = RecordAggregator::new().with_limits(limits);
    for n in 0..count {
        let user_record = OwnedUserRecord::new(key(n), n.to_be_bytes().to_vec())
            .with_explicit_hash_key(HashKey::new(u128::from(n)));
        assert!(aggregator.push(user_record).unwrap().is_none());
    }
    let aggregate = aggregator.flush().unwrap();
    let blob = aggregate.data();
    let read = read_with_slots(&aggregated(blob), usize::try_from(2 * count).unwrap());
    for (n, user_record) in (0..count).zip(&read) {
        assert_eq!(user_record.partition_key, key(n).into_bytes());
        assert_eq!(
            user_record.explicit_hash_key,
            Some(n.to_string().into_bytes())
        );
        assert_eq!(user_record.data, n.to_be_bytes());
        assert_eq!(user_record.sub_sequence_number, u64::from(n));
    }
    assert_eq!(read.len(), usize::try_from(count).unwrap());

    let message = message_of(blob);
    let index = u64::from(count);
    for (partition_key, explicit_hash_key, kind) in [
        (
            index,
            None,
            PartitionKeyIndex {
                index,
                count: index,
            },
        ),
        (
            0,
            Some(index),
            ExplicitHashKeyIndex {
                index,
                count: index,
            },
        ),
    ] {
        let one_more = record(partition_key, explicit_hash_key, b"x");
        let error = parse(&reseal(&[message, &one_more].concat())).unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}
