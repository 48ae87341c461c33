//! Puts numbered user records into a stream at a steady pace, and fails unless all
//! are delivered.
//!
//! `writer URL STREAM KEYS NUMBERS SECONDS`: KEYS times NUMBERS user records.

use core::time::Duration;
use std::env;

use anyhow::{Context as _, ensure};
use kinesis_agg::{OwnedUserRecord, Producer};
use kinesis_agg_end_to_end::client;
use tokio::time::interval;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [url, stream, keys, numbers, seconds] = &arguments[..] else {
        anyhow::bail!("usage: writer URL STREAM KEYS NUMBERS SECONDS");
    };
    let (keys, numbers): (u32, u32) = (keys.parse()?, numbers.parse()?);
    let pace = Duration::from_secs(seconds.parse()?)
        .checked_div(numbers)
        .context("no numbers")?;
    let producer = Producer::builder(client(url), stream.as_str());
    let producer = producer.start().await?;
    let mut ticks = interval(pace);
    let mut deliveries = Vec::new();
    for number in 0..numbers {
        ticks.tick().await;
        for key in 0..keys {
            let data = format!("key-{key}/{number}");
            let user_record = OwnedUserRecord::new(format!("key-{key}"), data);
            deliveries.push(producer.put(user_record).await);
        }
    }
    producer.flush().await;
    let mut delivered = 0_usize;
    for delivery in deliveries {
        delivery.await?;
        delivered += 1;
    }
    producer.close().await;
    let records = usize::try_from(u64::from(keys) * u64::from(numbers))?;
    ensure!(delivered == records, "{delivered} of {records} delivered");
    Ok(())
}
