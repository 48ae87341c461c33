//! micropb with its containers on the heap, with code from its own generator.
//! (Without a heap, each of its messages reserves space for the largest aggregate.)

use micropb::MessageDecode as _;

use crate::input::Touched;
use crate::peers::index;

#[allow(
    warnings,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::as_conversions,
    clippy::exhaustive_enums,
    clippy::std_instead_of_core,
    clippy::must_use_candidate,
    reason = "generated"
)]
mod generated {
    include!("generated/micropb.rs");
}

pub(crate) fn walk(message: &[u8], touched: &mut Touched) {
    let mut aggregated = generated::kinesis_agg_::AggregatedRecord::default();
    aggregated.decode_from_bytes(message).unwrap();
    for record in &aggregated.records {
        let key = &aggregated.partition_key_table[index(record.partition_key_index)];
        let explicit_hash_key = record
            .explicit_hash_key_index()
            .map(|&at| aggregated.explicit_hash_key_table[index(at)].as_bytes());
        touched.touch_user_record(key.as_bytes(), explicit_hash_key, &record.data);
    }
}
