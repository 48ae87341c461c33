//! Tests the conversions from and to types of the SDK. Protects consumers and producers from
//! copies of the data, and from keys that the input does not have.

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::put_records::PutRecordsError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    HashKeyRange as ListedRange, PutRecordsRequestEntry, PutRecordsResultEntry, Record,
    SequenceNumberRange, Shard as ListedShard,
};
use kinesis_agg::producer::{ListShardsError, PutResult, RequestFailure};
use kinesis_agg::write::OuterKey;
use kinesis_agg::{
    EnclosingRecord as _, HashKey, KinesisRecord, OwnedAggregate, OwnedUserRecord,
    RecordAggregator, Shard, deaggregate,
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
fn user_records_borrow_from_the_sdk_record() {
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
    // With automatic record distribution, a record needs no key.
    assert!(delivered[4].partition_key().is_none());
}

#[test]
fn an_sdk_record_converts_to_a_kinesis_record_without_copying_its_data() {
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
fn an_aggregate_converts_to_a_put_entry_with_its_keys() {
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
        // And back, as a consumer receives it.
        let back = record(entry.data.into_inner(), Some(partition_key));
        assert_eq!(deaggregate(&[back]).count(), 3);
    }
}

#[test]
fn a_put_result_is_stored_only_with_shard_and_sequence_number_and_no_error_code() {
    let full = PutRecordsResultEntry::builder()
        .shard_id("shardId-000000000001")
        .sequence_number("7");
    let stored = PutResult::Stored {
        shard_id: "shardId-000000000001".into(),
        sequence_number: "7".into(),
    };
    assert_eq!(PutResult::from(full.clone().build()), stored);
    let rejected = |code: &str, message: &str| PutResult::Rejected {
        code: code.into(),
        message: message.into(),
    };
    let failed = full.error_code("InternalFailure").error_message("again");
    let failed = PutResult::from(failed.build());
    assert_eq!(failed, rejected("InternalFailure", "again"));
    let nothing = PutRecordsResultEntry::builder().build();
    assert_eq!(PutResult::from(nothing), rejected("NoShardId", ""));
}

fn listed(starting: &str, ending: &str, last_number: Option<&str>) -> ListedShard {
    let range = ListedRange::builder()
        .starting_hash_key(starting)
        .ending_hash_key(ending);
    let numbers = SequenceNumberRange::builder()
        .starting_sequence_number("1")
        .set_ending_sequence_number(last_number.map(Into::into));
    ListedShard::builder()
        .shard_id("shardId-000000000002")
        .parent_shard_id("shardId-000000000000")
        .adjacent_parent_shard_id("shardId-000000000001")
        .hash_key_range(range.build().unwrap())
        .sequence_number_range(numbers.build().unwrap())
        .build()
        .unwrap()
}

#[test]
fn a_listed_shard_converts_with_its_range_parents_and_state_or_a_range_error() {
    let largest = u128::MAX.to_string();
    let open = Shard::try_from(&listed("5", &largest, None)).unwrap();
    let range = open.hash_key_range();
    assert_eq!(range.starting_hash_key(), HashKey::new(5));
    assert_eq!(range.ending_hash_key(), HashKey::MAX);
    let parents: Vec<_> = open.parents().iter().map(|id| &**id).collect();
    assert_eq!(parents, ["shardId-000000000000", "shardId-000000000001"]);
    assert!(open.is_open());
    assert!(
        !Shard::try_from(&listed("5", "6", Some("9")))
            .unwrap()
            .is_open()
    );
    for (starting, ending) in [("6", "5"), ("", "5"), ("0", "x")] {
        let error = Shard::try_from(&listed(starting, ending, None)).unwrap_err();
        assert_eq!(error, ListShardsError::Range("shardId-000000000002".into()));
    }
}

/// Protects the producer, which handles each kind of failure differently.
#[test]
fn an_sdk_error_maps_to_a_request_failure_by_its_code_and_status() {
    let failure = |code: &str, message: Option<&str>, status: u16| {
        let meta = ErrorMetadata::builder().code(code);
        let meta = match message {
            Some(message) => meta.message(message),
            None => meta,
        };
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        let error = PutRecordsError::generic(meta.build());
        RequestFailure::from(&SdkError::service_error(error, response))
    };
    let text = "AccessDeniedException: not for you";
    assert_eq!(
        failure("AccessDeniedException", Some("not for you"), 400),
        RequestFailure::AccessDenied(text.into())
    );
    let code = "ResourceNotFoundException";
    assert_eq!(
        failure(code, None, 400),
        RequestFailure::StreamNotFound(code.into())
    );
    let code = "ValidationException";
    assert_eq!(
        failure(code, None, 400),
        RequestFailure::Rejected(code.into())
    );
    let code = "InternalFailure";
    assert_eq!(
        failure(code, None, 500),
        RequestFailure::NoAnswer(code.into())
    );
    assert_eq!(
        failure(code, None, 413),
        RequestFailure::Rejected(code.into())
    );
    let timeout = SdkError::<PutRecordsError>::timeout_error("too slow");
    let RequestFailure::NoAnswer(text) = RequestFailure::from(&timeout) else {
        panic!("{timeout:?}");
    };
    assert!(text.contains("too slow"), "{text}");
}
