//! A Lambda function that counts the bytes in tumbling windows.
//!
//! ```sh
//! cargo run --example lambda_time_window --features lambda
//! ```

use core::error::Error;

use kinesis_agg::lambda::{BatchItemFailures, TimeWindowAnswer, TimeWindowEvent};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize, Serialize)]
struct Sums {
    bytes: usize,
}

fn handler(event: &TimeWindowEvent) -> Result<TimeWindowAnswer, serde_json::Error> {
    // In the first invocation of a window, the state is empty or missing.
    let mut sums: Sums = serde_json::from_str(event.state().get()).unwrap_or_default();
    for user_record in event.user_records() {
        sums.bytes += user_record.data().len();
    }
    Ok(TimeWindowAnswer {
        state: serde_json::value::to_raw_value(&sums)?,
        failures: BatchItemFailures::default(),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let event: TimeWindowEvent = serde_json::from_str(include_str!("time_window_event.json"))?;
    println!("{}", serde_json::to_string(&handler(&event)?)?);
    Ok(())
}
