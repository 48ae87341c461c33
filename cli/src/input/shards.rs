//! The shards of a stream, from the output of ListShards or DescribeStream.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kinesis_agg::{HashKey, HashKeyRange, Shard, ShardMap};
use serde_json::Value;

/// Reads the shards of one or more responses. Errors name the file.
pub(crate) fn read(file: &Path) -> anyhow::Result<ShardMap> {
    parse(file).with_context(|| file.display().to_string())
}

fn parse(file: &Path) -> anyhow::Result<ShardMap> {
    let text = fs::read(file)?;
    let mut shards = Vec::new();
    for answer in serde_json::Deserializer::from_slice(&text).into_iter::<Value>() {
        let answer = answer?;
        // DescribeStream nests them one level deeper.
        let listed = answer
            .get("Shards")
            .or_else(|| answer.pointer("/StreamDescription/Shards"));
        let listed = listed.and_then(Value::as_array);
        for listed in
            listed.context("no list of shards; make the file with `aws kinesis list-shards`")?
        {
            let shard = shard(listed);
            shards.push(shard.with_context(|| format!("shard {}", shards.len()))?);
        }
    }
    ShardMap::new(shards).context("incomplete shards; list all pages of them again")
}

fn shard(listed: &Value) -> anyhow::Result<Shard> {
    let text = |name: &str| listed.pointer(name).and_then(Value::as_str);
    let hash_key = |name: &str| -> anyhow::Result<HashKey> {
        let decimal = text(name).with_context(|| format!("no {name}"))?;
        decimal.parse().with_context(|| name.to_owned())
    };
    let range = HashKeyRange::new(
        hash_key("/HashKeyRange/StartingHashKey")?,
        hash_key("/HashKeyRange/EndingHashKey")?,
    )?;
    let shard = Shard::new(text("/ShardId").context("no /ShardId")?, range);
    let parents = [text("/ParentShardId"), text("/AdjacentParentShardId")];
    let parents = parents.into_iter().flatten();
    let shard = parents.fold(shard, Shard::with_parent);
    Ok(match text("/SequenceNumberRange/EndingSequenceNumber") {
        Some(_) => shard.closed(),
        None => shard,
    })
}
