//! This codec's writer for any keys, and its reader.

use kinesis_agg_codec::{AggregateWriter, NewUserRecord, Parsed, parse};

use crate::{Blob, COUNT, consume, reading};

pub fn encode(blob: &mut Blob) -> Option<usize> {
    let mut writer = AggregateWriter::new(blob);
    for place in 0..COUNT {
        let (key, data) = reading(place);
        writer.try_push(&NewUserRecord::new(key, &data)).ok()?;
    }
    Some(writer.finish().ok()?.data().len())
}

pub fn decode(blob: &[u8]) -> Option<u32> {
    let mut sum = 0;
    let Ok(Parsed::Aggregated(aggregated)) = parse(blob) else {
        return None;
    };
    for user_record in aggregated.user_records() {
        consume(
            &mut sum,
            user_record.partition_key().as_bytes(),
            user_record.data(),
        );
    }
    Some(sum)
}
