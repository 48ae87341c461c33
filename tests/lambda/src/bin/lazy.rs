//! A Lambda function with the lazy handler.

use kinesis_agg_lambda::lambda_lazy_handler;
use lambda_runtime::{Error, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(lambda_lazy_handler)).await
}
