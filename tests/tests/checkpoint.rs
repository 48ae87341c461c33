//! Going on from a checkpoint. Protects that a consumer that stops anywhere,
//! also inside an aggregate, sees every user record once.

use kinesis_agg::{
    ExtendedSequenceNumber, HashKeyFilter, HashKeyRange, KinesisRecord, OwnedUserRecord,
    RecordAggregator, SequenceNumber, SequenceNumberError, deaggregate, deaggregate_batch,
};
use kinesis_agg_tests::reseal;
use proptest::prelude::*;

/// What a Kinesis record holds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Malformed,
    /// That many user records, none included.
    Aggregate(u8),
}

fn data(kind: Kind) -> bytes::Bytes {
    match kind {
        Kind::Plain => "plain".into(),
        Kind::Malformed => reseal(b"\x0a\x01a\x1a\x05\x08\x07\x1a\x01x").into(),
        Kind::Aggregate(0) => reseal(b"\x0a\x01a").into(),
        Kind::Aggregate(count) => {
            let mut aggregator = RecordAggregator::new();
            for n in 0..count {
                let user_record = OwnedUserRecord::new(format!("k{}", n % 3), vec![n]);
                aggregator.push(user_record).unwrap();
            }
            aggregator.flush().unwrap().into_parts().0
        }
    }
}

fn shard(kinds: &[(Kind, u128)]) -> Vec<KinesisRecord> {
    // Behind what 128 bits hold, as real ones are.
    let mut number = u128::MAX / 2;
    let records = kinds.iter().map(|&(kind, gap)| {
        number += gap + 1;
        KinesisRecord {
            data: data(kind),
            sequence_number: Some(format!("49590338271490256{number}")),
            ..KinesisRecord::default()
        }
    });
    records.collect()
}

type Seen = (ExtendedSequenceNumber, Vec<u8>);

fn seen(delivered: &kinesis_agg::Delivered<'_, KinesisRecord>) -> Seen {
    let number = delivered.extended_sequence_number().unwrap().unwrap();
    (number, delivered.data().to_vec())
}

fn kinds() -> impl Strategy<Value = Vec<(Kind, u128)>> {
    let kind = prop_oneof![
        Just(Kind::Plain),
        Just(Kind::Malformed),
        (0_u8..9).prop_map(Kind::Aggregate)
    ];
    prop::collection::vec((kind, 0_u128..1 << 100), 0..8)
}

proptest! {
    /// Stopping after any of them and starting anew, with the Kinesis record of
    /// the checkpoint or with everything, delivers the rest and no more.
    #[test]
    fn every_stop_goes_on_without_loss_or_repeat(kinds in kinds()) {
        let records = shard(&kinds);
        let all: Vec<_> = deaggregate_batch(&records).map(|d| seen(&d)).collect();
        let order = |w: &[Seen]| w[0].0 < w[1].0;
        prop_assert!(all.windows(2).all(order));
        for (place, (checkpoint, _)) in all.iter().enumerate() {
            let at = |record: &&KinesisRecord| {
                let number = record.sequence_number.as_deref().unwrap();
                number.parse::<SequenceNumber>().unwrap() >= checkpoint.sequence_number
            };
            let rest: Vec<_> = deaggregate_batch(records.iter().filter(at))
                .resume_after(checkpoint.clone())
                .map(|d| seen(&d))
                .collect();
            prop_assert_eq!(&rest, &all[place + 1..]);
            let rest: Vec<_> = deaggregate_batch(&records)
                .resume_after(checkpoint.clone())
                .map(|d| seen(&d))
                .collect();
            prop_assert_eq!(&rest, &all[place + 1..]);
            // One by one, as with a `Deaggregator`.
            let rest: Vec<_> = records
                .iter()
                .flat_map(|record| deaggregate(record).resume_after(checkpoint.clone()))
                .map(|d| seen(&d))
                .collect();
            prop_assert_eq!(&rest, &all[place + 1..]);
        }
    }
}

#[test]
fn before_all_records_nothing_is_skipped_and_behind_them_everything() {
    let records = shard(&[(Kind::Aggregate(3), 0), (Kind::Plain, 5)]);
    for (word, count) in [
        ("AT_TIMESTAMP", 4),
        ("TRIM_HORIZON", 4),
        ("LATEST", 4),
        ("0", 4),
        ("SHARD_END", 0),
    ] {
        let checkpoint = ExtendedSequenceNumber {
            sequence_number: word.parse().unwrap(),
            sub_sequence_number: 1,
        };
        let rest = deaggregate_batch(&records).resume_after(checkpoint);
        assert_eq!(rest.count(), count, "{word}");
    }
}

/// Once too often, rather than never.
#[test]
fn what_has_no_number_to_compare_is_delivered() {
    let mut records = shard(&[(Kind::Aggregate(2), 0), (Kind::Aggregate(2), 0)]);
    records[0].sequence_number = None;
    records[1].sequence_number = Some("x".into());
    let checkpoint = ExtendedSequenceNumber::from("7".parse::<SequenceNumber>().unwrap());
    let rest: Vec<_> = deaggregate_batch(&records)
        .resume_after(checkpoint)
        .collect();
    assert_eq!(rest.len(), 4);
    assert_eq!(rest[0].extended_sequence_number(), Ok(None));
    let error = SequenceNumberError::NotADigit { offset: 0 };
    assert_eq!(rest[2].extended_sequence_number(), Err(error));
}

/// Over used-up records, over a filter, and up to an error.
#[test]
fn skipping_goes_together_with_filtering_and_strictness() {
    let records = shard(&[
        (Kind::Malformed, 0),
        (Kind::Aggregate(4), 0),
        (Kind::Malformed, 0),
    ]);
    let all: Vec<_> = deaggregate_batch(&records).map(|d| seen(&d).0).collect();
    // Done with the second user record of four.
    let mut rest = deaggregate_batch(&records)
        .filter_by(HashKeyFilter::WholeAggregate(HashKeyRange::FULL))
        .resume_after(all[2].clone())
        .strict();
    assert_eq!(rest.next().unwrap().unwrap().sub_sequence_number(), 2);
    assert_eq!(rest.next().unwrap().unwrap().sub_sequence_number(), 3);
    assert_eq!(rest.next().unwrap().unwrap_err().record_index, 2);
    assert!(rest.next().is_none());
}

#[test]
fn a_place_is_printed_as_it_is_read() {
    let place = ExtendedSequenceNumber {
        sequence_number: "0042".parse().unwrap(),
        sub_sequence_number: 7,
    };
    assert_eq!(place.to_string(), "42:7");
    assert!(format!("{place:?}").contains("Number(42)"));
}
