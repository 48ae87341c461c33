//! Tests the rule of `EncodeError::is_full` with all small buffers and limits. After an
//! error for which it returns true, the caller can finish the aggregate (or clear it, if
//! it has no user records), add the keys again, and push the user record successfully.
//! After any other error about the size, pushing it fails again. Protects senders from an
//! endless loop.

use core::convert::Infallible;

use kinesis_agg_codec::{
    AggregateWriter, EncodeError, HashKey, Limits, NewUserRecord, OuterKey, RecordTag, RecordTags,
    SectionWriter, StreamError, StreamWriter,
};

const KEYS: [&str; 3] = ["a", "sensor-7", "a-key-that-is-long"];
const NUMBERS: [Option<u128>; 3] = [None, Some(7), Some(u128::MAX)];

/// Returns all combinations of a few keys, lengths of data and tags.
fn user_records<'a>(tags: &'a [RecordTag<'a>], data: &'a [u8]) -> Vec<NewUserRecord<'a>> {
    let mut user_records = Vec::new();
    for key in KEYS {
        for number in NUMBERS {
            for len in [0, 1, 13, 14, 22, 30] {
                for tags in [&[], tags] {
                    let user_record = NewUserRecord::new(key, &data[..len])
                        .with_explicit_hash_key(number.map(HashKey::new))
                        .with_tags(tags.into());
                    user_records.push(user_record);
                }
            }
        }
    }
    user_records
}

const DATA: [u8; 30] = [0x5a; 30];

fn with_all_pairs(mut run: impl FnMut(&NewUserRecord<'_>, &NewUserRecord<'_>)) {
    let tags = [RecordTag {
        key: "unit".into(),
        value: Some("C".into()),
    }];
    let user_records = user_records(&tags, &DATA);
    for (first, second) in user_records
        .iter()
        .step_by(5)
        .flat_map(|first| user_records.iter().map(move |second| (first, second)))
    {
        run(first, second);
    }
}

#[test]
fn an_aggregate_writer_accepts_a_user_record_rejected_as_full_after_finishing() {
    let mut full = 0;
    with_all_pairs(|first, second| {
        for max_size in (30..150).step_by(7) {
            for outer_key in [
                OuterKey::FirstUserRecord,
                OuterKey::Kpl,
                OuterKey::Chosen("fleet-3"),
            ] {
                let limits = Limits::new().with_max_size(max_size).unwrap();
                let limits = limits.with_max_count(2).unwrap();
                let mut writer = AggregateWriter::new([0xa5; 140])
                    .with_limits(limits)
                    .with_outer_key(outer_key);
                for user_record in [first, second, second] {
                    match writer.try_push(user_record) {
                        Ok(()) => {}
                        Err(error) if error.is_full() => {
                            full += 1;
                            assert!(writer.finish().is_ok());
                            assert_eq!(writer.try_push(user_record), Ok(()), "{error}");
                        }
                        Err(error) => {
                            assert!(matches!(error, EncodeError::TooLarge { .. }));
                            let mut empty = writer.clone();
                            empty.clear();
                            assert_eq!(empty.try_push(user_record), Err(error));
                        }
                    }
                }
            }
        }
    });
    assert!(full > 10_000);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rejected {
    Key(EncodeError),
    UserRecord(EncodeError),
}

/// The common interface of a section writer and a stream writer.
trait KeyedWriter {
    /// Adds the keys and the user record. The error says which of them was rejected.
    fn add_all(&mut self, user_record: &NewUserRecord<'_>) -> Result<(), Rejected>;
    /// Starts another aggregate.
    fn start_over(&mut self);
}

fn check(writer: &mut impl KeyedWriter, user_record: &NewUserRecord<'_>, full: &mut u32) {
    let Err(rejected) = writer.add_all(user_record) else {
        return;
    };
    let (Rejected::Key(error) | Rejected::UserRecord(error)) = rejected;
    writer.start_over();
    let again = writer.add_all(user_record);
    if error.is_full() {
        *full += 1;
        match (rejected, again) {
            (_, Ok(())) => return,
            // The key fits, but not with the other key or the user record.
            (Rejected::Key(_), Err(Rejected::Key(error) | Rejected::UserRecord(error))) => {
                assert!(!error.is_full(), "{error}");
            }
            _ => panic!("{error}, then {again:?}"),
        }
    } else {
        assert!(matches!(error, EncodeError::TooLarge { .. }), "{error}");
        let (Err(Rejected::Key(again)) | Err(Rejected::UserRecord(again))) = again else {
            panic!("rejected as {error}, but accepted by an empty writer");
        };
        assert!(matches!(again, EncodeError::TooLarge { .. }), "{again}");
    }
    writer.start_over();
}

impl KeyedWriter for SectionWriter<Vec<u8>> {
    fn add_all(&mut self, user_record: &NewUserRecord<'_>) -> Result<(), Rejected> {
        let key = user_record.partition_key().as_bytes();
        let partition_key = self.add_partition_key(key).map_err(Rejected::Key)?;
        let text = user_record.explicit_hash_key().map(HashKey::to_decimal);
        let explicit_hash_key = text
            .map(|text| self.add_explicit_hash_key(text.as_bytes()))
            .transpose()
            .map_err(Rejected::Key)?;
        let (data, tags) = (user_record.data(), user_record.tags());
        self.push(partition_key, explicit_hash_key, data, tags)
            .map_err(Rejected::UserRecord)
    }

    fn start_over(&mut self) {
        if self.finish().is_err() {
            self.clear();
        }
        assert_eq!(self.encoded_len(), 20);
    }
}

#[test]
fn a_section_writer_accepts_a_user_record_rejected_as_full_after_finishing() {
    let mut full = 0;
    with_all_pairs(|first, second| {
        for buffer_len in (0..150).step_by(5) {
            let mut writer = SectionWriter::new(vec![0xa5; buffer_len]);
            for user_record in [first, second, second] {
                check(&mut writer, user_record, &mut full);
            }
        }
    });
    assert!(full > 10_000);
}

type Sink = fn(&[u8]) -> Result<(), Infallible>;

fn reason(error: StreamError<Infallible>) -> EncodeError {
    match error {
        StreamError::Rejected(error) => error,
        other => panic!("{other}"),
    }
}

impl KeyedWriter for StreamWriter<Sink> {
    fn add_all(&mut self, user_record: &NewUserRecord<'_>) -> Result<(), Rejected> {
        let key = user_record.partition_key().as_bytes();
        let partition_key = self.add_partition_key(key);
        let partition_key = partition_key.map_err(|error| Rejected::Key(reason(error)))?;
        let text = user_record.explicit_hash_key().map(HashKey::to_decimal);
        let explicit_hash_key = text
            .map(|text| self.add_explicit_hash_key(text.as_bytes()))
            .transpose()
            .map_err(|error| Rejected::Key(reason(error)))?;
        let (data, tags) = (user_record.data(), user_record.tags());
        self.push(partition_key, explicit_hash_key, data, tags)
            .map_err(|error| Rejected::UserRecord(reason(error)))
    }

    fn start_over(&mut self) {
        if self.finish().is_err() {
            self.clear();
        }
        assert_eq!(self.encoded_len(), 20);
    }
}

#[test]
fn a_stream_writer_accepts_a_user_record_rejected_as_full_after_finishing() {
    let mut full = 0;
    with_all_pairs(|first, second| {
        for max_size in (1..150).step_by(5) {
            let limits = Limits::new().with_max_size(max_size).unwrap();
            let limits = limits.with_max_count(2).unwrap();
            let sink: Sink = |_| Ok(());
            let mut writer = StreamWriter::new(sink).with_limits(limits);
            for user_record in [first, second, second] {
                check(&mut writer, user_record, &mut full);
            }
        }
    });
    assert!(full > 10_000);
}

/// If the keys were accepted before the user record was rejected, the rule has no
/// exceptions. Tests every small buffer and length.
#[test]
fn a_user_record_rejected_as_full_fits_alone_with_its_keys() {
    let data = [0x5a; 64];
    let mut full = 0;
    for len in 0..data.len() {
        for capacity in 20..120 {
            let mut sections = SectionWriter::new(vec![0xa5; capacity]);
            let max_size = u32::try_from(capacity).unwrap();
            let limits = Limits::new().with_max_size(max_size).unwrap();
            let sink: Sink = |_| Ok(());
            let mut stream = StreamWriter::new(sink).with_limits(limits);
            for explicit in [false, true] {
                for _ in 0..4 {
                    let add = |sections: &mut SectionWriter<_>| {
                        let key = sections.add_partition_key(b"sensor-7")?;
                        let number = explicit.then(|| sections.add_explicit_hash_key(b"1234567"));
                        Ok::<_, EncodeError>((key, number.transpose()?))
                    };
                    let Ok((key, number)) = add(&mut sections) else {
                        sections.clear();
                        continue;
                    };
                    let tags = RecordTags::default;
                    match sections.push(key, number, &data[..len], tags()) {
                        Err(error) if error.is_full() => {
                            full += 1;
                            if sections.finish().is_err() {
                                sections.clear();
                            }
                            let stale = sections.push(key, number, b"", tags());
                            assert_eq!(stale, Err(EncodeError::StaleKeyIndex));
                            let (key, number) = add(&mut sections).unwrap();
                            let again = sections.push(key, number, &data[..len], tags());
                            assert_eq!(again, Ok(()), "{len} bytes in {capacity}: {error}");
                        }
                        _ => {}
                    }
                    let add = |stream: &mut StreamWriter<_>| {
                        let key = stream.add_partition_key(b"sensor-7")?;
                        let number = explicit.then(|| stream.add_explicit_hash_key(b"1234567"));
                        Ok::<_, StreamError<Infallible>>((key, number.transpose()?))
                    };
                    let Ok((key, number)) = add(&mut stream) else {
                        stream.clear();
                        continue;
                    };
                    match stream.push(key, number, &data[..len], tags()) {
                        Err(StreamError::Rejected(error)) if error.is_full() => {
                            full += 1;
                            if stream.finish().is_err() {
                                stream.clear();
                            }
                            let stale = stream.push(key, number, b"", tags());
                            assert_eq!(stale, Err(EncodeError::StaleKeyIndex.into()));
                            let (key, number) = add(&mut stream).unwrap();
                            let again = stream.push(key, number, &data[..len], tags());
                            assert_eq!(again, Ok(()), "{len} bytes in {capacity}: {error}");
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    assert!(full > 1000, "{full}");
}

/// A key index is valid for one aggregate only, even if the next one has a key with the
/// same index. The number that identifies aggregates wraps after 65,535 of them.
#[test]
fn a_key_index_of_an_earlier_aggregate_is_rejected_as_stale() {
    let mut writer = SectionWriter::new([0xa5; 64]);
    let first = writer.add_partition_key(b"first").unwrap();
    let number = writer.add_explicit_hash_key(b"7").unwrap();
    let tags = RecordTags::default;
    writer.push(first, Some(number), b"", tags()).unwrap();
    writer.finish().unwrap();
    for aggregate in 1..=65_535 {
        let key = writer.add_partition_key(b"other").unwrap();
        let other_number = writer.add_explicit_hash_key(b"8").unwrap();
        let is_wrapped = aggregate == 65_535;
        for (key, number) in [(first, None), (key, Some(number))] {
            let pushed = writer.push(key, number, b"", tags());
            match is_wrapped {
                false => assert_eq!(pushed, Err(EncodeError::StaleKeyIndex)),
                true => assert_eq!(pushed, Ok(())),
            }
        }
        writer.push(key, Some(other_number), b"", tags()).unwrap();
        match aggregate % 2 {
            0 => writer.clear(),
            _ => drop(writer.finish().unwrap()),
        }
    }
}
