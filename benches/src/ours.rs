//! Our contestants, which use the crates as their documentation recommends.

use fearless_simd::Level;
use kinesis_agg::{Deaggregator, RecordAggregator};
use kinesis_agg_codec::{
    AggregateWriter, AggregatedRecord, Digest, Frame, KeySlots, Limits, Parsed, ReadSlot,
    UserRecord, WriteSlot, limits, parse, parse_with_digest, parse_without_digest,
};
use md5_many::Md5Many;

use crate::input::{Touched, UserRecordInput};
use crate::md5_lanes;

fn touch(user_record: &UserRecord<'_>, touched: &mut Touched) {
    let explicit_hash_key = user_record.explicit_hash_key();
    touched.touch_user_record(
        user_record.partition_key().as_bytes(),
        explicit_hash_key.as_ref().map(|key| key.as_bytes()),
        user_record.data(),
    );
}

fn aggregated(parsed: Parsed<'_>) -> AggregatedRecord<'_> {
    match parsed {
        Parsed::Aggregated(aggregated) => aggregated,
        Parsed::Plain(reason) => panic!("{reason}"),
    }
}

fn walk_checked(parsed: Parsed<'_>, slots: &mut Vec<ReadSlot>, touched: &mut Touched) {
    let aggregated = aggregated(parsed);
    slots.resize(aggregated.key_count(), ReadSlot::default());
    for user_record in aggregated.user_records_in(&mut slots[..]) {
        touch(&user_record, touched);
    }
}

/// Walks a blob with the codec, without checking the digest.
pub(crate) fn walk(blob: &[u8], slots: &mut Vec<ReadSlot>, touched: &mut Touched) {
    walk_checked(parse_without_digest(blob).unwrap(), slots, touched);
}

/// Validates a blob with the codec, without checking the digest. Returns the number
/// of user records and keys.
pub(crate) fn check(blob: &[u8]) -> usize {
    let aggregated = aggregated(parse_without_digest(blob).unwrap());
    aggregated.record_count() + aggregated.key_count()
}

/// Verifies and walks a blob with the codec.
pub(crate) fn verify(blob: &[u8], slots: &mut Vec<ReadSlot>, touched: &mut Touched) {
    walk_checked(parse(blob).unwrap(), slots, touched);
}

/// Does what `kinesis_agg` does with a batch on a processor without AVX-512.
pub(crate) fn verify_with_avx2(
    blobs: &[Vec<u8>],
    slots: &mut Vec<ReadSlot>,
    touched: &mut Touched,
) {
    let message = |&place: &usize| Frame::split(&blobs[place]).unwrap().message();
    let mut order: Vec<_> = (0..blobs.len()).collect();
    order.sort_unstable_by_key(|place| core::cmp::Reverse(message(place).len()));
    let messages: Vec<_> = order.iter().map(message).collect();
    let mut digests = vec![[0; 16]; blobs.len()];
    md5_lanes::hash(avx2(), &messages, &mut digests);
    let mut in_order = vec![[0; 16]; blobs.len()];
    for (place, digest) in order.into_iter().zip(digests) {
        in_order[place] = digest;
    }
    for (blob, digest) in blobs.iter().zip(in_order) {
        let parsed = parse_with_digest(blob, Digest::from(digest));
        walk_checked(parsed.unwrap(), slots, touched);
    }
}

/// Returns the AVX2 lanes if the processor has AVX2, and otherwise its default lanes.
fn avx2() -> Md5Many {
    let level = Level::new();
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    let level = level.as_avx2().map_or(level, Level::Avx2);
    Md5Many::from_level(level)
}

/// Reads one Kinesis record with `kinesis_agg`.
pub(crate) fn deaggregate(blob: &Vec<u8>, deaggregator: &mut Deaggregator, touched: &mut Touched) {
    for delivered in deaggregator.deaggregate_one(blob) {
        touch(delivered.user_record().unwrap(), touched);
    }
}

/// Reads all Kinesis records of a `GetRecords` response with `kinesis_agg`, digests
/// ahead.
pub(crate) fn deaggregate_at_once(blobs: &[Vec<u8>], touched: &mut Touched) {
    let deaggregator = Deaggregator::new().with_digests_ahead(true);
    for delivered in deaggregator.into_deaggregated(blobs) {
        touch(delivered.user_record().unwrap(), touched);
    }
}

/// The codec's writer, with two slots per key.
#[derive(Debug)]
pub(crate) struct Writer(AggregateWriter<Vec<u8>, KeySlots<Vec<WriteSlot>>>);

impl Writer {
    pub(crate) fn new(key_count: usize) -> Self {
        let slots = KeySlots::new(vec![WriteSlot::EMPTY; key_count * 2]);
        let max_size = limits::LARGEST_MAX_SIZE;
        let buffer = vec![0; usize::try_from(max_size).unwrap()];
        let limits = Limits::new().with_max_size(max_size);
        let writer = AggregateWriter::with_key_lookup(buffer, slots);
        Self(writer.with_limits(limits.unwrap()))
    }

    fn push_all(&mut self, user_records: &[UserRecordInput]) {
        for user_record in user_records {
            self.0.try_push(&user_record.borrow()).unwrap();
        }
    }

    /// Encodes without the digest. Returns the length of the message.
    pub(crate) fn encode(&mut self, user_records: &[UserRecordInput]) -> usize {
        self.push_all(user_records);
        self.0.finish_unsealed().unwrap().message().len()
    }

    /// Encodes with the digest. Returns the length of the blob.
    pub(crate) fn encode_sealed(&mut self, user_records: &[UserRecordInput]) -> usize {
        self.push_all(user_records);
        self.0.finish().unwrap().data().len()
    }
}

/// Writes one aggregate with `kinesis_agg`. Returns its length.
pub(crate) fn aggregate(
    aggregator: &mut RecordAggregator,
    user_records: &[UserRecordInput],
) -> usize {
    for user_record in user_records {
        let full = aggregator.push(user_record.borrow());
        assert!(full.unwrap().is_none());
    }
    aggregator.flush().unwrap().data().len()
}
