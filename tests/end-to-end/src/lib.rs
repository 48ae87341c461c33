//! A Kinesis server in the same process, and a consumer that drops what the KCL
//! drops. The server can inject failures, list shards in pages, and choose the shard of
//! each record itself, as with service-managed distribution.
#![expect(clippy::missing_errors_doc, reason = "helpers of tests")]

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::types::{ShardIteratorType, StreamStatus};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use ferrokinesis::store::StoreOptions;
use kinesis_agg::{HashKey, HashKeyRange, deaggregate};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The name of the only stream.
pub const STREAM: &str = "stream";

/// Faults of the server, in percent.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "for tests, which name all")]
pub struct Faults {
    /// Records that are rejected.
    pub rejected_records: u64,
    /// Requests that fail before anything is stored.
    pub failed_requests: u64,
    /// Requests whose answer is lost after all records were stored.
    pub lost_answers: u64,
    /// Shards in a page of ListShards, not in percent; all by default.
    pub page_len: Option<usize>,
}

/// A request that always fails until the outage is reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "for tests, which name all")]
pub enum Outage {
    /// Everything works.
    #[default]
    None,
    /// ListShards fails.
    ListShardsFails,
    /// ListShards is never answered.
    ListShardsHangs,
    /// The credentials do not allow ListShards.
    ListShardsDenied,
    /// Too many calls of ListShards.
    ListShardsLimited,
    /// The credentials do not allow PutRecords.
    PutRecordsDenied,
    /// PutRecords is never answered, and stores nothing.
    PutRecordsHangs,
}

/// How the stream distributes records, and what it reports about that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "for tests, which name all")]
pub struct Distributes {
    /// True if the service chooses the shard of each record.
    pub is_auto: bool,
    /// What DescribeStreamSummary answers.
    pub described: Described,
}

/// What DescribeStreamSummary answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "for tests, which name all")]
pub enum Described {
    /// No field for the distribution, as for provisioned streams.
    #[default]
    Absent,
    /// How the stream distributes records.
    Named,
    /// An error: the credentials do not allow the request.
    Denied,
}

struct Injection {
    distributes: watch::Receiver<Distributes>,
    faults: Faults,
    /// The state of a SplitMix64.
    random: AtomicU64,
    injected: Arc<AtomicU64>,
    outage: watch::Receiver<Outage>,
}

impl Injection {
    fn next(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.random.fetch_add(step, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn percent(&self, chance: u64) -> bool {
        let hit = self.next() % 100 < chance;
        self.injected.fetch_add(u64::from(hit), Ordering::Relaxed);
        hit
    }
}

/// A running server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Server {
    /// A client of the server that does not retry.
    pub client: Client,
    injected: Arc<AtomicU64>,
    outage: Arc<watch::Sender<Outage>>,
    distributes: Arc<watch::Sender<Distributes>>,
}

impl Server {
    /// Starts a server with one stream. It ends with the runtime.
    pub async fn start(shard_count: i32, faults: Faults, limited: bool) -> anyhow::Result<Self> {
        let options = StoreOptions {
            create_stream_ms: 0,
            delete_stream_ms: 0,
            update_stream_ms: 30,
            shard_limit: 1_000,
            enforce_limits: limited,
            ..StoreOptions::default()
        };
        let (app, _store) = ferrokinesis::create_app(options);
        let injected = Arc::new(AtomicU64::new(0));
        let outage = Arc::new(watch::Sender::new(Outage::None));
        let distributes = Arc::new(watch::Sender::new(Distributes::default()));
        let injection = Arc::new(Injection {
            distributes: distributes.subscribe(),
            faults,
            random: AtomicU64::new(1),
            injected: Arc::clone(&injected),
            outage: outage.subscribe(),
        });
        let app = app
            .layer(from_fn_with_state(injection, inject))
            .layer(DefaultBodyLimit::max(MAX_BODY_LEN));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(ferrokinesis::serve_plain_http(
            listener,
            app,
            core::future::pending(),
        ));
        let server = Self {
            client: client(&format!("http://{address}")),
            injected,
            outage,
            distributes,
        };
        server.create(shard_count).await?;
        Ok(server)
    }

    /// Creates the stream.
    pub async fn create(&self, shard_count: i32) -> anyhow::Result<()> {
        let create = self.client.create_stream().stream_name(STREAM);
        create.shard_count(shard_count).send().await?;
        self.wait_until_active().await
    }

    /// Deletes the stream.
    pub async fn delete(&self) -> anyhow::Result<()> {
        let delete = self.client.delete_stream().stream_name(STREAM);
        delete.send().await?;
        let describe = || self.client.describe_stream_summary().stream_name(STREAM);
        while describe().send().await.is_ok() {
            tokio::time::sleep(core::time::Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Sets how the stream distributes records.
    pub fn set_distributes(&self, distributes: Distributes) {
        self.distributes.send_replace(distributes);
    }

    /// Returns the number of records, requests and answers that were made to fail.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.injected.load(Ordering::Relaxed)
    }

    /// Sets the current outage.
    pub fn set_outage(&self, outage: Outage) {
        self.outage.send_replace(outage);
    }

    async fn wait_until_active(&self) -> anyhow::Result<()> {
        loop {
            let summary = self.client.describe_stream_summary();
            let summary = summary.stream_name(STREAM).send().await?;
            let summary = summary
                .stream_description_summary
                .context("no description")?;
            if summary.stream_status == StreamStatus::Active {
                return Ok(());
            }
            tokio::time::sleep(core::time::Duration::from_millis(5)).await;
        }
    }

    /// Returns the shards, open and closed, in the order in which they were made.
    pub async fn shards(&self) -> anyhow::Result<Vec<ListedShard>> {
        let (mut listed, mut token) = (Vec::new(), None);
        loop {
            let page = self.client.list_shards();
            let page = match token {
                None => page.stream_name(STREAM),
                Some(token) => page.next_token(token),
            };
            let page = page.send().await?;
            token = page.next_token;
            listed.extend(page.shards.unwrap_or_default());
            if token.is_none() {
                break;
            }
        }
        let mut shards = Vec::new();
        for shard in listed {
            let range = shard.hash_key_range().context("no range")?;
            let range = HashKeyRange::new(
                range.starting_hash_key().parse::<HashKey>()?,
                range.ending_hash_key().parse::<HashKey>()?,
            )?;
            let numbers = shard.sequence_number_range();
            shards.push(ListedShard {
                id: shard.shard_id().to_owned(),
                range,
                is_open: numbers.is_none_or(|numbers| numbers.ending_sequence_number().is_none()),
            });
        }
        shards.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(shards)
    }

    /// Splits a shard or merges two, depending on `choice`.
    pub async fn reshard(&self, choice: usize) -> anyhow::Result<()> {
        let mut open = self.shards().await?;
        open.retain(|shard| shard.is_open);
        open.sort_by_key(|shard| shard.range.starting_hash_key());
        let pair = choice % open.len().saturating_sub(1).max(1);
        match open.get(pair + 1) {
            Some(right) if open.len() > 5 || choice % 3 == 2 => {
                let merge = self.client.merge_shards().stream_name(STREAM);
                let merge = merge.shard_to_merge(&open[pair].id);
                merge.adjacent_shard_to_merge(&right.id).send().await?;
            }
            _ => {
                let shard = &open[choice % open.len()];
                let starting = shard.range.starting_hash_key().to_u128();
                let ending = shard.range.ending_hash_key().to_u128();
                let middle = starting + (ending - starting) / 7 * 3 + 1;
                let split = self.client.split_shard().stream_name(STREAM);
                let split = split.shard_to_split(&shard.id);
                let split = split.new_starting_hash_key(middle.to_string());
                split.send().await?;
            }
        }
        self.wait_until_active().await
    }

    /// Reads every shard from its beginning, parents before children.
    ///
    /// The data of each user record must begin with its key and number:
    /// `key/number/`.
    pub async fn consume(&self) -> anyhow::Result<Consumed> {
        let mut consumed = Consumed::default();
        for shard in self.shards().await? {
            let iterator = self.client.get_shard_iterator().stream_name(STREAM);
            let iterator = iterator
                .shard_id(&shard.id)
                .shard_iterator_type(ShardIteratorType::TrimHorizon)
                .send()
                .await?;
            let mut next = iterator.shard_iterator;
            while let Some(iterator) = next {
                let answer = self.client.get_records().shard_iterator(iterator);
                let answer = answer.send().await?;
                let is_empty = answer.records.is_empty();
                for record in answer.records {
                    consumed.take(shard.range, record.data.into_inner().into())?;
                }
                next = answer.next_shard_iterator;
                if is_empty {
                    break;
                }
            }
        }
        Ok(consumed)
    }
}

/// Returns a client of a server that uses plain HTTP. It does not retry.
#[must_use]
pub fn client(url: &str) -> Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "tests"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// A shard of the stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListedShard {
    /// Its id.
    pub id: String,
    /// Its hash keys.
    pub range: HashKeyRange,
    /// True if it accepts records.
    pub is_open: bool,
}

/// The records received by a consumer that drops a whole aggregate if one of its user
/// records belongs to another shard.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Consumed {
    /// The data of each user record, once.
    pub user_records: HashSet<String>,
    /// Kinesis records.
    pub records: u64,
    /// Aggregates that the consumer dropped.
    pub dropped: u64,
    /// Kinesis records that were not aggregates.
    pub raw: u64,
    /// User records that the consumer received again.
    pub duplicates: u64,
    /// User records that were first received after a later one of the same key.
    pub out_of_order: u64,
    latest: HashMap<String, u64>,
}

impl Consumed {
    /// Consumes a Kinesis record of a shard with this range.
    pub fn take(&mut self, range: HashKeyRange, data: Bytes) -> anyhow::Result<()> {
        self.records += 1;
        let records = [data];
        let user_records: Vec<_> = deaggregate(&records).collect();
        for read in &user_records {
            if read.user_record().is_none() {
                // No consumer drops it, whatever its keys are.
                self.raw += 1;
            } else if !range.contains(read.hash_key()?.context("no hash key")?) {
                self.dropped += 1;
                return Ok(());
            }
        }
        for read in user_records {
            self.see(String::from_utf8(read.data().to_vec())?)?;
        }
        Ok(())
    }

    fn see(&mut self, data: String) -> anyhow::Result<()> {
        let mut parts = data.split('/');
        let key = parts.next().context("no key")?;
        let number: u64 = parts.next().context("no number")?.parse()?;
        if self.user_records.contains(&data) {
            self.duplicates += 1;
            return Ok(());
        }
        let latest = self.latest.entry(key.to_owned()).or_insert(number);
        self.out_of_order += u64::from(number < *latest);
        *latest = number.max(*latest);
        self.user_records.insert(data);
        Ok(())
    }
}

const MAX_BODY_LEN: usize = 20 << 20;

async fn inject(
    State(injection): State<Arc<Injection>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    let outage = *injection.outage.borrow();
    match (target, outage) {
        (Some(LIST_SHARDS), Outage::ListShardsFails) => internal_failure(),
        (Some(LIST_SHARDS), Outage::ListShardsDenied)
        | (Some(PUT_RECORDS), Outage::PutRecordsDenied) => bad_request("AccessDeniedException"),
        (Some(LIST_SHARDS), Outage::ListShardsLimited) => bad_request("LimitExceededException"),
        (Some(DESCRIBE), _) => describe(&injection, request, next).await,
        (Some(LIST_SHARDS), Outage::ListShardsHangs)
        | (Some(PUT_RECORDS), Outage::PutRecordsHangs) => core::future::pending().await,
        (Some(LIST_SHARDS), _) => match injection.faults.page_len {
            Some(page_len) => list_page(page_len, request, next).await,
            None => next.run(request).await,
        },
        (Some(PUT_RECORDS), _) => put_some(&injection, request, next).await,
        _ => next.run(request).await,
    }
}

const LIST_SHARDS: &str = "Kinesis_20131202.ListShards";
const PUT_RECORDS: &str = "Kinesis_20131202.PutRecords";
const DESCRIBE: &str = "Kinesis_20131202.DescribeStreamSummary";

fn bad_request(code: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({"__type": code}).to_string()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// Adds the stream's distribution to the server's answer, which does not contain it.
async fn describe(injection: &Injection, request: Request, next: Next) -> Response<Body> {
    let distributes = *injection.distributes.borrow();
    if distributes.described == Described::Denied {
        return bad_request("AccessDeniedException");
    }
    let (parts, body) = next.run(request).await.into_parts();
    let body = to_bytes(body, MAX_BODY_LEN).await.unwrap_or_default();
    if !parts.status.is_success() || distributes.described != Described::Named {
        return Response::from_parts(parts, body.into());
    }
    let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    answer["StreamDescriptionSummary"]["RecordDistributionStrategy"] = match distributes.is_auto {
        true => "AUTO".into(),
        false => "USER_PARTITION_KEY".into(),
    };
    rewritten(parts, &answer)
}

/// Moves a record to a random shard, whatever its keys are.
fn place_anywhere(injection: &Injection, record: &mut Value) {
    let hash_key = u128::from(injection.next()) << 64 | u128::from(injection.next());
    record["ExplicitHashKey"] = hash_key.to_string().into();
    if record.get("PartitionKey").is_none() {
        record["PartitionKey"] = "none".into();
    }
}

/// Returns a page of the shards; the server itself lists all of them in one answer. As
/// the service requires, a request with a token must not name the stream.
async fn list_page(page_len: usize, request: Request, next: Next) -> Response<Body> {
    let (mut parts, mut message) = read(request).await;
    let token = message["NextToken"].as_str().map(str::to_owned);
    let names_stream = message.get("StreamName").is_some() || message.get("StreamARN").is_some();
    let first: Option<usize> = match token {
        None => Some(0),
        Some(_) if names_stream => None,
        Some(token) => token.strip_prefix("from ").and_then(|at| at.parse().ok()),
    };
    let Some(first) = first else {
        return bad_request("InvalidArgumentException");
    };
    if first > 0 {
        message = json!({"StreamName": STREAM});
    }
    let body = message.to_string();
    parts.headers.insert("content-length", body.len().into());
    let response = next.run(Request::from_parts(parts, body.into())).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_BODY_LEN).await.unwrap_or_default();
    if !parts.status.is_success() {
        return Response::from_parts(parts, body.into());
    }
    let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(Value::Array(shards)) = answer.get_mut("Shards") {
        let end = first.saturating_add(page_len).min(shards.len());
        let is_last = end == shards.len();
        shards.truncate(end);
        shards.drain(..first.min(end));
        if !is_last {
            answer["NextToken"] = format!("from {end}").into();
        }
    }
    rewritten(parts, &answer)
}

async fn read(request: Request) -> (axum::http::request::Parts, Value) {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_LEN).await.unwrap_or_default();
    (parts, serde_json::from_slice(&body).unwrap_or_default())
}

/// Replaces the body of an answer.
fn rewritten(mut parts: axum::http::response::Parts, answer: &Value) -> Response<Body> {
    parts.headers.remove("content-length");
    // A checksum of the old body.
    parts.headers.remove("x-amz-crc32");
    parts.headers.insert(
        "content-type",
        HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    Response::from_parts(parts, answer.to_string().into())
}

/// Removes chosen records from a PutRecords request and inserts errors into the
/// answer.
async fn put_some(injection: &Injection, request: Request, next: Next) -> Response<Body> {
    if injection.percent(injection.faults.failed_requests) {
        return internal_failure();
    }
    let (mut parts, mut message) = read(request).await;
    let Some(Value::Array(records)) = message.get_mut("Records") else {
        return internal_failure();
    };
    if injection.distributes.borrow().is_auto {
        for record in records.iter_mut() {
            place_anywhere(injection, record);
        }
    }
    let is_rejected: Vec<_> = records
        .iter()
        .map(|_| injection.percent(injection.faults.rejected_records))
        .collect();
    let mut keep = is_rejected.iter().map(|is_rejected| !is_rejected);
    records.retain(|_| keep.next().unwrap_or_default());
    let is_empty = records.is_empty();
    let mut answer = json!({"FailedRecordCount": 0, "Records": []});
    let mut answer_parts = Response::new(Body::empty()).into_parts().0;
    if !is_empty {
        let body = message.to_string();
        parts.headers.insert("content-length", body.len().into());
        let response = next.run(Request::from_parts(parts, body.into())).await;
        let body;
        (answer_parts, body) = response.into_parts();
        let body = to_bytes(body, MAX_BODY_LEN).await.unwrap_or_default();
        if !answer_parts.status.is_success() {
            return Response::from_parts(answer_parts, body.into());
        }
        answer = serde_json::from_slice(&body).unwrap_or_default();
        if injection.percent(injection.faults.lost_answers) {
            return internal_failure();
        }
    }
    if let Some(Value::Array(results)) = answer.get_mut("Records") {
        for (place, _) in is_rejected.iter().enumerate().filter(|(_, is)| **is) {
            results.insert(
                place,
                json!({
                    "ErrorCode": "ProvisionedThroughputExceededException",
                    "ErrorMessage": "on purpose",
                }),
            );
        }
    }
    rewritten(answer_parts, &answer)
}

fn internal_failure() -> Response<Body> {
    let mut response = Response::new(Body::from(r#"{"__type":"InternalFailureException"}"#));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// The examples of the README.
#[doc = include_str!("../../../README.md")]
#[cfg(doctest)]
#[derive(Debug)]
#[non_exhaustive]
pub struct Readme;
