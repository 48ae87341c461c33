//! Pushes user records into an `AggregateWriter`. Each is either rejected with the
//! right error or read back unchanged, and all bytes and sizes must equal those of
//! [`Model`].

use std::rc::Rc;

use arbitrary::{Arbitrary, Unstructured};
use kinesis_agg_codec::{
    Aggregate, AggregateWriter, Digest, EncodeError, EncodedPart, HashKey, KeySlots, Limits,
    NewUserRecord, OuterKey, WriteSlot,
};
use kinesis_agg_tests::{Owned, aggregated, read_with_slots};

use crate::kpl_model::Model;
use crate::{reference, streamed};

#[derive(Arbitrary, Debug)]
struct Input {
    slot_count: u8,
    buffer: BufferLen,
    settings: Settings,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum BufferLen {
    Plenty,
    Small(u8),
    Any(u16),
}

#[derive(Arbitrary, Debug)]
struct Settings {
    max_size: Option<u16>,
    max_count: Option<u8>,
    outer_key: u8,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Push(UserRecord),
    PushTimes(UserRecord, u8),
    /// Moves to a buffer whose length differs from the aggregate's by this much.
    MoveTo(i8),
    MoveToAny(BufferLen),
    Finish,
    FinishUnsealed,
    Clear,
    Set(Settings),
    /// Sets a size limit that this user record just meets or just exceeds, then pushes
    /// it.
    SetLimitAt(UserRecord, i8),
}

#[derive(Arbitrary, Debug)]
struct UserRecord {
    partition_key: Text,
    explicit_hash_key: Option<Number>,
    data: Data,
    tags: Vec<(Text, Option<Text>)>,
}

#[derive(Arbitrary, Debug)]
enum Text {
    /// One of a few keys, so that keys repeat.
    Known(u8),
    Free(String),
    /// A length near the boundary of a varint or near the service's limit.
    Repeated(u8, Edge),
}

#[derive(Arbitrary, Debug)]
enum Number {
    Small(u8),
    Any(u128),
    Largest,
}

#[derive(Arbitrary, Debug)]
enum Data {
    Free(Vec<u8>),
    Repeated(u8, Edge),
}

#[derive(Arbitrary, Debug)]
enum Edge {
    Any(u8),
    /// Near 2^(7k).
    Varint(u8, i8),
    /// Near the length of the longest partition key.
    Key(i8),
}

impl Edge {
    fn len(&self) -> usize {
        let near = |len: usize, distance: i8| len.saturating_add_signed(isize::from(distance));
        match *self {
            Self::Any(len) => usize::from(len),
            Self::Varint(k, distance) => near(1 << (7 * (k % 3)), distance),
            Self::Key(distance) => near(256, distance % 8),
        }
    }
}

impl Text {
    fn string(&self) -> String {
        match self {
            Self::Known(key) => ["a", "b", "7", "0", "\u{e9}", "key", "a-longer-key", ""]
                [usize::from(key % 8)]
            .to_owned(),
            Self::Free(text) => text.clone(),
            // Characters of one, two and three UTF-8 bytes per UTF-16 code unit, and of four
            // bytes per two code units.
            Self::Repeated(which, edge) => {
                let c = ["k", "\u{e9}", "\u{20ac}", "\u{1f600}"][usize::from(which % 4)];
                c.repeat(edge.len().min(2000))
            }
        }
    }
}

impl UserRecord {
    fn owned(&self) -> Rc<Owned> {
        Rc::new(Owned {
            partition_key: self.partition_key.string(),
            explicit_hash_key: self.explicit_hash_key.as_ref().map(|number| match *number {
                Number::Small(number) => u128::from(number % 16),
                Number::Any(number) => number,
                Number::Largest => u128::MAX,
            }),
            data: match &self.data {
                Data::Free(data) => data.clone(),
                Data::Repeated(byte, edge) => vec![*byte; edge.len()],
            },
            tags: self
                .tags
                .iter()
                .map(|(key, value)| (key.string(), value.as_ref().map(Text::string)))
                .collect(),
        })
    }
}

impl BufferLen {
    fn len(&self) -> usize {
        match *self {
            Self::Plenty => 40_000,
            Self::Small(len) => usize::from(len),
            Self::Any(len) => usize::from(len),
        }
    }
}

impl Settings {
    fn limits(&self) -> Limits {
        let mut limits = Limits::new();
        if let Some(max_size) = self.max_size {
            limits = limits.with_max_size(u32::from(max_size).max(1)).unwrap();
        }
        if let Some(max_count) = self.max_count {
            limits = limits
                .with_max_count(usize::from(max_count).max(1))
                .unwrap();
        }
        limits
    }

    fn outer_key(&self) -> OuterKey {
        match self.outer_key % 4 {
            0 => OuterKey::FirstUserRecord,
            1 => OuterKey::Kpl,
            2 => OuterKey::Chosen("fleet-3"),
            // The service would reject it.
            _ => OuterKey::Chosen(""),
        }
    }
}

type Writer = AggregateWriter<Vec<u8>, KeySlots<Vec<WriteSlot>>>;

/// A writer and its model.
struct Pair {
    writer: Writer,
    model: Model,
    capacity: usize,
    limits: Limits,
    outer_key: OuterKey,
}

/// Reads settings and steps from the input, and runs them.
pub fn check(input: &[u8]) {
    if let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(input)) {
        run(input);
    }
}

/// Creates a writer from the buffer and slots of one that held user records with the
/// keys of [`Text::Known`] and the numbers of [`Number::Small`].
fn interrupted(capacity: usize, slot_count: usize) -> Writer {
    let slots = KeySlots::new(vec![WriteSlot::EMPTY; slot_count]);
    let mut dropped = AggregateWriter::with_key_lookup(vec![0xa5; capacity], slots);
    for known in 0..8 {
        let key = Text::Known(known ^ 5).string();
        let user_record = NewUserRecord::new(&key, b"dropped")
            .with_explicit_hash_key(HashKey::new(u128::from(known)));
        // The buffer may be too small for all of them.
        let _ = dropped.try_push(&user_record);
    }
    let (buffer, slots) = dropped.into_parts();
    AggregateWriter::with_key_lookup(buffer, slots)
}

fn run(input: Input) {
    let slot_count = usize::from(input.slot_count % 33);
    let capacity = input.buffer.len();
    let mut pair = Pair {
        writer: interrupted(capacity, slot_count),
        model: Model::new(slot_count),
        capacity,
        limits: Limits::new(),
        outer_key: OuterKey::FirstUserRecord,
    };
    pair.set(&input.settings);
    // More than fit in a varint of one byte.
    let mut pushes_left = 300_u16;
    for step in input.steps.into_iter().take(60) {
        match step {
            Step::Push(user_record) => pair.push(&user_record.owned()),
            Step::PushTimes(user_record, times) => {
                let user_record = user_record.owned();
                let times = u16::from(times).min(pushes_left);
                pushes_left -= times;
                for _ in 0..times {
                    pair.push(&user_record);
                }
            }
            Step::MoveTo(distance) => {
                let len = pair.model.blob_len();
                pair.move_to(len.saturating_add_signed(isize::from(distance)));
            }
            Step::MoveToAny(len) => pair.move_to(len.len()),
            Step::Finish => pair.finish(false),
            Step::FinishUnsealed => pair.finish(true),
            Step::Clear => {
                pair.clear();
            }
            Step::Set(settings) => pair.set(&settings),
            Step::SetLimitAt(user_record, distance) => {
                let user_record = user_record.owned();
                let size = pair.model.with(&user_record).size(pair.outer_key);
                let max_size = size.saturating_add_signed(isize::from(distance % 4));
                let max_size = u32::try_from(max_size).unwrap().max(1);
                pair.limits = pair.limits.with_max_size(max_size).unwrap();
                pair.writer = pair.writer.with_limits(pair.limits);
                pair.push(&user_record);
            }
        }
        pair.compare();
    }
    pair.finish(false);
    pair.compare();
}

fn narrow(len: usize) -> u32 {
    u32::try_from(len).unwrap()
}

impl Pair {
    fn set(&mut self, settings: &Settings) {
        self.limits = settings.limits();
        self.outer_key = settings.outer_key();
        // Continue with a clone, which must behave the same.
        let writer = self.writer.clone();
        self.writer = writer
            .with_limits(self.limits)
            .with_outer_key(self.outer_key);
        assert_eq!(self.writer.limits(), self.limits);
    }

    /// Checks the size of the aggregate. Returns the bytes needed and allowed as the
    /// error.
    fn check_size(&self, model: &Model) -> Result<(), (u32, u32)> {
        let max_size = usize::try_from(self.limits.max_size()).unwrap();
        for (needed, limit) in [
            (model.blob_len(), self.capacity),
            (model.size(self.outer_key), max_size),
        ] {
            if needed > limit {
                return Err((narrow(needed), narrow(limit)));
            }
        }
        Ok(())
    }

    /// Returns the expected result of a push.
    fn verdict(&self, user_record: &Rc<Owned>) -> Result<(), EncodeError> {
        let utf16_len = user_record.partition_key.encode_utf16().count();
        match utf16_len {
            0 => return Err(EncodeError::EmptyPartitionKey),
            1..=256 => {}
            _ => {
                let limit = 256;
                return Err(EncodeError::PartitionKeyTooLong { utf16_len, limit });
            }
        }
        if self.outer_key == OuterKey::Chosen("") {
            return Err(EncodeError::EmptyPartitionKey);
        }
        self.check_size(&Model::alone(user_record))
            .map_err(|(needed, limit)| {
                let part = EncodedPart::UserRecord;
                EncodeError::TooLarge {
                    part,
                    needed,
                    limit,
                }
            })?;
        self.check_size(&self.model.with(user_record))
            .map_err(|(needed, limit)| EncodeError::Full { needed, limit })?;
        let limit = self.limits.max_count();
        if self.model.user_records().len() >= limit {
            return Err(EncodeError::CountReached { limit });
        }
        Ok(())
    }

    fn push(&mut self, user_record: &Rc<Owned>) {
        let tags = user_record.tag_list();
        let new = user_record.borrow(&tags);
        let verdict = self.verdict(user_record);
        let with = self.model.with(user_record);
        let alone = Model::alone(user_record);
        let len = |len: u32| usize::try_from(len).unwrap();
        assert_eq!(self.writer.fits(&new), verdict.is_ok());
        assert_eq!(len(self.writer.encoded_len_with(&new)), with.blob_len());
        assert_eq!(len(self.writer.size_with(&new)), with.size(self.outer_key));
        assert_eq!(
            len(self.writer.size_alone(&new)),
            alone.size(self.outer_key)
        );
        assert_eq!(len(new.encoded_len_alone()), alone.blob_len());
        assert_eq!(len(self.writer.encoded_len_alone(&new)), alone.blob_len());
        assert_eq!(self.writer.try_push(&new), verdict);
        if verdict.is_ok() {
            self.model = with;
        }
    }

    fn compare(&self) {
        assert_eq!(self.writer.record_count(), self.model.user_records().len());
        let len = usize::try_from(self.writer.encoded_len()).unwrap();
        assert_eq!(len, self.model.blob_len());
        if !self.model.user_records().is_empty() {
            let size = usize::try_from(self.writer.size()).unwrap();
            assert_eq!(size, self.model.size(self.outer_key));
        }
        let roomy_len = usize::try_from(self.writer.roomy_len()).unwrap();
        assert_eq!(roomy_len, self.model.roomy_len());
        assert_eq!(
            usize::try_from(self.writer.capacity()).unwrap(),
            self.capacity
        );
    }

    /// Clears the writer, or replaces it by a new one with the same buffer and slots.
    fn clear(&mut self) {
        if self.model.user_records().len().is_multiple_of(2) {
            self.writer.clear();
        } else {
            let (buffer, slots) = self.writer.clone().into_parts();
            self.writer = AggregateWriter::with_key_lookup(buffer, slots)
                .with_limits(self.limits)
                .with_outer_key(self.outer_key);
        }
        self.model = self.model.cleared();
    }

    fn move_to(&mut self, len: usize) {
        let writer = self.writer.clone();
        match writer.move_to(vec![0x5a; len]) {
            Ok(moved) => {
                assert!(len >= self.model.blob_len());
                self.writer = moved;
                self.capacity = len;
            }
            Err((unmoved, buffer)) => {
                assert!(len < self.model.blob_len());
                assert_eq!(buffer, vec![0x5a; len]);
                self.writer = unmoved;
            }
        }
    }

    fn finish(&mut self, unsealed: bool) {
        if self.model.user_records().is_empty() {
            assert_eq!(self.writer.finish().err(), Some(EncodeError::Empty));
            return;
        }
        if unsealed {
            let unsealed = self.writer.finish_unsealed().unwrap();
            let digest = Digest::of(unsealed.message());
            check_aggregate(&unsealed.seal(digest), &self.model, self.outer_key);
        } else {
            let aggregate = self.writer.finish().unwrap();
            check_aggregate(&aggregate, &self.model, self.outer_key);
            let blob = self.model.blob();
            assert_eq!(self.writer.clone().into_parts().0[..blob.len()], blob);
        }
        streamed::check(&self.model);
        self.model = self.model.cleared();
    }
}

fn check_aggregate(aggregate: &Aggregate<'_>, model: &Model, outer_key: OuterKey) {
    assert_eq!(aggregate.data(), model.blob());
    let outer = (aggregate.partition_key(), aggregate.explicit_hash_key());
    assert_eq!(outer, model.outer(outer_key));
    let count = aggregate.record_count();
    assert_eq!(count, model.user_records().len());

    assert_eq!(aggregate.data().len(), model.blob_len());
    let user_records = model.user_records().iter().enumerate();
    let expected: Vec<_> = user_records
        .map(|(place, user_record)| user_record.to_read(place))
        .collect();
    let view = aggregated(aggregate.data());
    assert_eq!(read_with_slots(&view, 3), expected);
    assert_eq!(read_with_slots(&view, view.key_count()), expected);
    let read = reference::read(view.message()).unwrap();
    assert_eq!(read.user_records, expected);
}
