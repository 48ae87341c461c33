//! Conversions from and to types of the AWS SDK for Rust. Feature `aws-sdk`, not
//! on by default.
//!
//! | From | To | How |
//! |---|---|---|
//! | [`Record`], borrowed | user records, borrowed | it is an [`EnclosingRecord`](crate::EnclosingRecord) |
//! | [`Record`], owned | [`KinesisRecord`](crate::KinesisRecord) | [`From`]; takes over the data's memory |
//! | [`OwnedAggregate`](crate::OwnedAggregate), [`PutRecord`] | [`PutRecordsRequestEntry`] | [`TryFrom`]; takes over the data's memory |
//! | [`PutRecordsResultEntry`] | [`PutResult`] | [`From`] |
//! | [`SdkError`] | [`RequestFailure`] | [`From`], by reference |
//! | [`types::Shard`] | [`Shard`](crate::Shard) | [`TryFrom`], by reference |
//! | [`StreamDescriptionSummary`] | [`Distribution`] | [`From`], by reference |
//! | a client and a stream | a [`StreamService`] | [`SdkStream`] |
//!
//! With the feature `producer` as well, `Producer::builder` starts a producer on
//! a client. A program that drives a
//! [`ProducerCore`](crate::ProducerCore) makes its requests with a
//! [`SdkStream`], or with its own calls and the conversions.
//!
//! No conversion copies data. A user record that must outlive the call can share
//! the memory of its [`Record`]:
//! [`Delivered::into_owned`](crate::Delivered::into_owned).
//!
//! A stream with automatic record distribution requires no partition keys and does
//! not support aggregation: on such a stream,
//! [`EnclosingRecord::partition_key`](crate::EnclosingRecord::partition_key) can
//! be `None`, and aggregates should not be put.
//!
//! [`Record`]: aws_sdk_kinesis::types::Record
//! [`PutRecord`]: crate::producer::PutRecord
//! [`PutRecordsRequestEntry`]: aws_sdk_kinesis::types::PutRecordsRequestEntry
//! [`PutRecordsResultEntry`]: aws_sdk_kinesis::types::PutRecordsResultEntry
//! [`PutResult`]: crate::producer::PutResult
//! [`SdkError`]: aws_sdk_kinesis::error::SdkError
//! [`RequestFailure`]: crate::producer::RequestFailure
//! [`types::Shard`]: aws_sdk_kinesis::types::Shard
//! [`StreamDescriptionSummary`]: aws_sdk_kinesis::types::StreamDescriptionSummary
//! [`Distribution`]: crate::producer::Distribution
//! [`StreamService`]: crate::producer::StreamService

mod answers;
mod records;
mod stream;

pub use crate::aws_sdk::stream::SdkStream;
