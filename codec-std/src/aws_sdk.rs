//! Records of the AWS SDK for Rust. Feature `aws-sdk`, not on by default.
//!
//! | From | To | How |
//! |---|---|---|
//! | [`Record`], borrowed | user records, borrowed | it is an [`EnclosingRecord`] |
//! | [`Record`], owned | [`KinesisRecord`] | [`From`]; the data's memory is taken over |
//! | [`OwnedAggregate`] | [`PutRecordsRequestEntry`] | [`TryFrom`]; the data's memory is taken over |
//!
//! Nothing copies data. A user record that has to outlive the call shares the
//! memory of its [`Record`]:
//! [`Delivered::into_owned`](crate::Delivered::into_owned).
//!
//! A stream with automatic record distribution needs no partition keys and
//! supports no aggregation: there, [`EnclosingRecord::partition_key`] can be
//! none, and aggregates should not be put.

use aws_sdk_kinesis::error::BuildError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Record};
use bytes::Bytes;

use crate::kinesis_record::{EnclosingRecord, KinesisRecord, SharedData};
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

/// Without time of arrival and encryption, for which a [`KinesisRecord`] has no
/// place.
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

/// What to put. The SDK's builder can fail for lack of data, which an aggregate
/// has.
impl TryFrom<OwnedAggregate> for PutRecordsRequestEntry {
    type Error = BuildError;

    fn try_from(aggregate: OwnedAggregate) -> Result<Self, BuildError> {
        let (data, partition_key, explicit_hash_key) = aggregate.into_parts();
        Self::builder()
            .data(Blob::from_maybe_shared(data))
            .partition_key(partition_key)
            .set_explicit_hash_key(explicit_hash_key.map(|hash_key| hash_key.to_string()))
            .build()
    }
}
