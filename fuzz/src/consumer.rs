//! Reads a shard with any combination of `Deaggregator` settings, and compares the
//! result with the codec's output, filtered independently.

use core::cmp::Ordering;

use arbitrary::{Arbitrary, Unstructured};
use kinesis_agg::arbitrary::{Batch, hash_key_range};
use kinesis_agg::read::{MalformedPolicy, Observer};
use kinesis_agg::{
    Deaggregator, Delivered, EnclosingRecord, ExtendedSequenceNumber, HashKeyFilter, HashKeyRange,
    KinesisRecord, Outcome, SequenceNumber,
};
use kinesis_agg_codec::{Parsed, ReadSlot, parse};
use num_bigint::BigUint;

use crate::hash_key::{md5, reading};

#[derive(Arbitrary, Debug)]
struct Input {
    filter: Option<Filter>,
    checkpoint: Option<Checkpoint>,
    is_malformed_left_out: bool,
    is_digested_ahead: bool,
    is_owned: bool,
    /// The number of Kinesis records per call.
    batch_len: u8,
    /// Replacements for the sequence numbers of some Kinesis records.
    odd_sequence_numbers: Vec<(u8, Option<Sequence>)>,
    batch: Batch,
}

#[derive(Arbitrary, Debug)]
struct Filter {
    is_whole: bool,
    #[arbitrary(with = hash_key_range)]
    range: HashKeyRange,
}

#[derive(Arbitrary, Debug)]
struct Checkpoint {
    sequence_number: Sequence,
    sub_sequence_number: u8,
    is_after_record: bool,
}

#[derive(Arbitrary, Debug)]
enum Sequence {
    /// The sequence number of a Kinesis record.
    Of(u8),
    Small(u8),
    /// Up to 138 digits: more than any integer type holds, and more than are valid.
    Long(u8, u8),
    Zeros(u8, u8),
    Sentinel(u8),
    Text(String),
}

impl Sequence {
    fn text(&self, records: &[KinesisRecord]) -> String {
        let words = ["AT_TIMESTAMP", "TRIM_HORIZON", "LATEST", "SHARD_END"];
        match self {
            Self::Of(place) => {
                let record = records.get(usize::from(*place) % records.len().max(1));
                let number = record.and_then(|record| record.sequence_number.clone());
                number.unwrap_or_default()
            }
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
        }
    }
}

/// The observable parts of an item. `user_record` holds the partition key and the
/// hash key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    record_index: usize,
    sub_sequence_number: u64,
    data: Vec<u8>,
    user_record: Option<(Vec<u8>, Option<u128>)>,
    is_malformed: bool,
    is_last: bool,
}

impl Seen {
    fn of<R: EnclosingRecord>(item: &Delivered<'_, R>) -> Self {
        Self {
            record_index: item.record_index(),
            sub_sequence_number: item.sub_sequence_number(),
            data: item.data().to_vec(),
            user_record: item.user_record().map(|user_record| {
                let hash_key = user_record.hash_key().ok().map(|key| key.to_u128());
                (user_record.partition_key().as_bytes().to_vec(), hash_key)
            }),
            is_malformed: item.malformed().is_some(),
            is_last: item.is_last(),
        }
    }

    /// Reads the same parts from an owned item.
    fn of_owned(item: Delivered<'_, KinesisRecord>) -> Self {
        let item = item.into_owned();
        let user_record = item.is_aggregated().then(|| {
            let key = item.partition_key().unwrap().as_bytes().to_vec();
            let hash_key = item.hash_key().ok().flatten();
            (key, hash_key.map(|key| key.to_u128()))
        });
        Self {
            record_index: item.record_index(),
            sub_sequence_number: item.sub_sequence_number(),
            data: item.data().to_vec(),
            user_record,
            is_malformed: item.malformed().is_some(),
            is_last: item.is_last(),
        }
    }
}

/// Returns everything that the codec finds in a Kinesis record.
fn all_in(record_index: usize, record: &KinesisRecord) -> Vec<Seen> {
    let whole = |is_malformed| Seen {
        record_index,
        sub_sequence_number: 0,
        data: record.data.to_vec(),
        user_record: None,
        is_malformed,
        is_last: true,
    };
    match parse(&record.data) {
        Err(_) => vec![whole(true)],
        Ok(Parsed::Plain(_)) => vec![whole(false)],
        Ok(Parsed::Aggregated(aggregated)) => {
            let slots = vec![ReadSlot::default(); aggregated.key_count()];
            let count = aggregated.record_count();
            let user_records = (1..).zip(aggregated.user_records_in(slots));
            user_records
                .map(|(place, user_record)| {
                    let partition_key = user_record.partition_key();
                    let hash_key = match user_record.explicit_hash_key() {
                        Some(text) => reading(text.as_bytes()),
                        None => Some(md5(partition_key.as_bytes())),
                    };
                    Seen {
                        record_index,
                        sub_sequence_number: user_record.sub_sequence_number(),
                        data: user_record.data().to_vec(),
                        user_record: Some((partition_key.as_bytes().to_vec(), hash_key)),
                        is_malformed: false,
                        is_last: place == count,
                    }
                })
                .collect()
        }
    }
}

/// Returns the order of a sequence number: by its place among the KCL's sentinel
/// words, then by number. `None` if it is invalid.
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

#[derive(Debug, Default)]
struct Observed {
    outcomes: Vec<(usize, Outcome)>,
    left_out: Vec<Seen>,
}

impl Observer for Observed {
    fn on_kinesis_record<R: EnclosingRecord>(&mut self, place: usize, _: &R, outcome: Outcome) {
        self.outcomes.push((place, outcome));
    }

    fn on_left_out<R: EnclosingRecord>(&mut self, left_out: &Delivered<'_, R>) {
        self.left_out.push(Seen::of(left_out));
    }
}

/// Reads settings and Kinesis records from the input, and runs them.
pub fn check(input: &[u8]) {
    if let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(input)) {
        run(&input);
    }
}

fn run(input: &Input) {
    let mut records = input.batch.records.clone();
    records.truncate(24);
    for (place, sequence) in &input.odd_sequence_numbers {
        let place = usize::from(*place) % records.len().max(1);
        let text = sequence.as_ref().map(|sequence| sequence.text(&records));
        if let Some(record) = records.get_mut(place) {
            record.sequence_number = text;
        }
    }
    let all = records.iter().enumerate();
    let all: Vec<_> = all.map(|(place, record)| all_in(place, record)).collect();

    let checkpoint = input.checkpoint.as_ref().and_then(|checkpoint| {
        let text = checkpoint.sequence_number.text(&records);
        let parsed = text.parse::<SequenceNumber>();
        let rank = rank(&text);
        assert_eq!(parsed.is_ok(), rank.is_some(), "{text:?}");
        let sequence_number = parsed.ok()?;
        let position = if checkpoint.is_after_record {
            ExtendedSequenceNumber::after_record(sequence_number)
        } else {
            ExtendedSequenceNumber {
                sequence_number,
                sub_sequence_number: u64::from(checkpoint.sub_sequence_number),
            }
        };
        assert_eq!(position.to_string().parse(), Ok(position.clone()));
        Some((position, rank?))
    });
    // Compares a Kinesis record's sequence number with the checkpoint.
    let order = |place: usize| match &checkpoint {
        None => Ordering::Greater,
        Some((_, checkpoint)) => {
            let number = records[place].sequence_number.as_deref();
            let rank = number.and_then(rank);
            rank.map_or(Ordering::Greater, |rank| rank.cmp(checkpoint))
        }
    };
    let is_done = |seen: &Seen| {
        let sub_sequence_number = checkpoint.as_ref().map(|it| it.0.sub_sequence_number);
        let by_place = seen
            .sub_sequence_number
            .cmp(&sub_sequence_number.unwrap_or_default());
        order(seen.record_index).then(by_place).is_le()
    };
    let is_outside = |seen: &Seen| match (&input.filter, &seen.user_record) {
        (Some(filter), Some((_, hash_key))) => {
            let range = filter.range;
            let range = range.starting_hash_key().to_u128()..=range.ending_hash_key().to_u128();
            !hash_key.is_some_and(|hash_key| range.contains(&hash_key))
        }
        _ => false,
    };
    let (mut delivered, mut left_out) = (Vec::new(), Vec::new());
    let mut of_filter = 0_u64;
    for record in &all {
        let is_whole = input.filter.as_ref().is_some_and(|filter| filter.is_whole);
        let is_record_left_out = is_whole && record.iter().any(is_outside);
        for seen in record.iter().filter(|seen| !is_done(seen)) {
            if is_record_left_out || is_outside(seen) {
                of_filter += 1;
                left_out.push(seen.clone());
            } else if seen.is_malformed && input.is_malformed_left_out {
                left_out.push(seen.clone());
            } else {
                delivered.push(seen.clone());
            }
        }
    }

    let mut deaggregator = Deaggregator::new()
        .with_digests_ahead(input.is_digested_ahead)
        .with_observer(Observed::default());
    if let Some(filter) = &input.filter {
        deaggregator = match filter.is_whole {
            true => deaggregator.with_filter(filter.range),
            false => deaggregator.with_filter(HashKeyFilter::PerUserRecord(filter.range)),
        };
    }
    if input.is_malformed_left_out {
        deaggregator = deaggregator.with_malformed(MalformedPolicy::LeaveOut);
    }
    if let Some((checkpoint, _)) = &checkpoint {
        deaggregator = deaggregator.resume_after(checkpoint.clone());
    }
    let mut read = Vec::new();
    for batch in records.chunks(usize::from(input.batch_len % 8) + 1) {
        let mut reading = deaggregator.deaggregate(batch);
        for item in &mut reading {
            read.push(match input.is_owned {
                true => Seen::of_owned(item),
                false => Seen::of(&item),
            });
        }
        assert!(reading.next().is_none());
        // The checkpoint covers the whole batch, whatever was delivered of it.
        let last = batch.last().unwrap().sequence_number.as_deref();
        match (reading.checkpoint(), last) {
            (Ok(None), None) => {}
            (Err(_), Some(text)) => assert!(rank(text).is_none(), "{text:?}"),
            (Ok(Some(place)), Some(text)) => {
                let after = ExtendedSequenceNumber::after_record(text.parse().unwrap());
                let resumed = checkpoint.as_ref().map(|it| it.0.clone());
                assert_eq!(Some(place), resumed.max(Some(after)));
            }
            (place, last) => panic!("{place:?}, {last:?}"),
        }
    }
    assert_eq!(read, delivered);
    let counters = deaggregator.counters();
    assert_eq!(counters.user_records_left_out, of_filter);
    assert_eq!(counters.kinesis_records, to_u64(records.len()));
    let observed = deaggregator.observer();
    assert_eq!(observed.left_out, left_out);
    assert_eq!(
        counters.plain + counters.aggregated + counters.malformed,
        to_u64(observed.outcomes.len())
    );
    for (place, outcome) in &observed.outcomes {
        assert_ne!(order(*place), Ordering::Less);
        match outcome {
            Outcome::Aggregated { record_count } => assert_eq!(*record_count, all[*place].len()),
            Outcome::Malformed(_) => assert!(all[*place][0].is_malformed),
            Outcome::Plain(_) => assert!(all[*place][0].user_record.is_none()),
        }
    }
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}
