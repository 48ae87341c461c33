//! prost, with code as `prost-build` generates it: `Vec` by default, `Bytes` if
//! configured.

use std::collections::HashMap;

use bytes::{Buf, Bytes};
use prost::Message as _;

use crate::input::{Touched, UserRecordInput, to_u64};
use crate::peers::index;

macro_rules! schema {
    ($module:ident, $data_kind:tt, $data:ty, $share:path) => {
        pub(crate) mod $module {
            use super::*;

            #[derive(Clone, PartialEq, prost::Message)]
            pub(crate) struct AggregatedRecord {
                #[prost(string, repeated, tag = "1")]
                pub(crate) partition_key_table: Vec<String>,
                #[prost(string, repeated, tag = "2")]
                pub(crate) explicit_hash_key_table: Vec<String>,
                #[prost(message, repeated, tag = "3")]
                pub(crate) records: Vec<Record>,
            }

            #[derive(Clone, PartialEq, prost::Message)]
            pub(crate) struct Record {
                #[prost(uint64, required, tag = "1")]
                pub(crate) partition_key_index: u64,
                #[prost(uint64, optional, tag = "2")]
                pub(crate) explicit_hash_key_index: Option<u64>,
                #[prost(bytes = $data_kind, required, tag = "3")]
                pub(crate) data: $data,
                #[prost(message, repeated, tag = "4")]
                pub(crate) tags: Vec<Tag>,
            }

            #[derive(Clone, PartialEq, prost::Message)]
            pub(crate) struct Tag {
                #[prost(string, required, tag = "1")]
                pub(crate) key: String,
                #[prost(string, optional, tag = "2")]
                pub(crate) value: Option<String>,
            }

            pub(crate) fn walk(message: impl Buf, touched: &mut Touched) {
                let aggregated = AggregatedRecord::decode(message).unwrap();
                for record in &aggregated.records {
                    let key = &aggregated.partition_key_table[index(record.partition_key_index)];
                    let explicit_hash_key = record
                        .explicit_hash_key_index
                        .map(|at| aggregated.explicit_hash_key_table[index(at)].as_bytes());
                    touched.touch_user_record(key.as_bytes(), explicit_hash_key, &record.data);
                }
            }

            /// Builds the message, with each key stored once, and encodes it into `out`.
            pub(crate) fn encode(user_records: &[UserRecordInput], out: &mut Vec<u8>) {
                let mut aggregated = AggregatedRecord::default();
                let mut partition_keys: HashMap<&str, u64> = HashMap::new();
                let mut explicit_hash_keys: HashMap<u128, u64> = HashMap::new();
                for user_record in user_records {
                    let key = user_record.partition_key.as_str();
                    let table = &mut aggregated.partition_key_table;
                    let partition_key_index = *partition_keys.entry(key).or_insert_with(|| {
                        table.push(key.to_owned());
                        to_u64(table.len() - 1)
                    });
                    let table = &mut aggregated.explicit_hash_key_table;
                    let explicit_hash_key_index = user_record.explicit_hash_key.map(|key| {
                        *explicit_hash_keys.entry(key.to_u128()).or_insert_with(|| {
                            table.push(key.to_u128().to_string());
                            to_u64(table.len() - 1)
                        })
                    });
                    aggregated.records.push(Record {
                        partition_key_index,
                        explicit_hash_key_index,
                        data: $share(&user_record.data),
                        tags: Vec::new(),
                    });
                }
                out.clear();
                aggregated.encode(out).unwrap();
            }
        }
    };
}

schema!(vec, "vec", Vec<u8>, copied);
schema!(shared, "bytes", Bytes, Bytes::clone);

/// Decodes the whole message, with data in `Bytes`. Returns the number of user
/// records and keys.
pub(crate) fn check(message: Bytes) -> usize {
    let aggregated = shared::AggregatedRecord::decode(message).unwrap();
    aggregated.records.len()
        + aggregated.partition_key_table.len()
        + aggregated.explicit_hash_key_table.len()
}

fn copied(data: &Bytes) -> Vec<u8> {
    data.to_vec()
}
