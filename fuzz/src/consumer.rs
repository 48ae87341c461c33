//! What a consumer is given of a row of Kinesis records, through a hash key
//! filter and from a checkpoint on, against lists that are filtered by hand.

use core::cmp::Ordering;

use arbitrary::{Arbitrary, Unstructured};
use kinesis_agg::{Deaggregator, Delivered, ExtendedSequenceNumber, HashKey, HashKeyFilter, HashKeyRange, KinesisRecord, Outcome, SequenceNumber, deaggregate};
use kinesis_agg_tests::{reseal, wire};
use num_bigint::BigUint;

use crate::hash_key::{md5, reading};

#[derive(Arbitrary, Debug)]
struct Input {
    filter: Option<Filter>,
    checkpoint: Option<Checkpoint>,
    is_digested_at_once: bool,
    /// Delivered before the rest goes through the filter.
    before: u8,
    records: Vec<Record>,
}

#[derive(Arbitrary, Debug)]
struct Filter {
    is_whole: bool,
    /// Of what hash keys are made of, so that they meet.
    starting: Number,
    ending: Number,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Small(u8),
    Near(u8, i8),
    Any(u128),
}

#[derive(Arbitrary, Debug)]
struct Checkpoint {
    sequence_number: Sequence,
    sub_sequence_number: u8,
}

#[derive(Arbitrary, Debug)]
enum Sequence {
    None,
    Small(u8),
    /// More digits than any integer has.
    Long(u8, u8),
    Zeros(u8, u8),
    Sentinel(u8),
    Text(String),
}

#[derive(Arbitrary, Debug)]
struct Record {
    sequence_number: Sequence,
    data: Data,
}

#[derive(Arbitrary, Debug)]
enum Data {
    Plain(Vec<u8>),
    Aggregate(Vec<UserRecord>),
    /// With another digest.
    Mismatched(Vec<UserRecord>),
    /// The last user record names a key that is not there.
    Malformed(Vec<UserRecord>),
    /// That many of the one before, in an aggregate.
    Many(UserRecord, u8),
}

#[derive(Arbitrary, Clone, Debug)]
struct UserRecord {
    partition_key: Vec<u8>,
    explicit_hash_key: Option<ExplicitHashKey>,
}

#[derive(Arbitrary, Clone, Debug)]
enum ExplicitHashKey {
    Number(Number),
    Text(Vec<u8>),
}

impl Number {
    fn number(self) -> u128 {
        match self {
            Self::Small(number) => u128::from(number % 8),
            Self::Near(exponent, distance) => {
                (1_u128 << (exponent % 128)).wrapping_add_signed(i128::from(distance % 3))
            }
            Self::Any(number) => number,
        }
    }
}

impl Filter {
    fn filter(&self) -> HashKeyFilter {
        let (one, other) = (self.starting.number(), self.ending.number());
        let ends = [one.min(other), one.max(other)].map(HashKey::new);
        let range = HashKeyRange::new(ends[0], ends[1]).unwrap();
        match self.is_whole {
            true => HashKeyFilter::WholeAggregate(range),
            false => HashKeyFilter::PerUserRecord(range),
        }
    }
}

impl Sequence {
    fn text(&self) -> Option<String> {
        let words = ["AT_TIMESTAMP", "TRIM_HORIZON", "LATEST", "SHARD_END"];
        Some(match self {
            Self::None => return None,
            Self::Small(number) => (number % 12).to_string(),
            Self::Long(digits, last) => {
                let digits = "49590338271490256".repeat(usize::from(digits % 9));
                format!("{digits}{}", last % 12)
            }
            Self::Zeros(zeros, number) => {
                format!("{}{}", "0".repeat(usize::from(zeros % 140)), number % 12)
            }
            Self::Sentinel(which) => words[usize::from(which % 4)].to_owned(),
            Self::Text(text) => text.clone(),
        })
    }
}

impl UserRecord {
    fn explicit_hash_key(&self) -> Option<Vec<u8>> {
        self.explicit_hash_key.as_ref().map(|key| match key {
            ExplicitHashKey::Number(number) => number.number().to_string().into_bytes(),
            ExplicitHashKey::Text(text) => text.clone(),
        })
    }

    fn hash_key(&self) -> Option<u128> {
        match self.explicit_hash_key() {
            Some(text) => reading(&text),
            None => Some(md5(&self.partition_key)),
        }
    }
}

/// User records with a key of their own each, and their place as data.
fn message(user_records: &[UserRecord]) -> Vec<u8> {
    // A message of no bytes makes no aggregate.
    let mut message = wire::partition_key(b"unused");
    let mut explicit_hash_keys = 0;
    for (place, user_record) in (1..).zip(user_records) {
        message.extend(wire::partition_key(&user_record.partition_key));
        let mut index = None;
        if let Some(key) = user_record.explicit_hash_key() {
            message.extend(wire::explicit_hash_key(&key));
            index = Some(explicit_hash_keys);
            explicit_hash_keys += 1;
        }
        message.extend(wire::record(place, index, &place.to_be_bytes()));
    }
    message
}

/// What is to be seen of a delivery. Of a user record: that it is one, its
/// partition key, its hash key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    record_index: usize,
    sub_sequence_number: u64,
    data: Vec<u8>,
    user_record: Option<(Vec<u8>, Option<u128>)>,
    is_malformed: bool,
}

impl Seen {
    fn of(delivered: &Delivered<'_, KinesisRecord>) -> Self {
        Self {
            record_index: delivered.record_index(),
            sub_sequence_number: delivered.sub_sequence_number(),
            data: delivered.data().to_vec(),
            user_record: delivered.user_record().map(|user_record| {
                let hash_key = user_record.hash_key().ok().map(HashKey::to_u128);
                (user_record.partition_key().as_bytes().to_vec(), hash_key)
            }),
            is_malformed: delivered.malformed().is_some(),
        }
    }
}

/// A Kinesis record, and all of it that is to be seen.
fn make(record_index: usize, record: &Record) -> (KinesisRecord, Vec<Seen>) {
    let (blob, user_records) = match &record.data {
        Data::Plain(data) => ([b"plain", &data[..]].concat(), None),
        Data::Aggregate(user_records) => {
            (reseal(&message(user_records)), Some(user_records.clone()))
        }
        Data::Many(user_record, count) => {
            let user_records = vec![user_record.clone(); usize::from(*count)];
            (reseal(&message(&user_records)), Some(user_records))
        }
        Data::Mismatched(user_records) => {
            let mut blob = reseal(&message(user_records));
            *blob.last_mut().unwrap() ^= 1;
            (blob, None)
        }
        Data::Malformed(user_records) => {
            let beyond = u64::try_from(user_records.len()).unwrap() + 1;
            let wrong = wire::record(beyond, None, b"");
            (reseal(&[message(user_records), wrong].concat()), None)
        }
    };
    let seen = match user_records {
        None => vec![Seen {
            record_index,
            sub_sequence_number: 0,
            data: blob.clone(),
            user_record: None,
            is_malformed: matches!(record.data, Data::Malformed(_)),
        }],
        Some(user_records) => (0..)
            .zip(&user_records)
            .map(|(place, user_record): (u64, _)| Seen {
                record_index,
                sub_sequence_number: place,
                data: (place + 1).to_be_bytes().to_vec(),
                user_record: Some((user_record.partition_key.clone(), user_record.hash_key())),
                is_malformed: false,
            })
            .collect(),
    };
    let record = KinesisRecord {
        data: blob.into(),
        sequence_number: record.sequence_number.text(),
        ..KinesisRecord::default()
    };
    (record, seen)
}

/// Where a sequence number stands: among the KCL's words, then as a number.
fn rank(text: &str) -> Option<(u8, BigUint)> {
    let words = ["AT_TIMESTAMP", "TRIM_HORIZON", "LATEST", "", "SHARD_END"];
    if let Some(place) = words.iter().position(|word| *word == text) {
        let is_word = !text.is_empty();
        return is_word.then(|| (u8::try_from(place).unwrap(), BigUint::ZERO));
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = BigUint::parse_bytes(text.as_bytes(), 10)?;
    (number.to_string().len() <= 129).then_some((3, number))
}

/// Keeps what the filter lets through; the rest is left out.
fn filter(seen: Vec<Seen>, filter: HashKeyFilter) -> (Vec<Seen>, Vec<Seen>) {
    let range = filter.range();
    let range = range.starting_hash_key().to_u128()..=range.ending_hash_key().to_u128();
    let is_within = |seen: &Seen| {
        seen.user_record
            .as_ref()
            .is_none_or(|(_, hash_key)| hash_key.is_some_and(|hash_key| range.contains(&hash_key)))
    };
    let outside: Vec<_> = seen
        .iter()
        .filter(|seen| !is_within(seen))
        .cloned()
        .collect();
    let is_kept = |one: &Seen| match filter {
        HashKeyFilter::PerUserRecord(_) => is_within(one),
        HashKeyFilter::WholeAggregate(_) => outside
            .iter()
            .all(|other| other.record_index != one.record_index),
    };
    seen.into_iter().partition(is_kept)
}

/// Settings, then Kinesis records; see the source.
pub fn check(input: &[u8]) {
    if let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(input)) {
        run(&input);
    }
}

fn run(input: &Input) {
    let made = input.records.iter().take(24).enumerate();
    let (records, seen): (Vec<_>, Vec<_>) = made.map(|(place, record)| make(place, record)).unzip();
    let all: Vec<Seen> = seen.iter().flatten().cloned().collect();

    check_outcomes(&records, &seen, input.is_digested_at_once);

    let checkpoint = input.checkpoint.as_ref().and_then(|checkpoint| {
        let text = checkpoint.sequence_number.text()?;
        let parsed = text.parse::<SequenceNumber>();
        let rank = rank(&text);
        assert_eq!(parsed.is_ok(), rank.is_some(), "{text:?}");
        let sequence_number = parsed.ok()?;
        let sub_sequence_number = u64::from(checkpoint.sub_sequence_number);
        let extended = ExtendedSequenceNumber {
            sequence_number,
            sub_sequence_number,
        };
        Some((extended, rank?))
    });
    let is_behind = |seen: &Seen| {
        let Some((checkpoint, rank_of_checkpoint)) = &checkpoint else {
            return true;
        };
        let text = records[seen.record_index].sequence_number.as_deref();
        let by_number = match text.and_then(rank) {
            Some(rank) => rank.cmp(rank_of_checkpoint),
            None => Ordering::Greater,
        };
        let by_place = seen
            .sub_sequence_number
            .cmp(&checkpoint.sub_sequence_number);
        by_number.then(by_place).is_gt()
    };

    let Some(settings) = &input.filter else {
        let rest: Vec<_> = all.iter().filter(|seen| is_behind(seen)).cloned().collect();
        if let Some((checkpoint, _)) = &checkpoint {
            let resumed = deaggregate(&records).resume_after(checkpoint.clone());
            assert_eq!(resumed.map(|d| Seen::of(&d)).collect::<Vec<_>>(), rest);
            let mut deaggregator = Deaggregator::new();
            let mut one_by_one = Vec::new();
            for record in &records {
                let delivered = deaggregator.deaggregate(record);
                one_by_one.extend(
                    delivered
                        .resume_after(checkpoint.clone())
                        .map(|d| Seen::of(&d)),
                );
            }
            assert_eq!(one_by_one, rest);
        }
        return;
    };

    let by = settings.filter();
    let mut left_out = Vec::new();
    let mut batch = deaggregate(&records);
    if input.is_digested_at_once {
        batch = batch.digests_at_once();
    }
    // In the middle of an aggregate, perhaps: what came before counts, too.
    let before = usize::from(input.before % 8).min(all.len());
    for expected in &all[..before] {
        assert_eq!(Seen::of(&batch.next().unwrap()), *expected);
    }
    let (kept, outside) = filter(all.clone(), by);
    let still_to_come = |seen: Vec<Seen>| -> Vec<Seen> {
        let done = &all[..before];
        seen.into_iter()
            .filter(|seen| !done.contains(seen))
            .collect()
    };
    let (kept, outside) = (still_to_come(kept), still_to_come(outside));
    let mut filtered = batch
        .filter_by(by)
        .on_left_out(|d| left_out.push(Seen::of(&d)));
    let delivered: Vec<_> = filtered.by_ref().map(|d| Seen::of(&d)).collect();
    let left_out_count = usize::try_from(filtered.left_out_count()).unwrap();
    assert_eq!((delivered, left_out_count), (kept.clone(), outside.len()));
    assert_eq!(left_out, outside);

    if let Some((checkpoint, _)) = &checkpoint {
        let (kept, outside) = filter(all, by);
        let rest: Vec<_> = kept.into_iter().filter(|seen| is_behind(seen)).collect();
        let mut resumed = deaggregate(&records)
            .filter_by(by)
            .resume_after(checkpoint.clone());
        let delivered: Vec<_> = resumed.by_ref().map(|d| Seen::of(&d)).collect();
        assert_eq!(delivered, rest);
        let left_out_count = usize::try_from(resumed.get_ref().left_out_count()).unwrap();
        assert_eq!(left_out_count, outside.len());
        let one_by_one = records.iter().enumerate().flat_map(|(place, record)| {
            let delivered = kinesis_agg::deaggregate(record).filter_by(by);
            delivered.map(move |d| Seen {
                record_index: place,
                ..Seen::of(&d)
            })
        });
        let behind: Vec<_> = one_by_one.filter(|seen| is_behind(seen)).collect();
        assert_eq!(behind, rest);
    }
}

/// Each Kinesis record is seen by the observer, before anything of it comes;
/// a strict consumer gets all before the first malformed one, and its error.
fn check_outcomes(records: &[KinesisRecord], seen: &[Vec<Seen>], is_digested_at_once: bool) {
    let mut outcomes = Vec::new();
    let mut batch = deaggregate(records).observe(|place, _, outcome| {
        assert_eq!(place, outcomes.len());
        outcomes.push(outcome);
    });
    if is_digested_at_once {
        batch = batch.digests_at_once();
    }
    let delivered: Vec<_> = batch.map(|d| Seen::of(&d)).collect();
    assert_eq!(delivered, seen.concat());
    for (outcome, seen) in outcomes.iter().zip(seen) {
        match outcome {
            Outcome::Aggregated { record_count } => assert_eq!(*record_count, seen.len()),
            Outcome::Malformed(_) => assert!(seen[0].is_malformed),
            Outcome::Plain(_) => assert!(!seen[0].is_malformed && seen[0].user_record.is_none()),
        }
    }
    assert_eq!(outcomes.len(), records.len());

    let all = seen.concat();
    let good = all.iter().position(|seen| seen.is_malformed);
    let mut strict = deaggregate(records).strict();
    for expected in &all[..good.unwrap_or(all.len())] {
        assert_eq!(Seen::of(&strict.next().unwrap().unwrap()), *expected);
    }
    match good {
        Some(place) => {
            let error = strict.next().unwrap().unwrap_err();
            assert_eq!(error.record_index, all[place].record_index);
        }
        None => assert!(strict.next().is_none()),
    }
    assert!(strict.next().is_none());
}
