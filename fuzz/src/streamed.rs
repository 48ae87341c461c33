//! Checks a `StreamWriter` with the same user records: it writes the same fields in
//! another order, or, if its sink fails, a prefix of them.

use kinesis_agg_codec::{
    ByteSink, EncodeError, ExplicitHashKeyIndex, Limits, PartitionKeyIndex, StreamError,
    StreamWriter, StreamedAggregate,
};
use kinesis_agg_tests::{aggregated, read_with_slots};

use crate::kpl_model::Model;

/// A sink that fails at one call and accepts all others.
#[derive(Debug)]
struct Failing {
    calls: usize,
    fails_at: Option<usize>,
    taken: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
struct Broken;

impl ByteSink for Failing {
    type Error = Broken;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        assert!(!bytes.is_empty());
        self.calls += 1;
        if self.fails_at == Some(self.calls) {
            return Err(Broken);
        }
        self.taken.extend_from_slice(bytes);
        Ok(())
    }
}

type Error = StreamError<Broken>;

fn writer(fails_at: Option<usize>) -> StreamWriter<Failing> {
    StreamWriter::new(Failing {
        calls: 0,
        fails_at,
        taken: Vec::new(),
    })
}

fn write(
    writer: &mut StreamWriter<Failing>,
    model: &Model,
) -> Result<(StreamedAggregate, PartitionKeyIndex), Error> {
    let (mut partition_keys, mut explicit_hash_keys) = (Vec::new(), Vec::new());
    for (user_record, partition_key, explicit_hash_key) in model.uses() {
        if partition_key.is_new {
            let text = user_record.partition_key.as_bytes();
            partition_keys.push(writer.add_partition_key(text)?);
        }
        let mut explicit: Option<ExplicitHashKeyIndex> = None;
        if let (Some(key), Some(number)) = (explicit_hash_key, user_record.explicit_hash_key) {
            if key.is_new {
                let text = number.to_string();
                explicit_hash_keys.push(writer.add_explicit_hash_key(text.as_bytes())?);
            }
            explicit = Some(explicit_hash_keys[usize::try_from(key.index).unwrap()]);
        }
        let partition_key = partition_keys[usize::try_from(partition_key.index).unwrap()];
        let tags = user_record.tag_list();
        writer.push(partition_key, explicit, &user_record.data, tags[..].into())?;
    }
    Ok((writer.finish()?, partition_keys[0]))
}

/// Streams the user records of a model, which must not be empty.
pub fn check(model: &Model) {
    let blob = model.streamed();
    let mut whole = writer(None);
    let (streamed, first) = write(&mut whole, model).unwrap();
    let len = usize::try_from(streamed.encoded_len()).unwrap();
    assert_eq!(len, blob.len());
    assert_eq!(streamed.record_count(), model.user_records().len());
    assert_eq!(streamed.first_partition_key(), first);
    let sink = whole.into_sink();
    assert_eq!(sink.taken, blob);
    let user_records = model.user_records().iter().enumerate();
    let expected: Vec<_> = user_records
        .map(|(place, user_record)| user_record.to_read(place))
        .collect();
    assert_eq!(read_with_slots(&aggregated(&blob), 2), expected);

    fail(model, &blob, sink.calls);
    limit(model, &blob);
}

/// Lets the sink fail at one call, chosen by the last bytes of the blob, then clears
/// the writer and writes again.
fn fail(model: &Model, blob: &[u8], calls: usize) {
    let chosen = usize::from(blob[blob.len() - 1]) << 8 | usize::from(blob[blob.len() - 2]);
    let mut failing = writer(Some(1 + chosen % calls));
    let failed = write(&mut failing, model);
    assert_eq!(failed, Err(StreamError::Sink(Broken)));
    assert!(failing.is_poisoned());
    // The sink would accept the bytes, but a poisoned writer does not call it.
    assert_eq!(write(&mut failing, model), Err(StreamError::Poisoned));
    assert_eq!(failing.finish(), Err(StreamError::Poisoned));
    failing.clear();
    assert!(write(&mut failing, model).is_ok());
    let taken = failing.into_sink().taken;
    let (start, again) = taken.split_at(taken.len() - blob.len());
    assert!(blob.starts_with(start) && start.len() < blob.len());
    assert_eq!(again, blob);
}

/// Checks that a limit of one byte less than needed rejects the last user record.
fn limit(model: &Model, blob: &[u8]) {
    let user_records = model.user_records().iter();
    let longest = user_records.map(|user_record| user_record.partition_key.len());
    let size = u32::try_from(blob.len() + longest.max().unwrap()).unwrap();
    let limits = |max_size| Limits::new().with_max_size(max_size).unwrap();
    let mut enough = writer(None).with_limits(limits(size));
    assert!(write(&mut enough, model).is_ok());
    let mut tight = writer(None).with_limits(limits(size - 1));
    match write(&mut tight, model) {
        Err(StreamError::Rejected(EncodeError::Full { needed, limit })) => {
            assert_eq!((needed, limit), (size, size - 1));
        }
        Err(StreamError::Rejected(EncodeError::TooLarge { .. })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(tight.record_count(), model.user_records().len() - 1);
    let written = usize::try_from(tight.encoded_len()).unwrap() - 16;
    let taken = tight.into_sink().taken;
    // Nothing is written, not even the magic, before the first key is accepted.
    assert!(taken.len() == written || (taken.is_empty() && written == 4));
    assert!(blob.starts_with(&taken));
}
