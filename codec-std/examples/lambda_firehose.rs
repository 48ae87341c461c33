//! A Lambda function that transforms what goes through Firehose: each user
//! record a line, empty ones dropped.
//!
//! ```sh
//! cargo run --example lambda_firehose --features lambda
//! ```

use core::error::Error;

use kinesis_agg::lambda::{FirehoseEvent, TransformationAnswer, Transformed};

fn handler(event: &FirehoseEvent) -> TransformationAnswer {
    event.transform(|user_record| match user_record.data() {
        // The service keeps what cannot be read, as it came.
        _ if user_record.malformed().is_some() => Transformed::ProcessingFailed,
        [] => Transformed::Dropped,
        // An aggregate is answered for as one: what keeps its user records apart is ours.
        data => Transformed::Ok([data.trim_ascii_end(), b"\n"].concat()),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let event: FirehoseEvent = serde_json::from_str(include_str!("firehose_event.json"))?;
    println!("{}", serde_json::to_string(&handler(&event))?);
    Ok(())
}
