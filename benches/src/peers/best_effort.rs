//! An aggregator of the kind that services write for themselves, modelled on
//! Vector's Kinesis sink: it queues user records, estimates sizes, encodes with
//! prost and adds the frame.

use alloc::collections::VecDeque;
use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use md5::{Digest as _, Md5};
use prost::Message as _;

use crate::input::{UserRecordInput, to_u64};
use crate::peers::MAGIC;
use crate::peers::prost::vec::{AggregatedRecord, Record};

/// A queued user record, which owns its parts.
struct Queued {
    partition_key: String,
    explicit_hash_key: Option<String>,
    data: Bytes,
}

/// Queues the user records, then writes them to as many blobs as needed.
pub(crate) fn aggregate(user_records: &[UserRecordInput], max_size: usize) -> Vec<Bytes> {
    let mut queue: VecDeque<Queued> = user_records
        .iter()
        .map(|user_record| Queued {
            partition_key: user_record.partition_key.clone(),
            explicit_hash_key: user_record.explicit_hash_key.map(|key| key.to_string()),
            data: user_record.data.clone(),
        })
        .collect();
    let mut blobs = Vec::new();
    while !queue.is_empty() {
        let mut size = 0;
        let mut taken = Vec::new();
        while let Some(next) = queue.pop_front() {
            let ehk_len = next.explicit_hash_key.as_ref().map_or(0, String::len);
            let estimate = next.data.len() + next.partition_key.len() + ehk_len + 20;
            if size + estimate > max_size && !taken.is_empty() {
                queue.push_front(next);
                break;
            }
            size += estimate;
            taken.push(next);
        }
        blobs.push(blob_of(&taken));
    }
    blobs
}

fn blob_of(user_records: &[Queued]) -> Bytes {
    let mut aggregated = AggregatedRecord::default();
    let mut partition_keys = HashMap::new();
    let mut explicit_hash_keys = HashMap::new();
    for user_record in user_records {
        let table = &mut aggregated.partition_key_table;
        let key = &user_record.partition_key;
        let partition_key_index = *partition_keys.entry(key.clone()).or_insert_with(|| {
            table.push(key.clone());
            to_u64(table.len() - 1)
        });
        let table = &mut aggregated.explicit_hash_key_table;
        let explicit_hash_key_index = user_record.explicit_hash_key.as_ref().map(|key| {
            *explicit_hash_keys.entry(key.clone()).or_insert_with(|| {
                table.push(key.clone());
                to_u64(table.len() - 1)
            })
        });
        aggregated.records.push(Record {
            partition_key_index,
            explicit_hash_key_index,
            data: user_record.data.to_vec(),
            tags: Vec::new(),
        });
    }
    let message = aggregated.encode_to_vec();
    let mut blob = BytesMut::with_capacity(message.len() + 20);
    blob.put_slice(&MAGIC);
    blob.put_slice(&message);
    blob.put_slice(&Md5::digest(&message));
    blob.freeze()
}
