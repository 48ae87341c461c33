//! Tests Kinesis records that the real KPL wrote. Reading them must return the user records
//! that were put, and writing these must give the same bytes.

use kinesis_agg_codec::{
    AggregateWriter, HashKey, NewUserRecord, OuterKey, Parsed, PlainReason, parse,
};
use kinesis_agg_tests::fixtures::kpl_cases;
use kinesis_agg_tests::{Read, aggregated, read_with_slots};

#[test]
fn kpl_records_are_read_and_reproduced_byte_for_byte() {
    for case in kpl_cases() {
        let id = &case.id;
        if !case.aggregated {
            assert!(matches!(
                parse(&case.blob),
                Ok(Parsed::Plain(PlainReason::NoMagic))
            ));
            assert_eq!(case.expected_records[0].data, case.blob);
            continue;
        }
        let put: Vec<Read> = (0..)
            .zip(&case.expected_records)
            .map(|(sub_sequence_number, record)| Read {
                partition_key: record.partition_key.clone().into_bytes(),
                explicit_hash_key: record.explicit_hash_key.clone().map(String::into_bytes),
                data: record.data.clone(),
                tags: Vec::new(),
                sub_sequence_number,
            })
            .collect();
        assert!(put.len() > 1, "{id}");
        assert_eq!(read_with_slots(&aggregated(&case.blob), 16), put, "{id}");

        let mut buffer = vec![0xa5; case.blob.len()];
        let mut writer = AggregateWriter::new(&mut buffer[..]).with_outer_key(OuterKey::Kpl);
        for record in &case.expected_records {
            let explicit_hash_key = record.explicit_hash_key.as_deref();
            let explicit_hash_key = explicit_hash_key.map(|text| text.parse::<HashKey>().unwrap());
            let user_record = NewUserRecord::new(&record.partition_key, &record.data)
                .with_explicit_hash_key(explicit_hash_key);
            writer.try_push(&user_record).unwrap();
        }
        let aggregate = writer.finish().unwrap();
        assert_eq!(aggregate.data(), case.blob, "{id}");
        assert_eq!(aggregate.partition_key(), "a", "{id}");
    }
}
