//! A Lambda function that reads a stream: a port of the Python module's sample function,
//! with its bulk and its lazy handler.
//!
//! ```sh
//! cargo run --example lambda_kinesis --features lambda [event.json]
//! ```
//!
//! Prints the user records of the event as the Python module yields them, and the
//! responses of the handlers. `tests/lambda` runs the same handlers on `lambda_runtime`.

use core::error::Error;

use kinesis_agg::Delivered;
use kinesis_agg::lambda::{BatchItemFailures, EventRecord, KinesisEvent, UserRecordEvent};

/// Deaggregates all records in one call.
fn lambda_bulk_handler(event: &KinesisEvent) -> String {
    let user_records: Vec<_> = event.user_records().collect();
    for user_record in &user_records {
        // The data is already decoded from base64.
        let _payload: &[u8] = user_record.data();
        // TODO: process each record
    }
    format!("Successfully processed {} records.", user_records.len())
}

/// Deaggregates one record after the other. Returns the ones that failed.
fn lambda_lazy_handler(
    event: &KinesisEvent,
    mut process: impl FnMut(&Delivered<'_, EventRecord>) -> Result<(), Box<dyn Error>>,
) -> BatchItemFailures {
    let mut failures = BatchItemFailures::default();
    for user_record in event.user_records() {
        if let Err(error) = process(&user_record) {
            eprintln!("{:?}: {error}", user_record.sequence_number());
            failures.push(&user_record);
            // Lambda calls the function again with this record and all later ones.
            break;
        }
    }
    failures
}

fn main() -> Result<(), Box<dyn Error>> {
    let json = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => include_str!("kinesis_event.json").to_owned(),
    };
    let event: KinesisEvent = serde_json::from_str(&json)?;
    let failures = lambda_lazy_handler(&event, |user_record| {
        let in_python_s_shape = UserRecordEvent::from(user_record.clone());
        println!("{}", serde_json::to_string(&in_python_s_shape)?);
        Ok(())
    });
    println!("{}", serde_json::to_string(&failures)?);
    println!("{}", lambda_bulk_handler(&event));
    Ok(())
}
