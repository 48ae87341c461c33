//! A Lambda function that transforms the records of a Firehose stream: each user record
//! becomes a line, empty ones are dropped, and lines are partitioned by shard (dynamic
//! partitioning with `!{partitionKeyFromLambda:shard}` in the S3 prefix).
//!
//! ```sh
//! cargo run --example lambda_firehose --features lambda
//! ```

use core::error::Error;

use kinesis_agg::EnclosingRecord as _;
use kinesis_agg::lambda::{
    DEFAULT_MAX_ANSWER_LEN, EventRecord, FirehoseEvent, TransformationAnswer, Transformed,
};

fn handler(event: &FirehoseEvent) -> Result<TransformationAnswer, Box<dyn Error>> {
    let mut answer = event.transform(|user_record| {
        // An aggregate has a single result, so all of its user records need the same keys.
        // This key comes from the Kinesis record.
        let shard = user_record.enclosing().metadata_text("shardId");
        let shard = shard.unwrap_or("unknown".into()).into_owned();
        match user_record.data() {
            // Firehose writes the unchanged record to the error prefix.
            _ if user_record.malformed().is_some() => Transformed::ProcessingFailed,
            [] => Transformed::Dropped,
            // Firehose adds no separators between records, so each line needs a line feed.
            data => Transformed::Partitioned {
                data: [data.trim_ascii_end(), b"\n"].concat(),
                partition_keys: [("shard".to_owned(), shard)].into(),
            },
        }
    });
    // Lambda rejects answers of more than 6 MB. Records that do not fit are put again.
    for position in answer.limit_len(DEFAULT_MAX_ANSWER_LEN) {
        put_again(event, &event.records[position])?;
    }
    Ok(answer)
}

/// Call `PutRecord` here (or, for batches, `PutRecords` or `PutRecordBatch`). If that
/// fails, let the invocation fail: Firehose then calls the function again with all
/// records.
fn put_again(event: &FirehoseEvent, record: &EventRecord) -> Result<(), Box<dyn Error>> {
    match event.source_kinesis_stream_arn() {
        Some(stream) => eprintln!(
            "would put {} bytes into {stream} with partition key {:?}",
            record.data().len(),
            record.partition_key(),
        ),
        None => eprintln!(
            "would put {} bytes into {:?}",
            record.data().len(),
            event.delivery_stream_arn(),
        ),
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let event: FirehoseEvent = serde_json::from_str(include_str!("firehose_event.json"))?;
    println!("{}", serde_json::to_string(&handler(&event)?)?);
    Ok(())
}
