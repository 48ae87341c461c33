//! Packs user records into aggregates, and prints those as JSON lines.

use core::time::Duration;
use std::io::{self, Write};

use clap::ValueEnum;
use kinesis_agg::codec::NewUserRecord;
use kinesis_agg::producer::{DEFAULT_MAX_REQUEST_LEN, MAX_REQUEST_COUNT};
use kinesis_agg::shards::{RejectionReason, ShardAggregate};
use kinesis_agg::write::flush_all;
use kinesis_agg::{HashKey, OwnedAggregate, RecordAggregator, ShardedAggregator};

use crate::data::append_base64;
use crate::output::JsonLines;

/// A complete aggregate.
pub(crate) enum Made {
    /// Its digest is still missing: it is computed together with those of others.
    Unsealed(Box<RecordAggregator>),
    Sealed(Box<ShardAggregate>),
}

/// Packs user records, in order.
pub(crate) enum Packer {
    OfAnyShard(Box<RecordAggregator>),
    OfOneShard(Box<ShardedAggregator>),
}

impl Packer {
    /// Returns an aggregate if this completes one. The next aggregate is built in the memory of
    /// `spare`.
    pub(crate) fn push(
        &mut self,
        user_record: NewUserRecord<'_>,
        spare: impl FnOnce() -> RecordAggregator,
    ) -> anyhow::Result<Option<Made>> {
        match self {
            Self::OfAnyShard(aggregator) => {
                let pushed = aggregator.push_unfinished(user_record, spare);
                let complete = pushed.map_err(|rejected| rejected.reason)?;
                Ok(complete.map(|complete| Made::Unsealed(Box::new(complete))))
            }
            Self::OfOneShard(aggregator) => {
                let pushed = aggregator.push(user_record, (), Duration::ZERO);
                let complete = pushed.map_err(|rejected| match rejected.reason {
                    RejectionReason::Unfit(reason) => anyhow::Error::from(reason),
                    other => other.into(),
                })?;
                Ok(complete.map(|complete| Made::Sealed(Box::new(complete))))
            }
        }
    }

    /// Returns the aggregates that are not full.
    pub(crate) fn flush(self) -> Vec<Made> {
        match self {
            Self::OfAnyShard(aggregator) => vec![Made::Unsealed(aggregator)],
            Self::OfOneShard(mut aggregator) => {
                let rest = aggregator.flush_all().into_iter();
                rest.map(|rest| Made::Sealed(Box::new(rest))).collect()
            }
        }
    }
}

/// How to print aggregates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// One Kinesis record per line, as a JSON object.
    Ndjson,
    /// One PutRecords request per line, for `aws kinesis put-records --cli-input-json`.
    PutRecords,
}

/// Prints aggregates, and computes the digests of several at once.
pub(crate) struct Printer {
    to: To,
    waiting: Vec<RecordAggregator>,
    /// Empty aggregators, kept to reuse their memory.
    spare: Vec<RecordAggregator>,
    request: Request,
}

/// Entries of a PutRecords request.
#[derive(Default)]
struct Request {
    json: Vec<u8>,
    count: usize,
    /// Size as the service counts it, in bytes.
    size: usize,
}

/// Limits how many aggregates wait, since each holds memory.
const MAX_WAITING: usize = 8;

/// Limits the bytes of the waiting aggregates; the last one may exceed it.
const MAX_WAITING_LEN: u32 = 8 << 20;

/// Makes glibc keep the memory of printed aggregates for the next ones: it returns free memory to
/// the system if there is more than twice the largest buffer that was freed. Without this, each
/// aggregate is written to new pages, which takes a sixth of the processor time.
fn keep_free_memory() {
    const LARGEST: usize = 16 << 20;
    drop(core::hint::black_box(Vec::<u8>::with_capacity(LARGEST)));
}

impl Printer {
    pub(crate) fn new(to: To) -> Self {
        keep_free_memory();
        Self {
            to,
            waiting: Vec::new(),
            spare: Vec::new(),
            request: Request::default(),
        }
    }

    /// Returns an empty aggregator.
    pub(crate) fn spare(&mut self) -> RecordAggregator {
        self.spare.pop().unwrap_or_default()
    }

    pub(crate) fn add<W: Write>(
        &mut self,
        aggregate: Made,
        lines: &mut JsonLines<W>,
    ) -> io::Result<()> {
        match aggregate {
            Made::Sealed(of_shard) => {
                self.print(&of_shard.aggregate, Some(&of_shard.shard_id), lines)
            }
            Made::Unsealed(aggregator) => {
                self.waiting.push(*aggregator);
                let lens = self.waiting.iter().map(RecordAggregator::encoded_len);
                let len = lens.fold(0, u32::saturating_add);
                match self.waiting.len() >= MAX_WAITING || len >= MAX_WAITING_LEN {
                    true => self.seal(lines),
                    false => Ok(()),
                }
            }
        }
    }

    /// Computes the digests of the waiting aggregates, and prints them.
    pub(crate) fn seal<W: Write>(&mut self, lines: &mut JsonLines<W>) -> io::Result<()> {
        let mut waiting = core::mem::take(&mut self.waiting);
        let mut aggregates = flush_all(&mut waiting).into_iter().flatten();
        aggregates.try_for_each(|aggregate| self.print(&aggregate, None, lines))?;
        self.spare.append(&mut waiting);
        Ok(())
    }

    /// Prints the aggregates that are left.
    pub(crate) fn end<W: Write>(&mut self, lines: &mut JsonLines<W>) -> io::Result<()> {
        self.seal(lines)?;
        self.request.end(lines)
    }

    fn print<W: Write>(
        &mut self,
        aggregate: &OwnedAggregate,
        shard_id: Option<&str>,
        lines: &mut JsonLines<W>,
    ) -> io::Result<()> {
        match self.to {
            To::Ndjson => print(aggregate, shard_id, lines),
            To::PutRecords => self.request.add(aggregate, lines),
        }
    }
}

impl Request {
    fn add<W: Write>(
        &mut self,
        aggregate: &OwnedAggregate,
        lines: &mut JsonLines<W>,
    ) -> io::Result<()> {
        let key_len = aggregate.partition_key().len();
        let size = aggregate.data().len().saturating_add(key_len);
        let larger = self.size.saturating_add(size);
        if self.count >= MAX_REQUEST_COUNT || larger > DEFAULT_MAX_REQUEST_LEN {
            self.end(lines)?;
        }
        self.size = self.size.saturating_add(size);
        self.json.extend_from_slice(match self.count {
            0 => b"{\"Data\":\"",
            _ => b",{\"Data\":\"",
        });
        self.count = self.count.saturating_add(1);
        append_base64(aggregate.data(), &mut self.json);
        self.json.extend_from_slice(b"\",\"PartitionKey\":");
        serde_json::to_writer(&mut self.json, aggregate.partition_key())?;
        if let Some(hash_key) = aggregate.explicit_hash_key() {
            write!(self.json, ",\"ExplicitHashKey\":\"{hash_key}\"")?;
        }
        self.json.push(b'}');
        Ok(())
    }

    fn end<W: Write>(&mut self, lines: &mut JsonLines<W>) -> io::Result<()> {
        let Self { json, count, .. } = core::mem::take(self);
        match count {
            0 => Ok(()),
            _ => lines.bytes(&[b"{\"Records\":[", &json, b"]}\n"]),
        }
    }
}

fn print<W: Write>(
    aggregate: &OwnedAggregate,
    shard_id: Option<&str>,
    lines: &mut JsonLines<W>,
) -> io::Result<()> {
    let explicit_hash_key = aggregate.explicit_hash_key().map(HashKey::to_decimal);
    let explicit_hash_key = explicit_hash_key.as_ref().map(|text| text.as_str());
    lines.object(|fields| {
        if let Some(shard_id) = shard_id {
            fields.text("shardId", shard_id)?;
        }
        fields
            .text("partitionKey", aggregate.partition_key())?
            .value("explicitHashKey", &explicit_hash_key)?
            .value("userRecords", &aggregate.record_count())?
            .value("size", &aggregate.data().len())?
            .base64("data", aggregate.data());
        Ok(())
    })
}
