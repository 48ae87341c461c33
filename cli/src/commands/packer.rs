//! User records in, aggregates out as JSON lines.

use alloc::sync::Arc;
use core::time::Duration;
use std::io::{self, Write};

use kinesis_agg::codec::NewUserRecord;
use kinesis_agg::producer::{DEFAULT_MAX_REQUEST_LEN, MAX_REQUEST_COUNT};
use kinesis_agg::shards::RejectionReason;
use kinesis_agg::write::flush_all;
use kinesis_agg::{HashKey, OwnedAggregate, RecordAggregator, ShardedAggregator};

use crate::commands::aggregate::To;
use crate::input::data::append_base64;
use crate::output::{JsonLines, WrittenFields, cannot_write};
use crate::pipeline::{Consumer, Producer};

/// An aggregate that is complete.
pub(crate) enum Made {
    /// Its digest is to be computed, together with those of others.
    Unsealed(Box<RecordAggregator>),
    Sealed(OwnedAggregate, Option<Arc<str>>),
}

/// Packs user records, in order, and sends each aggregate on.
pub(crate) enum Packer {
    OfAnyShard(Box<RecordAggregator>),
    OfOneShard(Box<ShardedAggregator>),
}

impl Packer {
    pub(crate) fn push(
        &mut self,
        user_record: NewUserRecord<'_>,
        made: &mut Producer<Made>,
    ) -> anyhow::Result<()> {
        match self {
            Self::OfAnyShard(aggregator) => {
                let pushed = aggregator.push_unfinished(user_record, RecordAggregator::default);
                match pushed.map_err(|rejected| rejected.reason)? {
                    None => Ok(()),
                    Some(complete) => send(Made::Unsealed(Box::new(complete)), made),
                }
            }
            Self::OfOneShard(aggregator) => {
                let pushed = aggregator.push(user_record, (), Duration::ZERO);
                let complete = pushed.map_err(|rejected| match rejected.reason {
                    RejectionReason::Unfit(reason) => anyhow::Error::from(reason),
                    other => other.into(),
                })?;
                match complete {
                    None => Ok(()),
                    Some(complete) => {
                        let shard_id = complete.shard_id.to_string().into();
                        send(Made::Sealed(complete.aggregate, Some(shard_id)), made)
                    }
                }
            }
        }
    }

    /// Sends the aggregates that are not full.
    pub(crate) fn flush(self, made: &mut Producer<Made>) -> anyhow::Result<()> {
        match self {
            Self::OfAnyShard(aggregator) => send(Made::Unsealed(aggregator), made),
            Self::OfOneShard(mut aggregator) => {
                aggregator.flush_all().into_iter().try_for_each(|rest| {
                    let shard_id = rest.shard_id.to_string().into();
                    send(Made::Sealed(rest.aggregate, Some(shard_id)), made)
                })
            }
        }
    }
}

fn send(aggregate: Made, made: &mut Producer<Made>) -> anyhow::Result<()> {
    let len = match &aggregate {
        Made::Unsealed(aggregator) => {
            usize::try_from(aggregator.encoded_len()).unwrap_or(usize::MAX)
        }
        Made::Sealed(aggregate, _) => aggregate.data().len(),
    };
    made.push(aggregate, len)?;
    Ok(made.flush()?)
}

/// Prints aggregates, whose digests it computes together.
pub(crate) struct Printer {
    to: To,
    waiting: Vec<RecordAggregator>,
    request: Request,
}

/// Entries of a PutRecords request.
#[derive(Default)]
struct Request {
    json: Vec<u8>,
    count: usize,
    /// Bytes that the service counts.
    size: usize,
}

/// How long a complete aggregate waits for others: longer than it takes to read a batch.
const PATIENCE: Duration = Duration::from_millis(5);

/// Aggregates that wait at most: they take memory.
const MAX_WAITING: usize = 8;

/// Bytes of them, except for those of the last one.
const MAX_WAITING_LEN: u32 = 8 << 20;

impl Printer {
    pub(crate) fn new(to: To) -> Self {
        Self {
            to,
            waiting: Vec::new(),
            request: Request::default(),
        }
    }

    pub(crate) fn print_all<W: Write>(
        &mut self,
        mut made: Consumer<Made>,
        lines: &mut JsonLines<W>,
    ) -> anyhow::Result<()> {
        loop {
            let batches = made.next_all(PATIENCE, || {
                // Nobody waits for a complete aggregate while this waits for input.
                let sealed = self.seal(lines);
                sealed.and_then(|()| lines.flush()).map_err(cannot_write)
            })?;
            if batches.is_empty() {
                return Ok(());
            }
            for mut batch in batches {
                for aggregate in batch.take() {
                    self.add(aggregate, lines).map_err(cannot_write)?;
                }
            }
        }
    }

    fn add<W: Write>(&mut self, aggregate: Made, lines: &mut JsonLines<W>) -> io::Result<()> {
        match aggregate {
            Made::Sealed(aggregate, shard_id) => self.print(&aggregate, shard_id.as_deref(), lines),
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

    fn seal<W: Write>(&mut self, lines: &mut JsonLines<W>) -> io::Result<()> {
        let mut waiting = core::mem::take(&mut self.waiting);
        let mut aggregates = flush_all(&mut waiting).into_iter().flatten();
        aggregates.try_for_each(|aggregate| self.print(&aggregate, None, lines))
    }

    /// Prints what is left.
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
    let mut object = lines.object();
    let fields: &mut WrittenFields = object.fields();
    if let Some(shard_id) = shard_id {
        fields.text("shardId", shard_id)?;
    }
    fields
        .text("partitionKey", aggregate.partition_key())?
        .value("explicitHashKey", &explicit_hash_key)?
        .value("userRecords", &aggregate.record_count())?
        .value("size", &aggregate.data().len())?
        .base64("data", aggregate.data());
    object.end()
}
