//! User records in, aggregates out as JSON lines.

use core::time::Duration;
use std::io::{self, Write};

use kinesis_agg::codec::{EncodeError, NewUserRecord};
use kinesis_agg::shards::RejectionReason;
use kinesis_agg::write::flush_all;
use kinesis_agg::{HashKey, OwnedAggregate, RecordAggregator, ShardedAggregator};

use crate::output::{JsonLines, cannot_write};
use crate::place::Place;

/// Packs user records, in order, and prints each aggregate.
pub(crate) enum Packer {
    OfAnyShard(Box<InCompany>),
    OfOneShard(Box<ShardedAggregator>),
}

impl Packer {
    pub(crate) fn of_any_shard(aggregator: RecordAggregator) -> Self {
        Self::OfAnyShard(Box::new(InCompany {
            current: aggregator,
            ..InCompany::default()
        }))
    }

    /// The error names the place.
    pub(crate) fn push<W: Write>(
        &mut self,
        user_record: NewUserRecord<'_>,
        place: &dyn Fn() -> Place,
        lines: &mut JsonLines<W>,
    ) -> anyhow::Result<()> {
        let refused = match self {
            Self::OfAnyShard(in_company) => match in_company.push(user_record) {
                Ok(true) => return in_company.finish(lines).map_err(cannot_write),
                Ok(false) => return Ok(()),
                Err(reason) => reason.into(),
            },
            Self::OfOneShard(aggregator) => {
                match aggregator.push(user_record, (), Duration::ZERO) {
                    Ok(None) => return Ok(()),
                    Ok(Some(complete)) => {
                        let shard_id = Some(&*complete.shard_id);
                        return print(&complete.aggregate, shard_id, lines).map_err(cannot_write);
                    }
                    Err(refused) => match refused.reason {
                        RejectionReason::Unfit(reason) => reason.into(),
                        other => other.into(),
                    },
                }
            }
        };
        Err(anyhow::Error::context(refused, place().to_string()))
    }

    /// Prints what is complete.
    pub(crate) fn finish<W: Write>(&mut self, lines: &mut JsonLines<W>) -> io::Result<()> {
        match self {
            Self::OfAnyShard(in_company) => in_company.finish(lines),
            Self::OfOneShard(_) => Ok(()),
        }
    }

    /// Prints all.
    pub(crate) fn flush<W: Write>(&mut self, lines: &mut JsonLines<W>) -> io::Result<()> {
        match self {
            Self::OfAnyShard(in_company) => {
                in_company.finish(lines)?;
                let rest = in_company.current.flush();
                rest.map_or(Ok(()), |rest| print(&rest, None, lines))
            }
            Self::OfOneShard(aggregator) => {
                let mut rest = aggregator.flush_all().into_iter();
                rest.try_for_each(|rest| print(&rest.aggregate, Some(&rest.shard_id), lines))
            }
        }
    }
}

/// Aggregates whose digests are computed together.
#[derive(Debug, Default)]
pub(crate) struct InCompany {
    current: RecordAggregator,
    complete: Vec<RecordAggregator>,
    /// Empty ones, for their memory.
    spare: Vec<RecordAggregator>,
}

/// Aggregates that wait for others at most: they are memory.
const MOST_WAITING: usize = 8;

/// Bytes of them, but for those of the last one.
const MOST_WAITING_LEN: u32 = 8 << 20;

impl InCompany {
    /// True if enough is complete to be finished.
    fn push(&mut self, user_record: NewUserRecord<'_>) -> Result<bool, EncodeError> {
        let next = || self.spare.pop().unwrap_or_default();
        let pushed = self.current.push_unfinished(user_record, next);
        let Some(complete) = pushed.map_err(|refused| refused.reason)? else {
            return Ok(false);
        };
        self.complete.push(complete);
        let lens = self.complete.iter().map(RecordAggregator::encoded_len);
        let len = lens.fold(0, u32::saturating_add);
        Ok(self.complete.len() >= MOST_WAITING || len >= MOST_WAITING_LEN)
    }

    fn finish<W: Write>(&mut self, lines: &mut JsonLines<W>) -> io::Result<()> {
        for aggregate in flush_all(&mut self.complete).into_iter().flatten() {
            print(&aggregate, None, lines)?;
        }
        self.spare.append(&mut self.complete);
        Ok(())
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
    let fields = object.fields();
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
