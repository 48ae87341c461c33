//! Converts between the AWS SDK's types and user records, without a network.
//!
//! ```sh
//! cargo run --example aws_sdk --features aws-sdk
//! ```

use core::error::Error;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Record};
use kinesis_agg::{OwnedUserRecord, RecordAggregator, deaggregate};

/// Returns the entries for `client.put_records().set_records(Some(entries))`.
fn entries() -> Result<Vec<PutRecordsRequestEntry>, Box<dyn Error>> {
    let mut entries = Vec::new();
    let mut aggregator = RecordAggregator::new();
    for n in 0..100 {
        let reading = OwnedUserRecord::new(format!("sensor-{}", n % 7), format!("reading {n}"));
        if let Some(full) = aggregator.push(reading)? {
            entries.push(full.try_into()?);
        }
    }
    if let Some(rest) = aggregator.flush() {
        entries.push(rest.try_into()?);
    }
    Ok(entries)
}

/// Returns records like those in the output of `client.get_records()`.
fn records(entries: Vec<PutRecordsRequestEntry>) -> Result<Vec<Record>, Box<dyn Error>> {
    let records = entries.into_iter().enumerate().map(|(n, entry)| {
        let record = Record::builder()
            .sequence_number(n.to_string())
            .set_partition_key(entry.partition_key)
            .data(Blob::from_maybe_shared(entry.data.into_bytes()));
        Ok(record.build()?)
    });
    records.collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    for delivered in deaggregate(&records(entries()?)?) {
        println!(
            "{:?}:{} {:?} {} bytes",
            delivered.sequence_number(),
            delivered.sub_sequence_number(),
            delivered.partition_key(),
            delivered.data().len()
        );
    }
    Ok(())
}
