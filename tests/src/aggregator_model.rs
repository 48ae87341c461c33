//! A model of `RecordAggregator` without buffers: it holds the user records in a list
//! and encodes each Kinesis record from scratch.

use kinesis_agg::codec::limits;
use kinesis_agg::write::{Limits, LoneUserRecord, OuterKey};
use kinesis_agg::{KinesisRecord, OwnedAggregate, OwnedUserRecord, RecordAggregator, deaggregate};

/// Returns the user records that a consumer reads from an aggregate.
#[must_use]
pub fn consume(aggregate: &OwnedAggregate) -> Vec<OwnedUserRecord> {
    let records = [KinesisRecord::from(aggregate.clone())];
    deaggregate(&records)
        .map(|read| OwnedUserRecord::try_from(&read).unwrap())
        .collect()
}

/// Returns the size of the Kinesis record in bytes, as the service counts it.
#[must_use]
pub fn size(aggregate: &OwnedAggregate) -> usize {
    aggregate.data().len() + aggregate.partition_key().len()
}

/// The settings of an aggregator.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made by literal in tests")]
pub struct Settings {
    /// The maximum size of a Kinesis record, in bytes.
    pub max_size: u32,
    /// The maximum number of user records in an aggregate.
    pub max_count: usize,
    /// The partition key of aggregates.
    pub outer_key: OuterKey,
    /// The form of a lone user record.
    pub lone: LoneUserRecord,
}

impl Settings {
    /// Creates an aggregator with these settings.
    #[must_use]
    pub fn aggregator(&self) -> RecordAggregator {
        self.set(RecordAggregator::new())
    }

    fn set(&self, aggregator: RecordAggregator) -> RecordAggregator {
        let limits = Limits::new().with_max_size(self.max_size).unwrap();
        aggregator
            .with_limits(limits.with_max_count(self.max_count).unwrap())
            .with_outer_key(self.outer_key)
            .with_lone_user_record(self.lone)
    }

    /// Returns the Kinesis record of these user records, encoded by a new writer without
    /// limits.
    #[must_use]
    pub fn kinesis_record(&self, user_records: &[OwnedUserRecord]) -> OwnedAggregate {
        let everything = Settings {
            max_size: limits::LARGEST_MAX_SIZE,
            max_count: usize::MAX,
            ..self.clone()
        };
        let mut fresh = everything.aggregator();
        for user_record in user_records {
            assert_eq!(fresh.push(user_record).unwrap(), None);
        }
        fresh.flush().unwrap()
    }

    fn may_go(&self, user_records: &[OwnedUserRecord]) -> bool {
        user_records.len() <= self.max_count
            && size(&self.kinesis_record(user_records)) <= usize::try_from(self.max_size).unwrap()
    }
}

/// An operation on an aggregator.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "made by literal in tests")]
pub enum Step {
    /// `push`
    Push(OwnedUserRecord),
    /// `flush`
    Flush,
    /// `take_user_records`
    TakeBack,
    /// `clear`
    Clear,
    /// `flush`, then a change of the settings.
    Set(Settings),
}

/// Runs steps on an aggregator and on the model.
///
/// # Panics
///
/// Panics if they differ: if a user record is lost, reordered or duplicated, or a size
/// is not exact.
pub fn run(settings: Settings, steps: impl IntoIterator<Item = Step>) {
    let mut settings = settings;
    let mut aggregator = settings.aggregator();
    // The buffered user records are the whole state of the model.
    let mut buffered: Vec<OwnedUserRecord> = Vec::new();
    for step in steps {
        match step {
            Step::Push(user_record) => push(&settings, &mut aggregator, &mut buffered, user_record),
            Step::Flush => flush(&settings, &mut aggregator, &mut buffered),
            Step::TakeBack => {
                assert_eq!(
                    aggregator.take_user_records(),
                    core::mem::take(&mut buffered)
                );
            }
            Step::Clear => {
                aggregator.clear();
                buffered.clear();
            }
            Step::Set(other) => {
                flush(&settings, &mut aggregator, &mut buffered);
                settings = other;
                aggregator = settings.set(aggregator);
            }
        }
        assert_eq!(aggregator.record_count(), buffered.len());
        assert_eq!(aggregator.is_empty(), buffered.is_empty());
        let exact = match buffered.len() {
            0 => 0,
            _ => settings.kinesis_record(&buffered).data().len(),
        };
        assert_eq!(usize::try_from(aggregator.encoded_len()).unwrap(), exact);
    }
}

fn push(
    settings: &Settings,
    aggregator: &mut RecordAggregator,
    buffered: &mut Vec<OwnedUserRecord>,
    user_record: OwnedUserRecord,
) {
    let key_len = user_record
        .partition_key()
        .unwrap_or_default()
        .encode_utf16()
        .count();
    let acceptable =
        (1..=256).contains(&key_len) && settings.may_go(core::slice::from_ref(&user_record));
    let mut joined = buffered.clone();
    joined.push(user_record.clone());
    // A user record that fits only in raw form cannot join others in an aggregate.
    let wrapped = Settings {
        lone: LoneUserRecord::Wrapped,
        ..settings.clone()
    };
    let joins = acceptable
        && settings.may_go(&joined)
        && (buffered.is_empty() || wrapped.may_go(&joined[buffered.len()..]));
    assert_eq!(aggregator.fits(&user_record), joins);
    match aggregator.push(user_record.clone()) {
        Err(error) => {
            assert!(!acceptable, "{error}");
            assert!(!error.reason.is_full());
            assert_eq!(error.user_record, user_record);
        }
        Ok(None) => {
            assert!(joins);
            *buffered = joined;
        }
        Ok(Some(completed)) => {
            assert!(acceptable && !joins);
            assert_eq!(&completed, &settings.kinesis_record(buffered));
            assert!(size(&completed) <= usize::try_from(settings.max_size).unwrap());
            *buffered = vec![user_record];
        }
    }
}

fn flush(
    settings: &Settings,
    aggregator: &mut RecordAggregator,
    buffered: &mut Vec<OwnedUserRecord>,
) {
    let flushed = aggregator.flush();
    assert_eq!(flushed.is_some(), !buffered.is_empty());
    if let Some(flushed) = flushed {
        assert_eq!(consume(&flushed).len(), buffered.len());
        assert_eq!(flushed.record_count(), buffered.len());
        assert_eq!(&flushed, &settings.kinesis_record(buffered));
    }
    buffered.clear();
}

/// Pushes all user records and checks that a consumer reads all those that were
/// accepted.
///
/// # Panics
///
/// Panics if it does not.
pub fn run_through(settings: &Settings, user_records: impl IntoIterator<Item = OwnedUserRecord>) {
    let mut aggregator = settings.aggregator();
    let mut taken = Vec::new();
    let mut consumed = Vec::new();
    for user_record in user_records {
        let mut completed = None;
        let pushed = aggregator.push_with(user_record.clone(), |full| completed = Some(full));
        assert!(pushed.as_ref().is_ok_and(|it| *it) == completed.is_some());
        if pushed.is_ok() {
            taken.push(user_record);
        }
        consumed.extend(completed.iter().flat_map(consume));
    }
    consumed.extend(aggregator.flush().iter().flat_map(consume));
    if settings.lone == LoneUserRecord::Raw && settings.outer_key != OuterKey::FirstUserRecord {
        // A raw user record has the outer explicit hash key, which is always present with
        // these outer keys.
        assert_eq!(consumed.len(), taken.len());
        for (consumed, taken) in consumed.iter().zip(&taken) {
            assert_eq!(consumed.hash_key(), taken.hash_key());
            assert_eq!(consumed.data(), taken.data());
        }
    } else {
        assert_eq!(consumed, taken);
    }
}
