//! quick-protobuf: what `pb-rs --dont_use_cow` writes, vectors of borrowed
//! fields. (With `Cow`, its default, every field is a word longer.)

use quick_protobuf::{BytesReader, MessageRead, Result};

use crate::input::Touched;
use crate::peers::index;

#[derive(Default)]
struct AggregatedRecord<'a> {
    partition_key_table: Vec<&'a str>,
    explicit_hash_key_table: Vec<&'a str>,
    records: Vec<Record<'a>>,
}

#[derive(Default)]
struct Record<'a> {
    partition_key_index: u64,
    explicit_hash_key_index: Option<u64>,
    data: &'a [u8],
    tags: Vec<Tag<'a>>,
}

#[derive(Default)]
struct Tag<'a> {
    key: &'a str,
    value: Option<&'a str>,
}

impl<'a> MessageRead<'a> for AggregatedRecord<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.partition_key_table.push(r.read_string(bytes)?),
                Ok(18) => msg.explicit_hash_key_table.push(r.read_string(bytes)?),
                Ok(26) => msg.records.push(r.read_message::<Record>(bytes)?),
                Ok(t) => r.read_unknown(bytes, t)?,
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageRead<'a> for Record<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.partition_key_index = r.read_uint64(bytes)?,
                Ok(16) => msg.explicit_hash_key_index = Some(r.read_uint64(bytes)?),
                Ok(26) => msg.data = r.read_bytes(bytes)?,
                Ok(34) => msg.tags.push(r.read_message::<Tag>(bytes)?),
                Ok(t) => r.read_unknown(bytes, t)?,
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageRead<'a> for Tag<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.key = r.read_string(bytes)?,
                Ok(18) => msg.value = Some(r.read_string(bytes)?),
                Ok(t) => r.read_unknown(bytes, t)?,
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

pub(crate) fn walk(message: &[u8], touched: &mut Touched) {
    let mut reader = BytesReader::from_bytes(message);
    let aggregated = AggregatedRecord::from_reader(&mut reader, message).unwrap();
    for record in &aggregated.records {
        let key = aggregated.partition_key_table[index(record.partition_key_index)];
        let explicit_hash_key = record
            .explicit_hash_key_index
            .map(|at| aggregated.explicit_hash_key_table[index(at)].as_bytes());
        touched.touch_user_record(key.as_bytes(), explicit_hash_key, record.data);
        for tag in &record.tags {
            touched.touch(tag.key.as_bytes());
            touched.touch(tag.value.unwrap_or_default().as_bytes());
        }
    }
}
