//! Tests the writer without a buffer: what it rejects, how much memory it needs, and what
//! happens if its sink fails. Protects readers from a partial blob that looks complete.

use core::convert::Infallible;
use core::error::Error as _;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use kinesis_agg_codec::{
    ByteSink, EncodeError, EncodedPart, HashKey, Limits, RecordTag, RecordTags, StreamError,
    StreamWriter,
};
use kinesis_agg_tests::{aggregated, read_with_slots};

/// A sink that accepts a number of calls and then always fails.
#[derive(Debug, Default)]
struct Failing {
    calls_left: usize,
    taken: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Broken;

impl ByteSink for Failing {
    type Error = Broken;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        assert!(!bytes.is_empty());
        self.calls_left = self.calls_left.checked_sub(1).ok_or(Broken)?;
        self.taken.extend_from_slice(bytes);
        Ok(())
    }
}

fn plenty() -> StreamWriter<Failing> {
    StreamWriter::new(Failing {
        calls_left: usize::MAX,
        taken: Vec::new(),
    })
}

fn limits(max_size: u32) -> Limits {
    Limits::new().with_max_size(max_size).unwrap()
}

/// Writes an aggregate with every kind of field.
fn write_all(writer: &mut StreamWriter<Failing>) -> Result<(), StreamError<Broken>> {
    let tags = [
        RecordTag {
            key: "unit".into(),
            value: Some("C".into()),
        },
        RecordTag {
            key: "raw".into(),
            value: None,
        },
    ];
    let first = writer.add_partition_key(b"sensor-7")?;
    writer.push(first, None, b"21.5", RecordTags::default())?;
    let explicit = writer.add_explicit_hash_key(HashKey::MAX.to_decimal().as_bytes())?;
    let second = writer.add_partition_key(b"sensor-8")?;
    writer.push(second, Some(explicit), b"", tags[..].into())?;
    writer.finish().map(drop)
}

#[test]
fn a_sink_that_fails_at_any_call_poisons_the_writer() {
    let mut whole = plenty();
    write_all(&mut whole).unwrap();
    let blob = whole.into_sink().taken;
    assert_eq!(read_with_slots(&aggregated(&blob), 4).len(), 2);

    let mut calls = 0;
    loop {
        let mut writer = StreamWriter::new(Failing {
            calls_left: calls,
            taken: Vec::new(),
        });
        let result = write_all(&mut writer);
        if result.is_ok() {
            assert!(writer.into_sink().taken == blob);
            break;
        }
        assert_eq!(
            result,
            Err(StreamError::Sink(Broken)),
            "after {calls} calls"
        );
        assert!(writer.is_poisoned());
        let poisoned = StreamError::Poisoned;
        assert_eq!(writer.add_partition_key(b"k"), Err(poisoned));
        assert_eq!(writer.add_explicit_hash_key(b"0"), Err(poisoned));
        assert_eq!(writer.finish(), Err(poisoned));
        let any_key = plenty().add_partition_key(b"k").unwrap();
        let push = writer.push(any_key, None, b"", RecordTags::default());
        assert_eq!(push, Err(poisoned));

        // The sink has a proper prefix of the blob.
        let taken = writer.into_sink().taken;
        assert!(blob.starts_with(&taken) && taken.len() < blob.len());
        calls += 1;
    }
    // Calls: two each for three keys, one data field and three texts of tags (head and bytes); the
    // head of a record without data; the digest.
    assert_eq!(calls, 2 * (3 + 1 + 3) + 1 + 1);
}

/// A sink that panics may have received any part of the bytes.
#[test]
fn a_sink_that_panics_poisons_the_writer() {
    for calls in 0..8 {
        let mut calls_left = calls;
        let mut writer = StreamWriter::new(|_: &[u8]| {
            assert!(calls_left > 0, "a panic that the test expects");
            calls_left -= 1;
            Ok::<(), Infallible>(())
        });
        let write = catch_unwind(AssertUnwindSafe(|| {
            let key = writer.add_partition_key(b"k")?;
            writer.push(key, None, b"21.5", RecordTags::default())?;
            let key = writer
                .add_explicit_hash_key(b"7")
                .map(|index| (key, index))?;
            writer.push(key.0, Some(key.1), b"", RecordTags::default())?;
            writer.finish().map(drop)
        }));
        // Head and bytes of a key, of a record, of another key; another head; digest.
        assert!(write.is_err());
        assert!(writer.is_poisoned(), "after {calls} calls");
        assert_eq!(writer.finish().err(), Some(StreamError::Poisoned));
        writer.clear();
        assert!(!writer.is_poisoned());
    }
}

#[test]
fn a_cleared_stream_writer_starts_a_new_blob() {
    let mut writer = plenty();
    let key = writer.add_partition_key(b"given up").unwrap();
    let push = writer.push(key, None, b"21.5", RecordTags::default());
    push.unwrap();
    writer.clear();
    assert_eq!((writer.record_count(), writer.encoded_len()), (0, 20));
    assert_eq!(
        writer.push(key, None, b"21.5", RecordTags::default()),
        Err(EncodeError::StaleKeyIndex.into())
    );
    write_all(&mut writer).unwrap();
    // After a finished blob, the writer starts another one as well.
    write_all(&mut writer).unwrap();

    let mut whole = plenty();
    write_all(&mut whole).unwrap();
    let blob = whole.into_sink().taken;
    let taken = writer.into_sink().taken;
    assert!(taken.ends_with(&[&blob[..], &blob[..]].concat()));
}

#[test]
fn rejected_keys_and_user_records_are_not_written() {
    // Magic and digest, a key, one record, and the key again as the outer one.
    let mut writer = plenty().with_limits(limits(20 + 10 + 10 + 8));
    let full = |needed| StreamError::Rejected(EncodeError::Full { needed, limit: 48 });
    let too_large = |part, needed| {
        StreamError::Rejected(EncodeError::TooLarge {
            part,
            needed,
            limit: 48,
        })
    };
    let none = RecordTags::default;
    assert_eq!(writer.finish(), Err(EncodeError::Empty.into()));
    assert_eq!(
        writer.add_partition_key(&[b'k'; 14]),
        Err(too_large(EncodedPart::Key, 20 + 16 + 14))
    );
    assert_eq!(writer.encoded_len(), 20);

    let key = writer.add_partition_key(b"sensor-7").unwrap();
    assert_eq!(writer.finish(), Err(EncodeError::Empty.into()));
    assert_eq!(
        writer.push(key, None, b"21.50", none()),
        Err(too_large(EncodedPart::UserRecord, 20 + 10 + 11 + 8))
    );
    assert_eq!(
        writer.add_partition_key(b"sensor-10"),
        Err(full(20 + 10 + 11 + 9))
    );
    writer.push(key, None, b"21.5", none()).unwrap();
    assert_eq!(writer.push(key, None, b"", none()), Err(full(46 + 8)));
    // A user record that would fill an aggregate alone, and one that is a byte longer.
    assert_eq!(
        writer.push(key, None, &[0; 4], none()),
        Err(full(20 + 10 + 10 + 10 + 8))
    );
    assert_eq!(
        writer.push(key, None, &[0; 5], none()),
        Err(too_large(EncodedPart::UserRecord, 20 + 10 + 11 + 8))
    );
    assert_eq!(writer.add_explicit_hash_key(b""), Err(full(42 + 8)));
    let other = plenty().add_explicit_hash_key(b"0").unwrap();
    assert_eq!(
        writer.push(key, Some(other), b"", none()),
        Err(EncodeError::UnknownKeyIndex { index: 0, count: 0 }.into())
    );
    assert!(!writer.is_poisoned());
    assert_eq!((writer.record_count(), writer.encoded_len()), (1, 40));
    let streamed = writer.finish().unwrap();
    assert_eq!((streamed.record_count(), streamed.encoded_len()), (1, 40));
    let blob = writer.into_sink().taken;
    assert_eq!(blob.len(), 40);
    assert_eq!(read_with_slots(&aggregated(&blob), 1)[0].data, b"21.5");
}

/// Protects callers that print a chain of errors.
#[test]
fn the_sinks_error_is_the_source_of_the_stream_error() {
    let sink = StreamError::Sink(core::fmt::Error);
    assert_eq!(sink.to_string(), "sink failed");
    let poisoned = StreamError::<core::fmt::Error>::Poisoned;
    assert_eq!(poisoned.to_string(), "sink failed in an earlier call");
    let source = sink.source().unwrap().to_string();
    assert_eq!(source, core::fmt::Error.to_string());
    let full = EncodeError::CountReached { limit: 3 };
    let rejected = StreamError::<core::fmt::Error>::from(full);
    // A rejection has the text of the encode error, and therefore no source.
    assert_eq!(rejected.to_string(), full.to_string());
    assert!(rejected.source().is_none());
}

#[test]
fn a_stream_writer_enforces_the_count_limit() {
    let limits = Limits::new().with_max_count(2).unwrap();
    let mut writer = plenty().with_limits(limits);
    let key = writer.add_partition_key(b"k").unwrap();
    let mut push = |data| writer.push(key, None, data, RecordTags::default());
    push(b"a").unwrap();
    push(b"b").unwrap();
    assert_eq!(
        push(b"c"),
        Err(EncodeError::CountReached { limit: 2 }.into())
    );
    assert_eq!(writer.finish().unwrap().record_count(), 2);
}

/// Protects callers that log a writer whose sink does not implement `Debug`.
#[test]
fn debug_output_shows_the_progress_and_omits_the_sink() {
    let mut writer = plenty();
    let key = writer.add_partition_key(b"k").unwrap();
    let pushed = writer.push(key, None, b"21.5", RecordTags::default());
    pushed.unwrap();
    let printed = format!("{writer:?}");
    assert!(
        printed.contains("encoded_len: 33, record_count: 1,"),
        "{printed}"
    );
    assert!(!printed.contains("sink"));
}

#[test]
fn the_stream_writer_is_at_most_144_bytes() {
    let state = size_of::<StreamWriter<()>>();
    assert!(state <= 144, "{state} bytes, but the docs state 144");
}

/// Streams 10 MiB, the largest Kinesis record that the service accepts.
#[test]
fn a_stream_writer_writes_a_10_mib_aggregate() {
    let mut writer = plenty().with_limits(limits(10 << 20));
    let key = writer.add_partition_key(b"k").unwrap();
    let data = [0xa5; 1000];
    let error = loop {
        if let Err(error) = writer.push(key, None, &data, RecordTags::default()) {
            break error;
        }
    };
    assert!(matches!(error, StreamError::Rejected(error) if error.is_full()));
    let streamed = writer.finish().unwrap();
    let blob = writer.into_sink().taken;
    assert_eq!(usize::try_from(streamed.encoded_len()), Ok(blob.len()));
    assert!(blob.len() > (10 << 20) - 1100 && blob.len() < 10 << 20);
    let view = aggregated(&blob);
    assert_eq!(view.record_count(), streamed.record_count());
    assert!(view.user_records().all(|read| read.data() == data));
}

/// Writes the longest head of a record that fits in a blob: its numbers take four, three, two and
/// four bytes.
#[test]
fn a_stream_writer_writes_a_record_with_the_longest_head() {
    let mut writer = plenty().with_limits(limits(10 << 20));
    let mut partition_key = writer.add_partition_key(b"k").unwrap();
    for _ in 0..1 << 14 {
        partition_key = writer.add_partition_key(b"k").unwrap();
    }
    let mut explicit_hash_key = writer.add_explicit_hash_key(b"7").unwrap();
    for _ in 0..1 << 7 {
        explicit_hash_key = writer.add_explicit_hash_key(b"7").unwrap();
    }
    let data = vec![0xa5; 1 << 21];
    let tags = RecordTags::default();
    writer
        .push(partition_key, Some(explicit_hash_key), &data, tags)
        .unwrap();
    writer.finish().unwrap();
    let blob = writer.into_sink().taken;
    let mut user_records = aggregated(&blob).user_records();
    assert_eq!(user_records.next().unwrap().data(), data);
    assert_eq!(user_records.next(), None);
}
