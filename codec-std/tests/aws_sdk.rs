//! The SDK's records in and out. Protects that no data is copied on the way and
//! that absent keys stay absent.

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Record};
use kinesis_agg::write::OuterKey;
use kinesis_agg::{
    EnclosingRecord as _, HashKey, KinesisRecord, OwnedAggregate, OwnedUserRecord,
    RecordAggregator, deaggregate,
};

fn aggregate(outer_key: OuterKey) -> OwnedAggregate {
    let mut aggregator = RecordAggregator::new().with_outer_key(outer_key);
    for n in 0..3 {
        let user_record = OwnedUserRecord::new(format!("key-{n}"), format!("data {n}"));
        assert!(aggregator.push(user_record).unwrap().is_none());
    }
    aggregator.flush().unwrap()
}

fn record(data: impl Into<Vec<u8>>, partition_key: Option<&str>) -> Record {
    Record::builder()
        .sequence_number("49590338271490256608559692538361571095921575989136588898")
        .data(Blob::new(data))
        .set_partition_key(partition_key.map(Into::into))
        .build()
        .unwrap()
}

#[test]
fn user_records_borrow_from_the_sdk_s_record() {
    let blob = aggregate(OuterKey::default()).data().to_vec();
    let records = [
        record(blob, None),
        record("plain", Some("p")),
        record("", None),
    ];
    let memory = records[0].data().as_ref().as_ptr_range();
    let delivered: Vec<_> = deaggregate(&records).collect();
    assert_eq!(delivered.len(), 5);
    for (n, user_record) in delivered[..3].iter().enumerate() {
        assert_eq!(user_record.data(), format!("data {n}").as_bytes());
        assert!(memory.contains(&user_record.data().as_ptr()));
        assert_eq!(
            user_record.sequence_number(),
            Some(records[0].sequence_number())
        );
    }
    assert_eq!(delivered[3].partition_key().unwrap(), "p");
    // Automatic record distribution needs no key.
    assert!(delivered[4].partition_key().is_none());
}

#[test]
fn a_record_gives_its_memory_away() {
    let record = record("plain", Some("p"));
    let memory = record.data().as_ref().as_ptr();
    let number = record.sequence_number().to_owned();
    let ours = KinesisRecord::from(record);
    assert_eq!(ours.data.as_ptr(), memory);
    assert_eq!(ours.partition_key(), Some("p"));
    assert_eq!(ours.sequence_number, Some(number));
    assert_eq!(ours.explicit_hash_key, None);
}

#[test]
fn an_aggregate_becomes_an_entry_under_its_keys() {
    for (outer_key, partition_key, explicit_hash_key) in [
        (OuterKey::FirstUserRecord, "key-0", None),
        (
            OuterKey::Kpl,
            "a",
            Some(HashKey::of_partition_key(b"key-0").to_string()),
        ),
    ] {
        let aggregate = aggregate(outer_key);
        let memory = aggregate.data().as_ptr();
        let expected = aggregate.data().clone();
        let entry = PutRecordsRequestEntry::try_from(aggregate).unwrap();
        assert_eq!(entry.data().as_ref(), expected);
        assert_eq!(entry.data().as_ref().as_ptr(), memory);
        assert_eq!(entry.partition_key(), Some(partition_key));
        assert_eq!(entry.explicit_hash_key, explicit_hash_key);
        // And back, as a consumer gets it.
        let back = record(entry.data.into_inner(), Some(partition_key));
        assert_eq!(deaggregate(&[back]).count(), 3);
    }
}
