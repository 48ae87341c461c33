//! femtopb: borrows its data, and reads lists again at each use. Tags and explicit hash keys
//! are left out, which makes it smaller.

use femtopb::{Message as _, Repeated, item_encoding};

use crate::{Blob, COUNT, consume, open, reading, seal};

#[derive(Clone, Debug, PartialEq, femtopb::Message)]
struct AggregatedRecord<'a> {
    #[femtopb(string, repeated, tag = 1)]
    partition_key_table: Repeated<'a, &'a str, item_encoding::String>,
    #[femtopb(message, repeated, tag = 3)]
    records: Repeated<'a, Record<'a>, item_encoding::Message<'a, Record<'a>>>,
    #[femtopb(unknown_fields)]
    unknown_fields: femtopb::UnknownFields<'a>,
}

#[derive(Clone, Debug, PartialEq, femtopb::Message)]
struct Record<'a> {
    // It omits defaults, even of required fields: with another default, index 0 is written.
    #[femtopb(uint32, required, tag = 1, default = 4294967295)]
    partition_key_index: u32,
    #[femtopb(bytes, optional, tag = 3)]
    data: Option<&'a [u8]>,
    #[femtopb(unknown_fields)]
    unknown_fields: femtopb::UnknownFields<'a>,
}

pub fn encode(blob: &mut Blob) -> Option<usize> {
    let mut keys = [""; 5];
    let mut key_count = 0_usize;
    let mut readings = [[0; 32]; COUNT as usize];
    let mut indices = [0; COUNT as usize];
    for (place, (stored, index)) in (0..COUNT).zip(readings.iter_mut().zip(&mut indices)) {
        let (key, data) = reading(place);
        *stored = data;
        let found = keys.iter().take(key_count).position(|known| *known == key);
        let position = match found {
            Some(position) => position,
            None => {
                *keys.get_mut(key_count)? = key;
                key_count += 1;
                key_count - 1
            }
        };
        *index = u32::try_from(position).ok()?;
    }
    let mut records: [Record<'_>; COUNT as usize] = Default::default();
    for (record, (data, index)) in records.iter_mut().zip(readings.iter().zip(indices)) {
        record.partition_key_index = index;
        record.data = Some(data);
    }
    let message = AggregatedRecord {
        partition_key_table: Repeated::from_slice(keys.get(..key_count)?),
        records: Repeated::from_slice(&records),
        ..AggregatedRecord::default()
    };
    let mut out = blob.get_mut(4..)?;
    let free_len = out.len();
    message.encode(&mut out).ok()?;
    let message_len = free_len - out.len();
    seal(blob, message_len)
}

pub fn decode(blob: &[u8]) -> Option<u32> {
    let message = AggregatedRecord::decode(open(blob)?).ok()?;
    let mut sum = 0;
    for record in &message.records {
        let record = record.ok()?;
        let index = usize::try_from(record.partition_key_index).ok()?;
        let key = message.partition_key_table.iter().nth(index)?.ok()?;
        consume(&mut sum, key.as_bytes(), record.data?);
    }
    Some(sum)
}
