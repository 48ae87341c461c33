//! The two handlers of the Python module's sample function, ported to
//! `lambda_runtime`. README.md describes how to build and deploy them.
#![forbid(unsafe_code)]

use kinesis_agg::Delivered;
use kinesis_agg::lambda::{BatchItemFailures, EventRecord, KinesisEvent};
use lambda_runtime::{Error, LambdaEvent};

/// Deaggregates all records in one call. Returns the same text as the Python sample.
///
/// # Errors
///
/// Returns an error if a user record cannot be processed. Lambda then retries the whole
/// batch.
pub async fn lambda_bulk_handler(event: LambdaEvent<KinesisEvent>) -> Result<String, Error> {
    let user_records: Vec<_> = event.payload.user_records().collect();
    for user_record in &user_records {
        process(user_record)?;
    }
    Ok(format!(
        "Successfully processed {} records.",
        user_records.len()
    ))
}

/// Deaggregates one record after the other. Returns the record from which Lambda should
/// retry. The event source mapping needs `ReportBatchItemFailures`.
///
/// # Errors
///
/// Never returns an error; the response reports failures.
pub async fn lambda_lazy_handler(
    event: LambdaEvent<KinesisEvent>,
) -> Result<BatchItemFailures, Error> {
    let mut failures = BatchItemFailures::default();
    for user_record in event.payload.user_records() {
        if let Err(error) = process(&user_record) {
            eprintln!("{:?}: {error}", user_record.sequence_number());
            failures.push(&user_record);
            break;
        }
    }
    Ok(failures)
}

/// Put your code here. The data is already decoded from base64.
fn process(user_record: &Delivered<'_, EventRecord>) -> Result<(), Error> {
    if user_record.data() == b"fail" {
        return Err("the user record asks to fail".into());
    }
    println!(
        "{:?}:{} {} bytes",
        user_record.sequence_number(),
        user_record.sub_sequence_number(),
        user_record.data().len()
    );
    Ok(())
}
