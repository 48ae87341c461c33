//! Counts the allocations of the codec. Protects callers on targets with a heap as well:
//! the codec must use only memory that the caller provides.

use core::fmt::{self, Write};
use core::hint::black_box;

use kinesis_agg_codec::{
    AggregateWriter, DecodeErrorKind, Digest, EncodeError, EncodedPart, Frame, HashKey,
    HashKeyRange, KeySlots, LimitError, Limits, NewUserRecord, OuterKey, Parsed, ReadSlot,
    RecordTag, RecordTags, SectionWriter, StreamWriter, WriteSlot, parse, parse_with_digest,
    parse_without_digest,
};
use kinesis_agg_tests::counting::{Counting, allocations};
use kinesis_agg_tests::fixtures::decode_cases;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A text buffer of fixed size.
struct Page {
    bytes: [u8; 256],
    len: usize,
}

impl Write for Page {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let rest = &mut self.bytes[self.len..];
        rest.get_mut(..text.len())
            .ok_or(fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

fn print(value: impl fmt::Display + fmt::Debug) {
    let mut page = Page {
        bytes: [0; 256],
        len: 0,
    };
    write!(page, "{value}").unwrap();
    assert!(page.len > 0);
    page.len = 0;
    write!(page, "{value:?}").unwrap();
}

/// Reads everything in a blob.
fn read(blob: &[u8], slots: &mut [ReadSlot]) {
    match parse(blob) {
        Ok(Parsed::Plain(reason)) => print(reason),
        Err(error) => print(error),
        Ok(Parsed::Aggregated(aggregated)) => {
            for key in aggregated
                .partition_keys()
                .chain(aggregated.explicit_hash_keys())
            {
                black_box(key.to_str().is_ok());
            }
            let mut sum = HashKey::MIN;
            for user_record in aggregated.user_records_in(slots) {
                match user_record.hash_key() {
                    Ok(hash_key) => sum = sum.max(hash_key),
                    Err(error) => print(error),
                }
                black_box(user_record.tags().iter().count());
            }
            black_box(HashKeyRange::new(HashKey::MIN, sum).unwrap());
            assert_eq!(aggregated.into_iter().count(), aggregated.record_count());
        }
    }
    if let Ok(frame) = Frame::split(blob) {
        let digest = Digest::of(frame.message());
        black_box(parse_with_digest(blob, digest).is_ok());
        black_box(parse_without_digest(blob).is_ok());
    }
}

#[test]
fn reading_never_allocates() {
    let blobs: Vec<_> = decode_cases().into_iter().map(|case| case.blob).collect();
    let mut slots = [ReadSlot::default(); 8];
    for blob in &blobs {
        assert_eq!(allocations(|| read(blob, &mut slots)), 0);
    }
}

#[test]
fn writing_never_allocates() {
    let tags = [RecordTag {
        key: "unit".into(),
        value: Some("C".into()),
    }];
    let mut buffer = [0; 1000];
    let mut larger = [0; 1500];
    let mut slots = [WriteSlot::EMPTY; 32];
    let write = || {
        let limits = Limits::new().with_max_size(1000).unwrap();
        let mut writer = AggregateWriter::with_key_lookup(&mut buffer, KeySlots::new(&mut slots))
            .with_limits(limits)
            .with_outer_key(OuterKey::Kpl);
        for partition_key in ["a", "b", "c"].repeat_without_heap() {
            let user_record = NewUserRecord::new(partition_key, b"21.5")
                .with_explicit_hash_key("  +007 ".parse::<HashKey>().unwrap())
                .with_tags(tags[..].into());
            black_box((
                writer.encoded_len_with(&user_record),
                writer.fits(&user_record),
            ));
            if let Err(error) = writer.try_push(&user_record) {
                print(error);
                assert!(error.is_full());
                let aggregate = writer.finish().unwrap();
                black_box((aggregate.partition_key(), aggregate.explicit_hash_key()));
                writer.try_push(&user_record).unwrap();
            }
        }
        let mut writer = writer.move_to(&mut larger).unwrap();
        let unsealed = writer.finish_unsealed().unwrap();
        let digest = Digest::of(unsealed.message());
        black_box(unsealed.seal(digest).data());
        print(writer.finish().unwrap_err());

        let mut writer = SectionWriter::new(writer.into_parts().0);
        let partition_key = writer.add_partition_key(b"a").unwrap();
        let decimal = HashKey::MAX.to_decimal();
        let explicit_hash_key = writer.add_explicit_hash_key(decimal.as_bytes()).unwrap();
        let tags = RecordTags::from(&tags[..]);
        writer
            .push(partition_key, Some(explicit_hash_key), b"data", tags)
            .unwrap();
        black_box(writer.finish().unwrap().len());

        let mut writer = StreamWriter::new(|bytes: &[u8]| match bytes.len() {
            0..100 => Ok(()),
            _ => Err(fmt::Error),
        });
        let partition_key = writer.add_partition_key(b"a").unwrap();
        let explicit_hash_key = writer.add_explicit_hash_key(decimal.as_bytes()).unwrap();
        let mut push =
            |data: &[u8]| writer.push(partition_key, Some(explicit_hash_key), data, tags);
        push(b"data").unwrap();
        print(push(&[0; 100]).unwrap_err());
        print(push(b"data").unwrap_err());
        writer.clear();
        print(writer.finish().unwrap_err());
    };
    assert_eq!(allocations(write), 0);
}

/// Repeats a few keys 100 times in total, without allocating.
trait RepeatWithoutHeap<T> {
    fn repeat_without_heap(self) -> impl Iterator<Item = T>;
}

impl<T: Copy, const N: usize> RepeatWithoutHeap<T> for [T; N] {
    fn repeat_without_heap(self) -> impl Iterator<Item = T> {
        (0..100).map(move |place| self[place % N])
    }
}

#[test]
fn errors_are_printed_without_a_heap() {
    let print_all = || {
        print(DecodeErrorKind::MismatchedEndGroup {
            started: u32::MAX,
            ended: u32::MAX,
        });
        print(EncodeError::TooLarge {
            part: EncodedPart::UserRecord,
            needed: u32::MAX,
            limit: u32::MAX,
        });
        print(LimitError::Count);
        print(HashKeyRange::new(HashKey::MAX, HashKey::MIN).unwrap_err());
        print(HashKey::MAX);
        print(HashKey::MAX.to_decimal());
    };
    assert_eq!(allocations(print_all), 0);
}

#[test]
fn the_counting_allocator_counts_an_allocation() {
    assert_eq!(allocations(|| drop(black_box(vec![1_u8]))), 1);
}
