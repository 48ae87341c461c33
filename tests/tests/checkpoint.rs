//! Tests resuming from a checkpoint. A consumer that stops anywhere, even inside an
//! aggregate, must see every user record exactly once.

use kinesis_agg::read::SequenceNumberError;
use kinesis_agg::{
    Deaggregator, Delivered, EnclosingRecord, ExtendedSequenceNumber, HashKey, HashKeyFilter,
    HashKeyRange, KinesisRecord, OwnedUserRecord, RecordAggregator, SequenceNumber, deaggregate,
};
use kinesis_agg_tests::reseal;
use proptest::prelude::*;

/// The content of a Kinesis record.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Malformed,
    /// The number of user records, which may be 0.
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
    // Like real sequence numbers, these do not fit in 128 bits.
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

fn seen<R: EnclosingRecord>(delivered: &Delivered<'_, R>) -> Seen {
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
    /// A consumer that stops after any user record and starts again, either from the
    /// Kinesis record of the checkpoint or from the beginning, gets exactly the rest.
    #[test]
    fn resuming_after_any_user_record_neither_loses_nor_repeats(kinds in kinds()) {
        let records = shard(&kinds);
        let all: Vec<_> = deaggregate(&records).map(|d| seen(&d)).collect();
        let order = |w: &[Seen]| w[0].0 < w[1].0;
        prop_assert!(all.windows(2).all(order));
        for (place, (checkpoint, _)) in all.iter().enumerate() {
            let at = |record: &&KinesisRecord| {
                let number = record.sequence_number.as_deref().unwrap();
                number.parse::<SequenceNumber>().unwrap() >= checkpoint.sequence_number
            };
            let from: Vec<_> = records.iter().filter(at).collect();
            let mut deaggregator = Deaggregator::new().resume_after(checkpoint.clone());
            let rest: Vec<_> = deaggregator.deaggregate(&from).map(|d| seen(&d)).collect();
            prop_assert_eq!(&rest, &all[place + 1..]);
            let rest: Vec<_> = deaggregator.deaggregate(&records).map(|d| seen(&d)).collect();
            prop_assert_eq!(&rest, &all[place + 1..]);
            let one_by_one = records.iter().flat_map(|record| {
                let rest = deaggregator.deaggregate_one(record);
                rest.map(|d| seen(&d)).collect::<Vec<_>>()
            });
            prop_assert_eq!(&one_by_one.collect::<Vec<_>>(), &all[place + 1..]);
        }
    }
}

#[test]
fn sentinels_before_all_records_skip_nothing_and_shard_end_skips_everything() {
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
        let mut deaggregator = Deaggregator::new().resume_after(checkpoint.clone());
        let mut rest = deaggregator.deaggregate(&records);
        assert_eq!(rest.by_ref().count(), count, "{word}");
        // The new checkpoint is never before the one that was resumed from.
        let end = rest.checkpoint().unwrap().unwrap();
        assert!(end >= checkpoint && end.is_after_record() == (word != "SHARD_END"));
    }
}

/// Protects consumers from losing such records: they may be delivered twice, but must never
/// be skipped.
#[test]
fn records_without_a_valid_sequence_number_are_delivered() {
    let mut records = shard(&[(Kind::Aggregate(2), 0), (Kind::Aggregate(2), 0)]);
    records[0].sequence_number = None;
    records[1].sequence_number = Some("x".into());
    let checkpoint = ExtendedSequenceNumber::from("7".parse::<SequenceNumber>().unwrap());
    let mut deaggregator = Deaggregator::new().resume_after(checkpoint);
    let mut reading = deaggregator.deaggregate(&records);
    let rest: Vec<_> = reading.by_ref().collect();
    assert_eq!(rest.len(), 4);
    assert_eq!(rest[0].extended_sequence_number(), Ok(None));
    let error = SequenceNumberError::NotADigit { offset: 0 };
    assert_eq!(rest[2].extended_sequence_number(), Err(error));
    assert_eq!(reading.checkpoint(), Err(error));
}

/// A consumer that stores the iterator's checkpoint loses nothing wherever it stops, and
/// makes progress past Kinesis records of which nothing is delivered.
#[test]
fn the_checkpoint_covers_records_that_were_left_out_or_skipped() {
    let records = shard(&[
        (Kind::Aggregate(3), 0),
        (Kind::Aggregate(0), 0),
        (Kind::Plain, 0),
        (Kind::Aggregate(2), 0),
        (Kind::Aggregate(4), 0),
    ]);
    let number = |place: usize| -> SequenceNumber {
        records[place]
            .sequence_number
            .as_deref()
            .unwrap()
            .parse()
            .unwrap()
    };
    let within = |place: usize, sub_sequence_number| {
        Some(ExtendedSequenceNumber {
            sequence_number: number(place),
            sub_sequence_number,
        })
    };
    let after = |place| Some(ExtendedSequenceNumber::after_record(number(place)));
    let mut deaggregator = Deaggregator::new();
    let mut reading = deaggregator.deaggregate(&records[..4]);
    let mut checkpoints = vec![reading.checkpoint().unwrap()];
    while reading.next().is_some() {
        checkpoints.push(reading.checkpoint().unwrap());
    }
    let expected = [
        None,
        within(0, 0),
        within(0, 1),
        after(0),
        after(2),
        within(3, 0),
        after(3),
    ];
    assert_eq!(checkpoints, expected);

    let nothing = HashKeyRange::new(HashKey::MAX, HashKey::MAX).unwrap();
    for filter in [
        HashKeyFilter::WholeAggregate(nothing),
        HashKeyFilter::PerUserRecord(nothing),
    ] {
        // Resume after the second user record of the last aggregate, which is left out
        // entirely.
        let mut deaggregator = Deaggregator::new()
            .with_filter(filter)
            .resume_after(within(4, 1).unwrap());
        let mut reading = deaggregator.deaggregate(&records);
        assert_eq!(reading.checkpoint(), Ok(None));
        assert!(reading.next().is_none());
        assert_eq!(reading.checkpoint(), Ok(after(4)));
        let counters = deaggregator.counters();
        assert_eq!(counters.kinesis_records, 5);
        assert_eq!(counters.kinesis_records_skipped, 4);
        assert_eq!(counters.user_records_skipped, 2);
        assert_eq!(counters.user_records_left_out, 2);
        assert_eq!((counters.plain, counters.aggregated), (0, 1));
        // Resume from the new checkpoint.
        deaggregator.set_checkpoint(after(4));
        let mut reading = deaggregator.deaggregate(&records);
        assert!(reading.next().is_none());
        assert_eq!(reading.checkpoint(), Ok(after(4)));
    }
}

/// Such a checkpoint can be used with AFTER_SEQUENCE_NUMBER.
#[test]
fn the_checkpoint_of_the_last_user_record_is_after_its_kinesis_record() {
    let records = shard(&[
        (Kind::Aggregate(2), 0),
        (Kind::Plain, 0),
        (Kind::Malformed, 0),
    ]);
    let checkpoints: Vec<_> = deaggregate(&records)
        .map(|d| d.checkpoint().unwrap().unwrap())
        .collect();
    let is_after = checkpoints
        .iter()
        .map(ExtendedSequenceNumber::is_after_record);
    assert_eq!(is_after.collect::<Vec<_>>(), [false, true, true, true]);
    let text = checkpoints[1].to_string();
    assert_eq!(text.parse(), Ok(checkpoints[1].clone()));
    let mut deaggregator = Deaggregator::new().resume_after(checkpoints[1].clone());
    assert_eq!(deaggregator.deaggregate(&records).count(), 2);
}
