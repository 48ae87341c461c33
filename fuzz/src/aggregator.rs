//! Runs arbitrary steps on a `RecordAggregator` and compares it with the tests' model.

use arbitrary::{Arbitrary, Unstructured};
use kinesis_agg::codec::MAGIC;
use kinesis_agg::write::{LoneUserRecord, OuterKey};
use kinesis_agg::{HashKey, OwnedUserRecord};
use kinesis_agg_tests::aggregator_model::{self, Settings, Step};

#[derive(Arbitrary, Debug)]
struct Input {
    settings: Set,
    steps: Vec<Do>,
}

#[derive(Arbitrary, Debug)]
struct Set {
    max_size: u16,
    max_count: Option<u8>,
    is_kpl: bool,
    is_raw: bool,
}

#[derive(Arbitrary, Debug)]
enum Do {
    Push(UserRecord),
    /// Pushes a user record whose Kinesis record is of the maximum size or close to it.
    PushLargest(UserRecord, i8),
    PushTimes(UserRecord, u8),
    Flush,
    TakeBack,
    Clear,
    Set(Set),
}

#[derive(Arbitrary, Debug)]
struct UserRecord {
    partition_key: Key,
    explicit_hash_key: Option<u128>,
    /// Takes the hash key from a small range, so that keys repeat.
    is_hash_key_small: bool,
    data: Data,
    tag: Option<(String, Option<String>)>,
}

#[derive(Arbitrary, Debug)]
enum Key {
    Known(u8),
    Free(String),
    Repeated(u8, u16),
}

#[derive(Arbitrary, Debug)]
enum Data {
    Free(Vec<u8>),
    Repeated(u8, u16),
    StartsWithMagic(Vec<u8>),
}

impl Set {
    fn settings(&self) -> Settings {
        Settings {
            max_size: u32::from(self.max_size % LARGEST).max(1),
            max_count: self
                .max_count
                .map_or(usize::MAX, |count| usize::from(count).max(1)),
            outer_key: match self.is_kpl {
                true => OuterKey::Kpl,
                false => OuterKey::FirstUserRecord,
            },
            lone: match self.is_raw {
                true => LoneUserRecord::Raw,
                false => LoneUserRecord::Wrapped,
            },
        }
    }
}

impl UserRecord {
    fn owned(&self) -> OwnedUserRecord {
        let key = match &self.partition_key {
            Key::Known(key) => ["a", "b", "7", "sensor", "\u{e9}", ""][usize::from(key % 6)].into(),
            Key::Free(key) => key.clone(),
            Key::Repeated(which, times) => {
                let c = ["k", "\u{e9}", "\u{20ac}", "\u{1f600}"][usize::from(which % 4)];
                c.repeat(usize::from(times % 260))
            }
        };
        let data = match &self.data {
            Data::Free(data) => data.clone(),
            Data::Repeated(byte, len) => vec![*byte; usize::from(len % LARGEST)],
            Data::StartsWithMagic(data) => [&MAGIC, data.as_slice()].concat(),
        };
        let range = if self.is_hash_key_small { 4 } else { u128::MAX };
        let hash_key = self
            .explicit_hash_key
            .map(|number| HashKey::new(number % range));
        let owned = OwnedUserRecord::new(key, data).with_explicit_hash_key(hash_key);
        match &self.tag {
            Some((key, value)) => owned.with_tag(key, value.as_deref()),
            None => owned,
        }
    }

    /// Returns the user record with data such that its Kinesis record differs from the
    /// maximum size by about `distance` bytes.
    fn of_size(&self, settings: &Settings, distance: i8) -> OwnedUserRecord {
        let owned = self.owned();
        let key = owned.partition_key().unwrap_or_default();
        let overhead = match settings.lone {
            LoneUserRecord::Raw => key.len(),
            LoneUserRecord::Wrapped => 2 * key.len() + 30,
        };
        let max_size = usize::try_from(settings.max_size).unwrap();
        let len = max_size.saturating_sub(overhead);
        let len = len.saturating_add_signed(isize::from(distance));
        OwnedUserRecord::new(key, vec![b'x'; len]).with_explicit_hash_key(owned.explicit_hash_key())
    }
}

/// The maximum size of a Kinesis record, in bytes. Larger ones make the model slow;
/// up to this size the buffer grows three times and lengths take up to three bytes.
const LARGEST: u16 = 17_000;

/// Reads settings and steps from the input, and runs them.
pub fn check(input: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(input)) else {
        return;
    };
    let first = input.settings.settings();
    let mut settings = first.clone();
    let mut steps = Vec::new();
    for step in input.steps {
        // The model encodes everything at each step, so more steps would be slow.
        if steps.len() > 60 {
            break;
        }
        let next = match step {
            Do::Push(user_record) => Step::Push(user_record.owned()),
            Do::PushLargest(user_record, distance) => {
                Step::Push(user_record.of_size(&settings, distance))
            }
            Do::PushTimes(user_record, times) => {
                let push = Step::Push(user_record.owned());
                steps.extend(vec![push.clone(); usize::from(times % 32)]);
                push
            }
            Do::Flush => Step::Flush,
            Do::TakeBack => Step::TakeBack,
            Do::Clear => Step::Clear,
            Do::Set(set) => {
                settings = set.settings();
                Step::Set(settings.clone())
            }
        };
        steps.push(next);
    }
    let user_records: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Push(user_record) => Some(user_record.clone()),
            _ => None,
        })
        .collect();
    aggregator_model::run_through(&first, user_records);
    aggregator_model::run(first, steps);
}
