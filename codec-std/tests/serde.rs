//! Tests that serialized values deserialize to the same values. Protects stored
//! checkpoints and records from changing when they are read back.

use kinesis_agg::{
    ExtendedSequenceNumber, HashKey, KinesisRecord, OwnedUserRecord, SequenceNumber,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(value: &T) -> String {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value);
    json
}

#[test]
fn a_checkpoint_serializes_as_text() {
    let checkpoint: ExtendedSequenceNumber = "42:7".parse().unwrap();
    assert_eq!(round_trip(&checkpoint), r#""42:7""#);
    assert_eq!(round_trip(&checkpoint.sequence_number), r#""42""#);
    round_trip(&ExtendedSequenceNumber::after_record(
        checkpoint.sequence_number,
    ));
    assert_eq!(
        round_trip(&SequenceNumber::TrimHorizon),
        r#""TRIM_HORIZON""#
    );
    let error = serde_json::from_str::<ExtendedSequenceNumber>(r#""42""#).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("extended sequence number has no `:`")
    );
}

#[test]
fn owned_records_serialize_as_structs() {
    let user_record = OwnedUserRecord::new("key", vec![0, 255])
        .with_explicit_hash_key(HashKey::MAX)
        .with_tag("unit", Some("C"))
        .with_tag("flag", None);
    let json = round_trip(&user_record);
    assert!(json.starts_with(
        r#"{"partition_key":"key","explicit_hash_key":"340282366920938463463374607431768211455","data":[0,255],"#
    ));
    let short = r#"{"partition_key":"key","data":[1]}"#;
    assert_eq!(
        serde_json::from_str::<OwnedUserRecord>(short).unwrap(),
        OwnedUserRecord::new("key", vec![1])
    );
    let wrong = r#"{"partition_key":"key","data":[1],"explicit_hash_key":"x"}"#;
    assert!(serde_json::from_str::<OwnedUserRecord>(wrong).is_err());
    round_trip(&KinesisRecord {
        data: "data".into(),
        sequence_number: Some("42".into()),
        ..KinesisRecord::default()
    });
}
