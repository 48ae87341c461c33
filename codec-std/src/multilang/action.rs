//! Parses a line from the daemon.

use core::fmt;
use core::marker::PhantomData;

use alloc::borrow::Cow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::multilang::record::{DaemonRecord, RecordBatch, Undecoded};
use crate::read::{ExtendedSequenceNumber, SequenceNumberError};

/// The shard of this process, and the position at which reading begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialization {
    shard_id: String,
    sequence_number: Option<String>,
    sub_sequence_number: u64,
}

impl Initialization {
    /// Returns the id of the shard.
    #[must_use]
    pub fn shard_id(&self) -> &str {
        &self.shard_id
    }

    /// Returns the sequence number of the checkpoint after which reading resumes,
    /// or one of the KCL's words, such as `TRIM_HORIZON`; `None` if the daemon
    /// did not send it.
    #[must_use]
    pub fn sequence_number(&self) -> Option<&str> {
        self.sequence_number.as_deref()
    }

    /// Returns the sub-sequence number of that checkpoint: its index in an
    /// aggregate. The daemon skips the user records up to and including it.
    #[must_use]
    pub const fn sub_sequence_number(&self) -> u64 {
        self.sub_sequence_number
    }

    /// Returns the checkpoint after which reading resumes; `None` if the daemon
    /// did not send it.
    ///
    /// # Errors
    ///
    /// [`SequenceNumberError`] if the sequence number is neither one of the
    /// KCL's words nor a number of at most
    /// [`MAX_SEQUENCE_NUMBER_LEN`](crate::read::MAX_SEQUENCE_NUMBER_LEN) digits.
    pub fn extended_sequence_number(
        &self,
    ) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
        self.sequence_number()
            .map(|text| {
                Ok(ExtendedSequenceNumber {
                    sequence_number: text.parse()?,
                    sub_sequence_number: self.sub_sequence_number,
                })
            })
            .transpose()
    }
}

/// The action of a line from the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Initialize(Initialization),
    ProcessRecords(RecordBatch),
    LeaseLost,
    ShardEnded,
    ShutdownRequested,
    /// The answer to a checkpoint: the name of a Java exception, or none.
    Checkpoint(Option<String>),
    Unknown(String),
}

pub(super) const INITIALIZE: &str = "initialize";
pub(super) const PROCESS_RECORDS: &str = "processRecords";
pub(super) const LEASE_LOST: &str = "leaseLost";
pub(super) const SHARD_ENDED: &str = "shardEnded";
pub(super) const SHUTDOWN_REQUESTED: &str = "shutdownRequested";
pub(super) const CHECKPOINT: &str = "checkpoint";

impl Action {
    /// Parses a line. Fields that do not belong to its action are ignored.
    pub(super) fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        // Parses the name first: in the line, it may follow the records.
        let Head { action } = object(line)?;
        Ok(match action.as_ref() {
            INITIALIZE => Self::Initialize(object::<InitializeFields>(line)?.into()),
            PROCESS_RECORDS => {
                let fields: ProcessRecordsFields = object(line)?;
                let records = fields.records.into_iter().enumerate();
                let records = records.map(|(index, fields)| fields.0.into_record(index));
                let millis = fields.millis_behind_latest;
                let millis = millis.and_then(|millis| u64::try_from(millis).ok());
                Self::ProcessRecords(RecordBatch::new(records.collect(), millis))
            }
            LEASE_LOST => Self::LeaseLost,
            SHARD_ENDED => Self::ShardEnded,
            SHUTDOWN_REQUESTED => Self::ShutdownRequested,
            CHECKPOINT => Self::Checkpoint(object::<CheckpointFields>(line)?.error),
            unknown => Self::Unknown(unknown.to_owned()),
        })
    }
}

fn object<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, serde_json::Error> {
    Ok(serde_json::from_slice::<Object<T>>(line)?.0)
}

/// Fields that are read only from a JSON object. `serde` would also accept an array
/// with the fields in the order of the struct.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitializeFields {
    shard_id: String,
    sequence_number: Option<String>,
    sub_sequence_number: Option<u64>,
}

impl From<InitializeFields> for Initialization {
    fn from(fields: InitializeFields) -> Self {
        Self {
            shard_id: fields.shard_id,
            sequence_number: fields.sequence_number,
            sub_sequence_number: fields.sub_sequence_number.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProcessRecordsFields {
    records: Vec<Object<RecordFields>>,
    millis_behind_latest: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordFields {
    data: Base64,
    partition_key: Option<String>,
    sequence_number: String,
    sub_sequence_number: Option<u64>,
    approximate_arrival_timestamp: Option<i64>,
}

impl RecordFields {
    fn into_record(self, index: usize) -> DaemonRecord {
        let sub_sequence_number = self.sub_sequence_number.unwrap_or_default();
        let undecoded = match sub_sequence_number {
            0 => Undecoded::of(&self.data.0),
            _ => None,
        };
        DaemonRecord {
            data: self.data.0.into(),
            partition_key: self.partition_key,
            sequence_number: self.sequence_number,
            sub_sequence_number,
            arrival_millis: self.approximate_arrival_timestamp,
            index,
            undecoded,
        }
    }
}

#[derive(Deserialize)]
struct CheckpointFields {
    error: Option<String>,
}

/// Bytes decoded from base64 without copying the text from the line first.
struct Base64(Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Base64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("data in base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Base64, E> {
                STANDARD.decode(text).map(Base64).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}
