//! The hash key range filter against what the KCL delivers. Protects that a
//! consumer of one shard sees its own user records, and that nothing is left
//! out without a trace.

use kinesis_agg::{
    Deaggregator, Delivered, EnclosingRecord, HashKey, HashKeyFilter, HashKeyRange,
    ReversedRangeError, deaggregate, deaggregate_batch,
};
use kinesis_agg_tests::fixtures::{RangeCase, SplitMix64, WithinRecord, range_cases};
use kinesis_agg_tests::reseal;

/// Lines where the rules differ from the KCL's answer, and why.
const RULED_OTHERWISE: [(&str, Ruling); 3] = [
    // The KCL delivers the user records before the explicit hash key that is
    // no number, and loses the rest.
    ("bad-ehk-text", Ruling::LeftOut),
    // The KCL casts the index to 32 bits and delivers under a wrong key.
    ("pk-2^32-index", Ruling::Malformed),
    // The KCL takes a range that contains nothing.
    ("three-ehk-12", Ruling::Refused),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ruling {
    AsTheKcl,
    LeftOut,
    Malformed,
    Refused,
}

fn ruling(case: &RangeCase) -> Ruling {
    RULED_OTHERWISE
        .iter()
        .find(|(id, _)| *id == case.id)
        .map_or(Ruling::AsTheKcl, |&(_, ruling)| ruling)
}

fn range(case: &RangeCase) -> Result<HashKeyRange, ReversedRangeError> {
    HashKeyRange::new(
        case.starting_hash_key.parse().unwrap(),
        case.ending_hash_key.parse().unwrap(),
    )
}

fn seen<R: EnclosingRecord + ?Sized>(delivered: &Delivered<'_, R>) -> WithinRecord {
    let text = |key: kinesis_agg::KeyBytes<'_>| key.to_str().unwrap().to_owned();
    WithinRecord {
        input: delivered.record_index(),
        aggregated: delivered.user_record().is_some(),
        partition_key: delivered.partition_key().map(text).unwrap_or_default(),
        explicit_hash_key: delivered.explicit_hash_key().map(text),
        data: delivered.data().to_vec(),
        sub_sequence: delivered.sub_sequence_number(),
    }
}

#[test]
fn whole_aggregates_are_left_out_as_the_kcl_does_and_told() {
    for case in range_cases() {
        let ruling = ruling(&case);
        let Ok(range) = range(&case) else {
            assert_eq!(ruling, Ruling::Refused, "{}", case.id);
            continue;
        };
        assert_ne!(ruling, Ruling::Refused, "{}", case.id);
        let filter = HashKeyFilter::WholeAggregate(range);
        let mut left_out = Vec::new();
        let mut batch = deaggregate_batch(&case.blobs)
            .filter_by(filter)
            .on_left_out(|delivered| left_out.push(seen(&delivered)));
        let within: Vec<_> = batch.by_ref().map(|d| seen(&d)).collect();
        let left_out_count = batch.left_out_count();
        assert_eq!(u64::try_from(left_out.len()).unwrap(), left_out_count);
        let all: Vec<_> = deaggregate_batch(&case.blobs).map(|d| seen(&d)).collect();
        match ruling {
            Ruling::LeftOut => {
                assert_eq!(within, [], "{}", case.id);
                assert_eq!(left_out, all, "{}", case.id);
            }
            Ruling::Malformed => {
                assert_eq!(within, all, "{}", case.id);
                assert!(!within[0].aggregated && left_out.is_empty(), "{}", case.id);
            }
            Ruling::AsTheKcl | Ruling::Refused => {
                assert_eq!(within, case.kcl.records, "{}", case.id);
                // What is not within was left out: nothing is in neither.
                let mut both = [within, left_out].concat();
                both.sort_by_key(|seen| (seen.input, seen.sub_sequence));
                assert_eq!(both, all, "{}", case.id);
            }
        }
    }
    let named = RULED_OTHERWISE.map(|(id, _)| id);
    let cases = range_cases();
    assert!(named.iter().all(|id| cases.iter().any(|c| c.id == *id)));
}

#[test]
fn user_records_are_left_out_by_their_own_hash_keys() {
    for case in range_cases() {
        let Ok(range) = range(&case) else { continue };
        let filter = HashKeyFilter::PerUserRecord(range);
        let mut left_out = Vec::new();
        let within: Vec<_> = deaggregate_batch(&case.blobs)
            .filter_by(filter)
            .on_left_out(|delivered| left_out.push(seen(&delivered)))
            .map(|delivered| seen(&delivered))
            .collect();
        let is_within = |seen: &WithinRecord| {
            if !seen.aggregated {
                return true;
            }
            match &case.effective_hash_keys[seen.input] {
                Some(keys) => {
                    let place = usize::try_from(seen.sub_sequence).unwrap();
                    // 2^128 is no hash key and lies in no range.
                    let key = keys[place].parse();
                    key.is_ok_and(|key: HashKey| range.contains(key))
                }
                None => seen.explicit_hash_key.as_deref() == Some("5"),
            }
        };
        let (expected, outside): (Vec<_>, Vec<_>) = deaggregate_batch(&case.blobs)
            .map(|delivered| seen(&delivered))
            .partition(is_within);
        assert_eq!(within, expected, "{}", case.id);
        assert_eq!(left_out, outside, "{}", case.id);
    }
}

/// The same records one by one, through new and through used memory.
#[test]
fn one_record_is_filtered_as_in_a_row() {
    let mut deaggregator = Deaggregator::new();
    for case in range_cases() {
        let Ok(range) = range(&case) else { continue };
        for filter in [
            HashKeyFilter::WholeAggregate(range),
            HashKeyFilter::PerUserRecord(range),
        ] {
            for blob in &case.blobs {
                let in_a_row: Vec<_> = deaggregate_batch([blob])
                    .filter_by(filter)
                    .map(|d| seen(&d))
                    .collect();
                let mut alone = deaggregate(blob).filter_by(filter);
                assert_eq!(
                    alone.by_ref().map(|d| seen(&d)).collect::<Vec<_>>(),
                    in_a_row
                );
                assert!(alone.next().is_none());
                let reused = deaggregator.deaggregate(blob).filter_by(filter);
                assert!(
                    reused
                        .map(|d| d.data().to_vec())
                        .eq(in_a_row.into_iter().map(|s| s.data))
                );
            }
        }
    }
}

/// Keys `a`, `b`, `c`; explicit hash keys 100, 200, 300.
fn three() -> Vec<u8> {
    range_cases().swap_remove(0).blobs.swap_remove(0)
}

fn narrow(start: u128, end: u128) -> HashKeyRange {
    HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap()
}

#[test]
fn what_is_not_aggregated_or_malformed_is_never_left_out() {
    let malformed = reseal(b"\x0a\x01a\x1a\x05\x08\x07\x1a\x01x");
    let records: [&[u8]; 3] = [b"plain", &malformed, b""];
    let nothing = narrow(7, 7);
    for filter in [
        HashKeyFilter::WholeAggregate(nothing),
        HashKeyFilter::PerUserRecord(nothing),
    ] {
        let mut batch = deaggregate_batch(records).filter_by(filter);
        let data: Vec<_> = batch.by_ref().map(|d| d.data()).collect();
        assert_eq!((data, batch.left_out_count()), (records.to_vec(), 0));
        // Strict still sees the malformed one.
        let strict: Vec<_> = deaggregate_batch(records)
            .filter_by(filter)
            .strict()
            .collect();
        assert_eq!((strict.len(), strict[1].is_err()), (2, true));
    }
}

#[test]
fn user_records_are_judged_when_they_are_reached() {
    let blob = three();
    let mut calls = Vec::new();
    let batch =
        deaggregate_batch([&blob, &blob]).filter_by(HashKeyFilter::PerUserRecord(narrow(200, 200)));
    assert_eq!(batch.left_out_count(), 0);
    let mut batch = batch.on_left_out(|d| calls.push((d.record_index(), d.sub_sequence_number())));
    assert_eq!(batch.next().unwrap().sub_sequence_number(), 1);
    assert_eq!(batch.left_out_count(), 1);
    assert_eq!(batch.next().unwrap().record_index(), 1);
    assert_eq!(batch.left_out_count(), 3);
    assert!(batch.next().is_none());
    assert_eq!(calls, [(0, 0), (0, 2), (1, 0), (1, 2)]);
}

/// The verdict is on the aggregate, not on what is left of it.
#[test]
fn a_filter_that_comes_late_judges_what_was_delivered_too() {
    let blob = three();
    for (end, left) in [(300, 2), (299, 0), (u128::MAX, 2)] {
        let filter = HashKeyFilter::WholeAggregate(narrow(100, end));
        let mut started = deaggregate(&blob);
        started.next().unwrap();
        let rest: Vec<_> = started
            .filter_by(filter)
            .map(|d| d.sub_sequence_number())
            .collect();
        assert_eq!(rest.len(), left);
        assert_eq!(rest, &[1, 2][..left]);
        let mut started = deaggregate_batch([&blob]);
        started.next().unwrap();
        assert_eq!(started.filter_by(filter).count(), left);
    }
}

/// Every user record is on exactly one side of every border.
#[test]
fn two_shards_see_each_user_record_once() {
    let mut random = SplitMix64(41);
    for _ in 0..200 {
        let mut aggregator = kinesis_agg::RecordAggregator::new();
        let count = random.next() % 12 + 1;
        for n in 0..count {
            let key = random
                .next()
                .is_multiple_of(3)
                .then(|| HashKey::new(u128::from(random.next()) << 64));
            let user_record =
                kinesis_agg::OwnedUserRecord::new(format!("k{}", random.next() % 5), n.to_string())
                    .with_explicit_hash_key(key);
            aggregator.push(user_record).unwrap();
        }
        let blob = aggregator.flush().unwrap().data().clone();
        let border = u128::from(random.next().max(1)) << 64;
        let mut both: Vec<_> = [narrow(0, border - 1), narrow(border, u128::MAX)]
            .into_iter()
            .flat_map(|range| deaggregate(&blob).filter_by(HashKeyFilter::PerUserRecord(range)))
            .map(|delivered| delivered.sub_sequence_number())
            .collect();
        both.sort_unstable();
        assert_eq!(both, (0..count).collect::<Vec<_>>());
    }
}
