//! Compares hash keys with those that the KPL, the KCL and AWS's aggregation module
//! compute. Protects user records from being assigned to the wrong shard.

use kinesis_agg_codec::{
    Digest, HashKey, HashKeyError, HashKeyRange, KeyBytes, NewUserRecord, Parsed, parse,
};
use kinesis_agg_tests::aggregated;
use kinesis_agg_tests::fixtures::{hash_key_cases, range_cases};
use proptest::prelude::*;

#[test]
fn a_partition_key_has_the_hash_key_that_the_peers_compute() {
    for case in hash_key_cases() {
        let expected: u128 = case.hash_key.parse().unwrap();
        let key = case.partition_key.as_bytes();
        let hash_key = HashKey::of_partition_key(key);
        assert_eq!(hash_key.to_u128(), expected, "{}", case.partition_key);
        assert_eq!(HashKey::from(Digest::of(key)), hash_key);
        assert_eq!(hash_key.to_string(), case.hash_key);
        assert_eq!(
            HashKey::from_decimal(case.hash_key.as_bytes()),
            Ok(hash_key)
        );
        let user_record = NewUserRecord::new(&case.partition_key, b"");
        assert_eq!(user_record.hash_key(), hash_key);
        let explicit = user_record.with_explicit_hash_key(HashKey::new(7));
        assert_eq!(explicit.hash_key(), HashKey::new(7));
    }
}

#[test]
fn a_user_record_that_was_read_has_its_effective_hash_key() {
    let mut compared = 0;
    for case in range_cases() {
        assert_eq!(case.blobs.len(), case.effective_hash_keys.len());
        for (blob, hash_keys) in case.blobs.iter().zip(&case.effective_hash_keys) {
            let Some(hash_keys) = hash_keys else {
                // Some explicit hash key is not a number, or the blob is not a valid aggregate.
                if let Ok(Parsed::Aggregated(aggregated)) = parse(blob) {
                    assert!(aggregated.user_records().any(|r| r.hash_key().is_err()));
                }
                continue;
            };
            let expected: Vec<_> = hash_keys
                .iter()
                .map(|text| text.parse::<u128>().map_err(|_| HashKeyError::OutOfRange))
                .collect();
            let found: Vec<_> = aggregated(blob)
                .user_records()
                .map(|user_record| user_record.hash_key().map(HashKey::to_u128))
                .collect();
            assert_eq!(found, expected, "{}", case.id);
            compared += found.len();
        }
    }
    assert_eq!(compared, 97);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Numbers of up to 80 digits, on both sides of 2^128.
    #[test]
    fn decimal_text_parses_to_its_number(text in "[+]?(34028236692093846346337460743176821)?[0-9]{1,45}") {
        let expected = text.parse::<u128>().map_err(|_| HashKeyError::OutOfRange);
        let found = HashKey::from_decimal(text.as_bytes()).map(HashKey::to_u128);
        prop_assert_eq!(found, expected);
        let padded = format!(" \t\r\n\x0c{text} ");
        prop_assert_eq!(padded.parse::<HashKey>().map(HashKey::to_u128), expected);
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let reversed = HashKeyRange::new(HashKey::MAX, HashKey::MIN).unwrap_err();
    for (error, text) in [
        (HashKeyError::Empty.to_string(), "hash key has no digits"),
        (
            HashKeyError::NotADigit { offset: 3 }.to_string(),
            "hash key is not a decimal number: byte 3 is not a digit",
        ),
        (
            HashKeyError::OutOfRange.to_string(),
            "hash key is 2^128 or more",
        ),
        (reversed.to_string(), "hash key range starts above its end"),
    ] {
        assert_eq!(error, text);
    }
}

/// Protects log output and comparisons in consumers.
#[test]
fn keys_print_and_compare_as_text() {
    let decimal = HashKey::new(42).to_decimal();
    assert_eq!(
        format!("{decimal}|{decimal:>4}|{decimal:?}"),
        "42|  42|\"42\""
    );
    let key = KeyBytes::from("sensor-7");
    assert!(key == "sensor-7" && key == *"sensor-7");
    assert!(key != "sensor-8" && key != *"sensor-8");
    assert_eq!(key.as_ref(), b"sensor-7");
    assert_eq!(KeyBytes::from(key.as_bytes()), key);
    let not_text = KeyBytes::new(b"k\xff\"");
    assert_eq!(format!("{not_text:?}"), r#""k\xff\"""#);
    let user_record = NewUserRecord::new("k\"", b"21.5");
    assert!(format!("{user_record:?}").contains(r#"partition_key: "k\"","#));
}
