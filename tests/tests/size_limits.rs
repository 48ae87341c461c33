//! Tests inputs near 1 MiB, for which other programs lose user records, write empty
//! aggregates or write records that the service rejects. Our writer must do none of these,
//! and must fill aggregates as far as possible.

use kinesis_agg_codec::{
    AggregateWriter, EncodeError, EncodedPart, HashKey, NewUserRecord, OuterKey, Parsed, parse,
};
use kinesis_agg_tests::fixtures::{LimitInput, limit_cases};

const MAX_SIZE: usize = 1 << 20;

/// Returns the encoded length of a field whose content has `len` bytes.
fn field_len(len: usize) -> usize {
    let len_len = match len {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => panic!("{len}"),
    };
    1 + len_len + len
}

/// Returns the size of a Kinesis record that holds only this user record.
fn size_alone(input: &LimitInput) -> usize {
    let (ehk_len, ehk_index_len) = match &input.explicit_hash_key {
        Some(key) => (field_len(key.len()), 2),
        None => (0, 0),
    };
    let record_len = field_len(2 + ehk_index_len + field_len(input.zero_bytes));
    let key_len = input.partition_key.len();
    20 + field_len(key_len) + ehk_len + record_len + key_len
}

#[test]
fn no_user_record_is_lost_near_the_1_mib_limit() {
    let zeros = vec![0; MAX_SIZE + 100];
    let mut too_large = 0;
    for case in limit_cases() {
        let id = &case.id;
        let mut writer = AggregateWriter::new(vec![0xa5; MAX_SIZE + 100]);
        let mut blobs: Vec<(Vec<u8>, usize)> = Vec::new();
        let mut put = 0;
        for input in &case.input {
            let key = &input.partition_key;
            assert!(!key.contains("{i}"), "{id}: {{i}} is not supported here");
            let ehk = input.explicit_hash_key.as_deref();
            let ehk = ehk.map(|text| text.parse::<HashKey>().unwrap());
            let user_record = NewUserRecord::new(&input.partition_key, &zeros[..input.zero_bytes])
                .with_explicit_hash_key(ehk);
            let alone = u32::try_from(size_alone(input)).unwrap();
            let key_len = u32::try_from(key.len()).unwrap();
            assert_eq!(writer.size_alone(&user_record), alone, "{id}");
            assert_eq!(writer.encoded_len_alone(&user_record), alone - key_len);
            if size_alone(input) > MAX_SIZE {
                let rejected = EncodeError::TooLarge {
                    part: EncodedPart::UserRecord,
                    needed: alone,
                    limit: 1 << 20,
                };
                assert_eq!(writer.try_push(&user_record), Err(rejected), "{id}");
                too_large += input.count;
                continue;
            }
            for _ in 0..input.count {
                put += 1;
                let Err(error) = writer.try_push(&user_record) else {
                    continue;
                };
                let outer_len = u32::try_from(input.partition_key.len()).unwrap();
                let needed = writer.encoded_len_with(&user_record) + outer_len;
                assert!(needed > 1 << 20, "{id}: full at {needed}");
                assert_eq!(
                    error,
                    EncodeError::Full {
                        needed,
                        limit: 1 << 20
                    },
                    "{id}"
                );
                let aggregate = writer.finish().unwrap();
                blobs.push((aggregate.data().to_vec(), aggregate.partition_key().len()));
                writer.try_push(&user_record).unwrap();
            }
        }
        match writer.finish() {
            Ok(aggregate) => {
                blobs.push((aggregate.data().to_vec(), aggregate.partition_key().len()));
            }
            Err(error) => assert_eq!((error, put), (EncodeError::Empty, 0), "{id}"),
        }
        let mut read = 0;
        for (blob, outer_len) in &blobs {
            assert!(blob.len() + outer_len <= MAX_SIZE, "{id}");
            let Ok(Parsed::Aggregated(aggregated)) = parse(blob) else {
                panic!("{id}: not aggregated");
            };
            assert!(aggregated.record_count() > 0, "{id}");
            for user_record in aggregated.user_records() {
                let input = &case.input[0];
                assert!(user_record.partition_key() == *input.partition_key, "{id}");
                let zeros = &zeros[..input.zero_bytes];
                assert!(user_record.data() == zeros, "{id}");
                read += 1;
            }
        }
        assert_eq!(read, put, "{id}");
    }
    assert_eq!(too_large, 12);
}

#[test]
fn the_largest_user_record_fills_a_kinesis_record_to_the_byte() {
    let zeros = vec![0; MAX_SIZE];
    let mut input = LimitInput {
        count: 1,
        partition_key: "a".into(),
        explicit_hash_key: None,
        zero_bytes: 0,
    };
    input.zero_bytes = (0..MAX_SIZE)
        .rev()
        .find(|&zero_bytes| {
            input.zero_bytes = zero_bytes;
            size_alone(&input) == MAX_SIZE
        })
        .unwrap();
    let mut writer = AggregateWriter::new(vec![0xa5; MAX_SIZE]);
    let one_more = NewUserRecord::new("a", &zeros[..=input.zero_bytes]);
    assert!(!writer.fits(&one_more));
    let largest = NewUserRecord::new("a", &zeros[..input.zero_bytes]);
    assert!(writer.fits(&largest));
    writer.try_push(&largest).unwrap();
    let aggregate = writer.finish().unwrap();
    assert_eq!(aggregate.data().len() + 1, MAX_SIZE);
}

/// Under every outer key, the sizes before and after each push are those of the Kinesis record.
#[test]
fn predicted_sizes_are_those_of_the_finished_kinesis_record() {
    let hash_key = HashKey::new(7);
    let user_records = [
        NewUserRecord::new("sensor-7", b"21.5"),
        NewUserRecord::new("k", b""),
        NewUserRecord::new("a longer partition key", b"22").with_explicit_hash_key(hash_key),
        NewUserRecord::new("sensor-7", &[0; 200]),
    ];
    for outer_key in [
        OuterKey::FirstUserRecord,
        OuterKey::Kpl,
        OuterKey::Chosen("fleet-3"),
    ] {
        for count in 1..=user_records.len() {
            let mut writer = AggregateWriter::new([0; 1024]).with_outer_key(outer_key);
            for user_record in &user_records[..count] {
                let size = writer.size_with(user_record);
                writer.try_push(user_record).unwrap();
                assert_eq!(writer.size(), size, "{outer_key:?}, {user_record:?}");
            }
            let size = usize::try_from(writer.size()).unwrap();
            let aggregate = writer.finish().unwrap();
            let actual = aggregate.data().len() + aggregate.partition_key().len();
            assert_eq!(size, actual, "{outer_key:?}, {count} user records");
        }
    }
}
