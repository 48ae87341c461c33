//! Converts records of the SDK, and entries of a PutRecords request.

use aws_sdk_kinesis::error::BuildError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Record};
use bytes::Bytes;

use crate::kinesis_record::{EnclosingRecord, KinesisRecord, SharedData};
use crate::producer::PutRecord;
use crate::write::OwnedAggregate;

impl EnclosingRecord for Record {
    fn data(&self) -> &[u8] {
        self.data.as_ref()
    }

    fn partition_key(&self) -> Option<&str> {
        self.partition_key.as_deref()
    }

    fn sequence_number(&self) -> Option<&str> {
        Some(&self.sequence_number)
    }
}

impl SharedData for Record {
    fn shared_data(&self) -> Bytes {
        self.data.clone().into_bytes()
    }
}

/// Drops the arrival timestamp and the encryption type, for which a
/// [`KinesisRecord`] has no fields.
impl From<Record> for KinesisRecord {
    fn from(record: Record) -> Self {
        Self {
            data: record.data.into_bytes(),
            partition_key: record.partition_key,
            explicit_hash_key: None,
            sequence_number: Some(record.sequence_number),
        }
    }
}

/// Converts to an entry of a PutRecords request. The SDK's builder fails only
/// without data, which an aggregate always has.
impl TryFrom<OwnedAggregate> for PutRecordsRequestEntry {
    type Error = BuildError;

    fn try_from(aggregate: OwnedAggregate) -> Result<Self, BuildError> {
        let (data, partition_key, explicit_hash_key) = aggregate.into_parts();
        Self::try_from(PutRecord {
            data,
            partition_key: Some(partition_key),
            explicit_hash_key,
        })
    }
}

/// Converts to an entry of a PutRecords request. The SDK's builder fails only
/// without data, which a record always has.
impl TryFrom<PutRecord> for PutRecordsRequestEntry {
    type Error = BuildError;

    fn try_from(record: PutRecord) -> Result<Self, BuildError> {
        Self::builder()
            .data(Blob::from_maybe_shared(record.data))
            .set_partition_key(record.partition_key)
            .set_explicit_hash_key(record.explicit_hash_key.map(|key| key.to_string()))
            .build()
    }
}
