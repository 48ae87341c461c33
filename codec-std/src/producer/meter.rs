//! Reports the metrics of a producer to the crate `metrics`.

use core::time::Duration;

use metrics::{Label, Unit};

use crate::producer::counters::ProducerCounters;
use crate::producer::histogram::Histogram;
use crate::producer::numbers::ProducerSnapshot;

/// The minimum time between two reports.
const PERIOD: Duration = Duration::from_secs(1);

type CounterRow = (&'static str, &'static str, fn(&ProducerCounters) -> u64);

const COUNTERS: [CounterRow; 9] = [
    (
        "kinesis_agg_producer_user_records_in",
        "User records accepted.",
        |counters| counters.user_records_in,
    ),
    (
        "kinesis_agg_producer_user_records_delivered",
        "User records delivered.",
        |counters| counters.user_records_delivered,
    ),
    (
        "kinesis_agg_producer_user_records_failed",
        "User records given up.",
        |counters| counters.user_records_failed,
    ),
    (
        "kinesis_agg_producer_requests",
        "PutRecords requests made.",
        |counters| counters.requests,
    ),
    (
        "kinesis_agg_producer_records",
        "Kinesis records sent, each attempt counted.",
        |counters| counters.records,
    ),
    (
        "kinesis_agg_producer_raw_records",
        "Kinesis records sent that were raw.",
        |counters| counters.raw_records,
    ),
    (
        "kinesis_agg_producer_bytes",
        "Bytes of data and partition keys sent.",
        |counters| counters.bytes,
    ),
    (
        "kinesis_agg_producer_retries",
        "Attempts that did not deliver, in Kinesis records, except those after which the \
         user records failed at once.",
        |counters| counters.retries,
    ),
    (
        "kinesis_agg_producer_wrong_shard",
        "Aggregates stored in a shard that does not have all of their user records.",
        |counters| counters.wrong_shard,
    ),
];

const ERRORS: &str = "kinesis_agg_producer_errors";
const BUFFERED_RECORDS: &str = "kinesis_agg_producer_buffered_user_records";
const BUFFERED_BYTES: &str = "kinesis_agg_producer_buffered_bytes";
const OLDEST_AGE: &str = "kinesis_agg_producer_oldest_age_seconds";
const REQUESTS_IN_FLIGHT: &str = "kinesis_agg_producer_requests_in_flight";
const REQUEST_LATENCY: &str = "kinesis_agg_producer_request_latency_seconds";
const BUFFERING_TIME: &str = "kinesis_agg_producer_buffering_time_seconds";

/// Reports the changes since the last report, at most once a second.
#[derive(Debug)]
pub(super) struct Meter {
    labels: Vec<Label>,
    last: Option<ProducerSnapshot>,
    /// Something may have changed since the last report.
    is_stale: bool,
    /// No report is made before this time.
    quiet_until: Duration,
}

impl Meter {
    pub(super) fn new(stream: &str) -> Self {
        for (name, description, _) in COUNTERS {
            metrics::describe_counter!(name, description);
        }
        metrics::describe_counter!(ERRORS, "Attempts that failed, by error code.");
        metrics::describe_gauge!(BUFFERED_RECORDS, "User records held.");
        metrics::describe_gauge!(BUFFERED_BYTES, Unit::Bytes, "Bytes of user records held.");
        let age = "Age of the oldest user record that has not ended.";
        metrics::describe_gauge!(OLDEST_AGE, Unit::Seconds, age);
        metrics::describe_gauge!(REQUESTS_IN_FLIGHT, "Requests without an answer yet.");
        let latency = "Time from a request to its answer.";
        metrics::describe_histogram!(REQUEST_LATENCY, Unit::Seconds, latency);
        let buffering = "Time from push to first attempt.";
        metrics::describe_histogram!(BUFFERING_TIME, Unit::Seconds, buffering);
        Self {
            labels: vec![Label::new("stream", stream.to_owned())],
            last: None,
            is_stale: false,
            quiet_until: Duration::ZERO,
        }
    }

    pub(super) fn touch(&mut self) {
        self.is_stale = true;
    }

    /// Returns when the next report is due, if something may have changed.
    pub(super) fn due_at(&self) -> Option<Duration> {
        self.is_stale.then_some(self.quiet_until)
    }

    /// Reports the differences from the last report.
    pub(super) fn report(&mut self, snapshot: ProducerSnapshot, now: Duration) {
        self.is_stale = false;
        self.quiet_until = now.saturating_add(PERIOD);
        let labels = &self.labels;
        let last = self.last.as_ref();
        for (name, _, value) in COUNTERS {
            let before = last.map_or(0, |last| value(&last.counters));
            let more = value(&snapshot.counters).saturating_sub(before);
            metrics::counter!(name, labels.iter()).increment(more);
        }
        for (code, &count) in &snapshot.errors {
            let before = last.and_then(|last| last.errors.get(code));
            let more = count.saturating_sub(before.copied().unwrap_or_default());
            let code = Label::new("code", code.to_string());
            let labels: Vec<_> = labels.iter().cloned().chain([code]).collect();
            metrics::counter!(ERRORS, labels.iter()).increment(more);
        }
        let gauge = |name, value: usize| {
            let value = u32::try_from(value).unwrap_or(u32::MAX);
            metrics::gauge!(name, labels.iter()).set(f64::from(value));
        };
        gauge(BUFFERED_RECORDS, snapshot.buffered_count);
        gauge(BUFFERED_BYTES, snapshot.buffered_len);
        gauge(REQUESTS_IN_FLIGHT, snapshot.requests_in_flight);
        let oldest_age = snapshot.oldest_age.unwrap_or_default();
        metrics::gauge!(OLDEST_AGE, labels.iter()).set(oldest_age.as_secs_f64());
        let histogram = |name, now: &Histogram, before: Option<&Histogram>| {
            let histogram = metrics::histogram!(name, labels.iter());
            for (bound, more) in differences(now, before) {
                histogram.record_many(bound.as_secs_f64(), more);
            }
        };
        let before = last.map(|last| &last.request_latency);
        histogram(REQUEST_LATENCY, &snapshot.request_latency, before);
        let before = last.map(|last| &last.buffering_time);
        histogram(BUFFERING_TIME, &snapshot.buffering_time, before);
        self.last = Some(snapshot);
    }
}

/// Returns how many durations were added to each bucket, by its upper bound. The
/// last bucket has none and is reported with the bound of the one before it.
fn differences<'a>(
    now: &'a Histogram,
    before: Option<&'a Histogram>,
) -> impl Iterator<Item = (Duration, usize)> + 'a {
    let before = before.copied().unwrap_or_default();
    let before: Vec<_> = before.buckets().map(|(_, count)| count).collect();
    let mut largest = Duration::ZERO;
    let differences = now.buckets().zip(before);
    let differences = differences.map(move |((bound, count), before)| {
        largest = bound.unwrap_or(largest);
        let more = count.saturating_sub(before);
        (largest, usize::try_from(more).unwrap_or(usize::MAX))
    });
    differences.filter(|&(_, more)| more > 0)
}
