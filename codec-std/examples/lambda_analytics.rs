//! A Lambda function that preprocesses the input of a Kinesis Analytics
//! application: each user record becomes a line of JSON.
//!
//! ```sh
//! cargo run --example lambda_analytics --features lambda
//! ```

use core::error::Error;

use kinesis_agg::lambda::{AnalyticsEvent, TransformationAnswer, Transformed, UserRecordEvent};

fn handler(event: &AnalyticsEvent) -> TransformationAnswer {
    event.transform(
        |user_record| match serde_json::to_vec(&UserRecordEvent::from(user_record)) {
            Ok(mut line) => {
                line.push(b'\n');
                Transformed::Ok(line)
            }
            Err(_) => Transformed::ProcessingFailed,
        },
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    let event: AnalyticsEvent = serde_json::from_str(include_str!("analytics_event.json"))?;
    println!("{}", serde_json::to_string(&handler(&event))?);
    Ok(())
}
