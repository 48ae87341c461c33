//! quick-protobuf, with code as `pb-rs --dont_use_cow` generates it: vectors of
//! borrowed fields. (With `Cow`, the default, every field is one word larger.)

use std::collections::HashMap;

use quick_protobuf::sizeofs::{sizeof_len, sizeof_varint};
use quick_protobuf::{BytesReader, MessageRead, MessageWrite, Result, Writer, WriterBackend};

use crate::input::{Touched, UserRecordInput, to_u64};
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

impl MessageWrite for AggregatedRecord<'_> {
    fn get_size(&self) -> usize {
        let key_len = |key: &&str| 1 + sizeof_len(key.len());
        self.partition_key_table.iter().map(key_len).sum::<usize>()
            + self
                .explicit_hash_key_table
                .iter()
                .map(key_len)
                .sum::<usize>()
            + self
                .records
                .iter()
                .map(|record| 1 + sizeof_len(record.get_size()))
                .sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for key in &self.partition_key_table {
            w.write_with_tag(10, |w| w.write_string(key))?;
        }
        for key in &self.explicit_hash_key_table {
            w.write_with_tag(18, |w| w.write_string(key))?;
        }
        for record in &self.records {
            w.write_with_tag(26, |w| w.write_message(record))?;
        }
        Ok(())
    }
}

impl MessageWrite for Record<'_> {
    fn get_size(&self) -> usize {
        1 + sizeof_varint(self.partition_key_index)
            + self
                .explicit_hash_key_index
                .map_or(0, |index| 1 + sizeof_varint(index))
            + 1
            + sizeof_len(self.data.len())
            + self
                .tags
                .iter()
                .map(|tag| 1 + sizeof_len(tag.get_size()))
                .sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        w.write_with_tag(8, |w| w.write_uint64(self.partition_key_index))?;
        if let Some(index) = self.explicit_hash_key_index {
            w.write_with_tag(16, |w| w.write_uint64(index))?;
        }
        w.write_with_tag(26, |w| w.write_bytes(self.data))?;
        for tag in &self.tags {
            w.write_with_tag(34, |w| w.write_message(tag))?;
        }
        Ok(())
    }
}

impl MessageWrite for Tag<'_> {
    fn get_size(&self) -> usize {
        1 + sizeof_len(self.key.len()) + self.value.map_or(0, |value| 1 + sizeof_len(value.len()))
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        w.write_with_tag(10, |w| w.write_string(self.key))?;
        if let Some(value) = self.value {
            w.write_with_tag(18, |w| w.write_string(value))?;
        }
        Ok(())
    }
}

/// Decodes the whole message. Returns the number of user records and keys.
pub(crate) fn check(message: &[u8]) -> usize {
    let mut reader = BytesReader::from_bytes(message);
    let aggregated = AggregatedRecord::from_reader(&mut reader, message).unwrap();
    aggregated.records.len()
        + aggregated.partition_key_table.len()
        + aggregated.explicit_hash_key_table.len()
}

/// Builds the message, with each key stored once, and encodes it into `out`.
pub(crate) fn encode(user_records: &[UserRecordInput], out: &mut Vec<u8>) {
    let mut aggregated = AggregatedRecord::default();
    let mut partition_keys: HashMap<&str, u64> = HashMap::new();
    let mut explicit_hash_keys: HashMap<u128, u64> = HashMap::new();
    let mut explicit_hash_key_texts = Vec::new();
    for user_record in user_records {
        let key = user_record.partition_key.as_str();
        let table = &mut aggregated.partition_key_table;
        let partition_key_index = *partition_keys.entry(key).or_insert_with(|| {
            table.push(key);
            to_u64(table.len() - 1)
        });
        let explicit_hash_key_index = user_record.explicit_hash_key.map(|key| {
            *explicit_hash_keys.entry(key.to_u128()).or_insert_with(|| {
                explicit_hash_key_texts.push(key.to_u128().to_string());
                to_u64(explicit_hash_key_texts.len() - 1)
            })
        });
        aggregated.records.push(Record {
            partition_key_index,
            explicit_hash_key_index,
            data: &user_record.data,
            tags: Vec::new(),
        });
    }
    let texts = explicit_hash_key_texts.iter().map(String::as_str);
    aggregated.explicit_hash_key_table = texts.collect();
    out.clear();
    aggregated.write_message(&mut Writer::new(out)).unwrap();
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
