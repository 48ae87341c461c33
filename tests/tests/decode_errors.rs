//! Every kind of malformed message, in literal bytes, with its exact offset. Protects the
//! diagnostics that an operator sees, and consumers from user records of a blob that is
//! malformed anywhere.

use kinesis_agg_codec::DecodeErrorKind::{
    self, BlobTooLong, ExplicitHashKeyIndex, InvalidTag, LengthOverrun, MismatchedEndGroup,
    MissingField, NestingTooDeep, PartitionKeyIndex, Truncated, UnexpectedEndGroup, VarintTooLong,
};
use kinesis_agg_codec::{Parsed, RequiredField, parse, parse_without_digest};
use kinesis_agg_tests::{aggregated, reseal, wire};

/// A message, the kind of its fault, and the offset of the fault in the blob. The message
/// starts at byte 4 of the blob.
type Case = (&'static [u8], DecodeErrorKind, usize);

/// The bytes end within a field. The offset is the end of the enclosing message.
const TRUNCATED: &[Case] = &[
    (b"\x80", Truncated, 5),
    (b"\x0a\x01a\x0a", Truncated, 8),
    (b"\x0a\x80", Truncated, 6),
    (b"\x28\xff", Truncated, 6),
    (b"\x29\0\0\0\0\0\0\0", Truncated, 12),
    (b"\x2d\0\0\0", Truncated, 8),
    // A group that does not end.
    (b"\x2b", Truncated, 5),
    (b"\x2b\x30\x01", Truncated, 7),
    (b"\x2b\x33\x34", Truncated, 7),
    // A record that ends within a field although the message continues.
    (b"\x1a\x03\x08\0\x80\x0a\x01a", Truncated, 9),
    (b"\x1a\x03\x08\0\x1a\x0a\x01a", Truncated, 9),
    (b"\x1a\x02\x08\x80\x01\x0a\x01a", Truncated, 8),
    (b"\x1a\x03\x08\0\x2b\x2c\x0a\x01a", Truncated, 9),
    (b"\x1a\x04\x08\0\x29\0\0\0\0\0\0\0", Truncated, 10),
    // A tag that ends within a field although its record continues.
    (b"\x1a\x08\x08\0\x22\x01\x0a\x1a\x01x", Truncated, 11),
    (
        b"\x1a\x0b\x08\0\x22\x04\x0a\x01k\x2b\x1a\x01x",
        Truncated,
        14,
    ),
];

/// A varint has too many bytes. The offset is that of the field's tag.
const VARINT_TOO_LONG: &[Case] = &[
    // A value.
    (
        b"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        VarintTooLong { limit: 10 },
        4,
    ),
    (
        b"\x1a\x0e\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\0\x1a\0",
        VarintTooLong { limit: 10 },
        6,
    ),
    (
        b"\x2b\x30\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\0\x2c",
        VarintTooLong { limit: 10 },
        5,
    ),
    // A length, in more than ten bytes or in more than 64 bits.
    (
        b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\0",
        VarintTooLong { limit: 10 },
        4,
    ),
    (
        b"\x0a\x81\x80\x80\x80\x80\x80\x80\x80\x80\x02a",
        VarintTooLong { limit: 10 },
        4,
    ),
    (
        b"\x1a\x0d\x08\0\x1a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7e",
        VarintTooLong { limit: 10 },
        8,
    ),
    // A tag, at each level.
    (
        b"\x0a\x01a\x8a\x80\x80\x80\x80\0\x01a",
        VarintTooLong { limit: 5 },
        7,
    ),
    (
        b"\x1a\x08\x88\x80\x80\x80\x80\0\x1a\0",
        VarintTooLong { limit: 5 },
        6,
    ),
    (
        b"\x1a\x0d\x08\0\x22\x07\x8a\x80\x80\x80\x80\0\0\x1a\0",
        VarintTooLong { limit: 5 },
        10,
    ),
    (b"\x2b\xac\x80\x80\x80\x80\0", VarintTooLong { limit: 5 }, 5),
];

/// The tag is invalid. The offset is that of the tag.
const INVALID_TAG: &[Case] = &[
    (b"\0", InvalidTag { tag: 0 }, 4),
    (b"\x0a\x01a\x02\0", InvalidTag { tag: 2 }, 7),
    (b"\x04", InvalidTag { tag: 4 }, 4),
    (b"\x06", InvalidTag { tag: 6 }, 4),
    (b"\x0e", InvalidTag { tag: 14 }, 4),
    (b"\x0f", InvalidTag { tag: 15 }, 4),
    (b"\x82\0\0", InvalidTag { tag: 2 }, 4),
    (b"\x1a\x05\x08\0\x1f\x1a\0", InvalidTag { tag: 31 }, 8),
    (
        b"\x1a\x09\x08\0\x22\x03\x0a\0\x16\x1a\0",
        InvalidTag { tag: 22 },
        12,
    ),
    (b"\x2b\0\x2c", InvalidTag { tag: 0 }, 5),
    (
        b"\x82\x80\x80\x80\x10\0",
        InvalidTag { tag: 0x1_0000_0002 },
        4,
    ),
    (
        b"\x1a\x07\xff\xff\xff\xff\x7f\x1a\0",
        InvalidTag { tag: 0x7_ffff_ffff },
        6,
    ),
    (
        b"\x2b\xac\x80\x80\x80\x10",
        InvalidTag { tag: 0x1_0000_002c },
        5,
    ),
];

/// A length exceeds the rest of its message. The offset is that of the field's tag.
const LENGTH_OVERRUN: &[Case] = &[
    (
        b"\x0a\x05a",
        LengthOverrun {
            claimed: 5,
            available: 1,
        },
        4,
    ),
    (
        b"\x0a\x01",
        LengthOverrun {
            claimed: 1,
            available: 0,
        },
        4,
    ),
    (
        b"\x0a\x01a\x12\x80\x01",
        LengthOverrun {
            claimed: 128,
            available: 0,
        },
        7,
    ),
    (
        b"\x1a\x06\x08\0\x1a\x01x",
        LengthOverrun {
            claimed: 6,
            available: 5,
        },
        4,
    ),
    (
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        LengthOverrun {
            claimed: u64::MAX,
            available: 0,
        },
        4,
    ),
    (
        b"\x0a\x81\x80\x80\x80\x10a",
        LengthOverrun {
            claimed: 0x1_0000_0001,
            available: 1,
        },
        4,
    ),
    // Data beyond its record, though not beyond the message.
    (
        b"\x1a\x05\x08\0\x1a\x02x\x0a\x01a",
        LengthOverrun {
            claimed: 2,
            available: 1,
        },
        8,
    ),
    // A tag beyond its record, a tag's key beyond its tag.
    (
        b"\x1a\x08\x1a\0\x08\0\x22\x03\x0a\0\x0a\x01a",
        LengthOverrun {
            claimed: 3,
            available: 2,
        },
        10,
    ),
    (
        b"\x1a\x08\x08\0\x22\x02\x0a\x02\x1a\0",
        LengthOverrun {
            claimed: 2,
            available: 0,
        },
        10,
    ),
    // An unknown field, outside and inside a group.
    (
        b"\x2a\x02x",
        LengthOverrun {
            claimed: 2,
            available: 1,
        },
        4,
    ),
    (
        b"\x2b\x32\x02\x2c",
        LengthOverrun {
            claimed: 2,
            available: 1,
        },
        5,
    ),
];

/// The end of a group is wrong. The offset is that of its tag.
const GROUPS: &[Case] = &[
    (b"\x2c", UnexpectedEndGroup { field_number: 5 }, 4),
    (b"\x0a\x01a\x0c", UnexpectedEndGroup { field_number: 1 }, 7),
    (b"\x2b\x2c\x2c", UnexpectedEndGroup { field_number: 5 }, 6),
    (
        b"\x1a\x05\x08\0\x0c\x1a\0",
        UnexpectedEndGroup { field_number: 1 },
        8,
    ),
    (
        b"\x1a\x09\x08\0\x22\x03\x0a\0\x14\x1a\0",
        UnexpectedEndGroup { field_number: 2 },
        12,
    ),
    // A group cannot extend beyond its record.
    (
        b"\x2b\x1a\x01\x2c\x2c\x2c",
        UnexpectedEndGroup { field_number: 5 },
        9,
    ),
    (
        b"\x2b\x34",
        MismatchedEndGroup {
            started: 5,
            ended: 6,
        },
        5,
    ),
    (
        b"\x2b\x33\x2c\x34",
        MismatchedEndGroup {
            started: 6,
            ended: 5,
        },
        6,
    ),
    (
        b"\x1a\x06\x08\0\x1b\x0c\x1a\0",
        MismatchedEndGroup {
            started: 3,
            ended: 1,
        },
        9,
    ),
    (
        b"\x1a\x0a\x08\0\x22\x04\x0a\0\x3b\x34\x1a\0",
        MismatchedEndGroup {
            started: 7,
            ended: 6,
        },
        13,
    ),
];

const PARTITION_KEY_INDEX: DecodeErrorKind = MissingField {
    field: RequiredField::PartitionKeyIndex,
};
const DATA: DecodeErrorKind = MissingField {
    field: RequiredField::Data,
};
const TAG_KEY: DecodeErrorKind = MissingField {
    field: RequiredField::TagKey,
};

/// A required field is missing. The offset is that of the tag of the message that lacks
/// it.
const MISSING: &[Case] = &[
    (b"\x0a\x01a\x1a\x02\x1a\0", PARTITION_KEY_INDEX, 7),
    (b"\x0a\x01a\x1a\0", PARTITION_KEY_INDEX, 7),
    (b"\x0a\x01a\x1a\x02\x08\0", DATA, 7),
    (
        b"\x0a\x01a\x1a\x04\x08\0\x1a\0\x1a\x04\x08\0\x10\0",
        DATA,
        13,
    ),
    // A known number with another wire type is another, unknown field.
    (b"\x0a\x01a\x1a\x05\x0a\x01\0\x1a\0", PARTITION_KEY_INDEX, 7),
    (b"\x0a\x01a\x1a\x04\x08\0\x18\0", DATA, 7),
    (b"\x0a\x01a\x1a\x06\x08\0\x1a\0\x22\0", TAG_KEY, 13),
    (
        b"\x0a\x01a\x1a\x09\x08\0\x1a\0\x22\x03\x12\x01v",
        TAG_KEY,
        13,
    ),
    (b"\x0a\x01a\x1a\x08\x08\0\x1a\0\x22\x02\x08\0", TAG_KEY, 13),
    (
        b"\x0a\x01a\x1a\x0a\x22\x02\x0a\0\x22\0\x08\0\x1a\0",
        TAG_KEY,
        13,
    ),
];

const fn partition_key_index(index: u64, count: u64) -> DecodeErrorKind {
    PartitionKeyIndex { index, count }
}

const fn explicit_hash_key_index(index: u64, count: u64) -> DecodeErrorKind {
    ExplicitHashKeyIndex { index, count }
}

/// An index is outside its table. The offset is that of the index field's tag.
const INDICES: &[Case] = &[
    (b"\x1a\x04\x08\0\x1a\0", partition_key_index(0, 0), 6),
    (
        b"\x0a\x01a\x1a\x04\x08\x01\x1a\0",
        partition_key_index(1, 1),
        9,
    ),
    (
        b"\x0a\x01a\x1a\x04\x1a\0\x08\x01",
        partition_key_index(1, 1),
        11,
    ),
    // Explicit hash keys do not count as partition keys.
    (
        b"\x0a\x01a\x12\x01\x37\x1a\x04\x08\x01\x1a\0",
        partition_key_index(1, 1),
        12,
    ),
    (
        b"\x0a\x01a\x1a\x06\x08\0\x10\0\x1a\0",
        explicit_hash_key_index(0, 0),
        11,
    ),
    (
        b"\x0a\x01a\x0a\x01b\x12\x01\x37\x1a\x06\x08\x01\x10\x01\x1a\0",
        explicit_hash_key_index(1, 1),
        17,
    ),
    // 2^32 must not be truncated to 0, and 2^64 - 1 must not wrap.
    (
        b"\x0a\x01a\x1a\x08\x08\x80\x80\x80\x80\x10\x1a\0",
        partition_key_index(1 << 32, 1),
        9,
    ),
    (
        b"\x0a\x01a\x1a\x0d\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\0",
        partition_key_index(u64::MAX, 1),
        9,
    ),
    (
        b"\x0a\x01a\x12\x01\x37\x1a\x0f\x08\0\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\0",
        explicit_hash_key_index(u64::MAX, 1),
        14,
    ),
    // If an index is given twice, the last one is used.
    (
        b"\x0a\x01a\x1a\x06\x08\0\x08\x01\x1a\0",
        partition_key_index(1, 1),
        11,
    ),
    // The table may follow the record.
    (
        b"\x1a\x04\x08\x02\x1a\0\x0a\x01a\x0a\x01b",
        partition_key_index(2, 2),
        6,
    ),
    // The first fault in record order is reported.
    (
        b"\x0a\x01a\x1a\x04\x08\0\x1a\0\x1a\x04\x08\x07\x1a\0\x1a\x04\x08\x08\x1a\0",
        partition_key_index(7, 1),
        15,
    ),
    (
        b"\x0a\x01a\x1a\x06\x08\0\x10\x03\x1a\0\x1a\x04\x08\x09\x1a\0",
        explicit_hash_key_index(3, 0),
        11,
    ),
    // Structural faults are reported before index faults.
    (
        b"\x1a\x04\x08\x05\x1a\0\x2c",
        UnexpectedEndGroup { field_number: 5 },
        10,
    ),
    (b"\x1a\x04\x08\x05\x1a\0\x1a\x02\x08\0", DATA, 10),
];

/// The first structural fault in byte order is reported.
const ORDER: &[Case] = &[
    (b"\x2c\0", UnexpectedEndGroup { field_number: 5 }, 4),
    (b"\0\x2c", InvalidTag { tag: 0 }, 4),
    // A missing field is known only at the end of the record.
    (b"\x1a\x03\x08\0\0", InvalidTag { tag: 0 }, 8),
    (b"\x1a\x02\x08\0\0", DATA, 4),
];

const ALL: &[&[Case]] = &[
    TRUNCATED,
    VARINT_TOO_LONG,
    INVALID_TAG,
    LENGTH_OVERRUN,
    GROUPS,
    MISSING,
    INDICES,
    ORDER,
];

#[test]
fn each_fault_is_reported_with_its_kind_and_offset() {
    for &(message, kind, offset) in ALL.iter().copied().flatten() {
        let blob = reseal(message);
        match parse(&blob) {
            Err(error) => assert_eq!(
                (error.kind(), error.offset()),
                (kind, offset),
                "{}",
                hex::encode(message)
            ),
            Ok(valid) => panic!("{}: {valid:?}", hex::encode(message)),
        }
    }
}

#[test]
fn groups_nest_up_to_100_levels_enclosing_messages_included() {
    let groups = |depth| [[0x2b].repeat(depth), [0x2c].repeat(depth)].concat();
    let record = |rest: &[u8]| wire::bytes(3, &[b"\x08\0\x1a\0", rest].concat());
    let tag = |rest: &[u8]| wire::bytes(4, &[b"\x0a\x01k", rest].concat());
    let in_message = |depth| groups(depth);
    let in_record = |depth| record(&groups(depth));
    let in_tag = |depth| record(&tag(&groups(depth)));
    let levels: [(_, _, &dyn Fn(usize) -> Vec<u8>); 3] = [
        (100, 7, &in_message),
        (99, 14, &in_record),
        (98, 20, &in_tag),
    ];
    for (limit, first_group, message) in levels {
        let blob = |depth| reseal(&[b"\x0a\x01a".to_vec(), message(depth)].concat());
        let deepest = blob(limit);
        assert_eq!(aggregated(&deepest).partition_key_count(), 1);
        let error = parse(&blob(limit + 1)).unwrap_err();
        assert_eq!(error.kind(), NestingTooDeep);
        assert_eq!(error.offset(), first_group + limit, "limit {limit}");
    }
}

/// Offsets have 32 bits. The buffer is allocated, but only its start is touched.
#[cfg(target_pointer_width = "64")]
#[test]
fn a_blob_beyond_32_bits_is_rejected_before_it_is_read() {
    let mut blob = vec![0; (1 << 32) + 16];
    blob[..4].copy_from_slice(&kinesis_agg_codec::MAGIC);
    let error = parse_without_digest(&blob).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (BlobTooLong, 0));
    // A blob that is one byte shorter is parsed; its message starts with field number 0.
    let error = parse_without_digest(&blob[..blob.len() - 1]).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (InvalidTag { tag: 0 }, 4));
}

#[test]
fn a_wrong_digest_makes_a_blob_plain_and_faults_are_found_without_it() {
    for &(message, kind, offset) in ALL.iter().copied().flatten() {
        let mut blob = reseal(message);
        *blob.last_mut().unwrap() ^= 1;
        assert!(matches!(parse(&blob), Ok(Parsed::Plain(_))));
        let error = parse_without_digest(&blob).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (kind, offset));
    }
}

#[test]
fn errors_say_what_is_wrong() {
    for (kind, text) in [
        (Truncated, "message ends within a field"),
        (VarintTooLong { limit: 5 }, "varint has more than 5 bytes"),
        (InvalidTag { tag: 2 }, "field number 0"),
        (InvalidTag { tag: 6 }, "field number 0"),
        (InvalidTag { tag: 14 }, "unknown wire type 6"),
        (InvalidTag { tag: 15 }, "unknown wire type 7"),
        (
            InvalidTag { tag: (1 << 32) + 2 },
            "field tag 4294967298 does not fit 32 bits",
        ),
        (
            LengthOverrun {
                claimed: 5,
                available: 1,
            },
            "field of 5 bytes exceeds the 1 that remain",
        ),
        (
            UnexpectedEndGroup { field_number: 5 },
            "group 5 ends without a start",
        ),
        (
            MismatchedEndGroup {
                started: 5,
                ended: 6,
            },
            "group 5 ends as group 6",
        ),
        (NestingTooDeep, "groups are nested too deeply"),
        (
            PARTITION_KEY_INDEX,
            "required field partition_key_index is missing",
        ),
        (DATA, "required field data is missing"),
        (TAG_KEY, "required field key is missing"),
        (
            partition_key_index(7, 3),
            "partition key index 7 outside table of 3",
        ),
        (
            explicit_hash_key_index(7, 3),
            "explicit hash key index 7 outside table of 3",
        ),
        (BlobTooLong, "blob longer than 32 bits can address"),
    ] {
        assert_eq!(kind.to_string(), text);
    }
    let blob = reseal(b"\x0a\x01a\x1a\x04\x08\x01\x1a\0");
    assert_eq!(
        parse(&blob).unwrap_err().to_string(),
        "partition key index 1 outside table of 1 at byte 9"
    );
}
