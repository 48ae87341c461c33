//! Reads the files in `fixtures/`; its README explains their columns.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn lines<T: DeserializeOwned>(file: &str, count: usize) -> Vec<T> {
    let lines: Vec<T> = text(file)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!(lines.len(), count, "fixtures were added or removed: {file}");
    lines
}

fn unhex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    hex::decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn unhex_option<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<u8>>, D::Error> {
    Option::<String>::deserialize(deserializer)?
        .map(|text| hex::decode(text).map_err(serde::de::Error::custom))
        .transpose()
}

fn unhex_all<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .into_iter()
        .map(|text| hex::decode(text).map_err(serde::de::Error::custom))
        .collect()
}

fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

fn number_option<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    Option::<String>::deserialize(deserializer)?
        .map(|text| text.parse().map_err(serde::de::Error::custom))
        .transpose()
}

/// The class of a case, which decides the expected outcome.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the classes of the fixtures")]
pub enum Class {
    /// The blob is plain.
    NotAggregated,
    /// The message has a structural fault.
    Malformed,
    /// The blob holds exactly the KCL's user records.
    Records,
    /// A record has an index outside its table.
    BadIndex,
    /// Some keys are not valid UTF-8.
    InvalidUtf8,
    /// Some explicit hash keys are not numbers.
    EhkNotANumber,
    /// Some explicit hash keys are 2^128 or more.
    EhkOutOfRange,
    /// The blob is aggregated, without user records.
    NoRecords,
    /// The protobuf runtimes disagree about the message.
    RuntimesDisagree,
}

/// A line of `decode.jsonl`.
#[derive(Debug, Deserialize)]
pub struct DecodeCase {
    /// The name of the case.
    pub id: String,
    /// The class of the case.
    pub class: Class,
    /// The blob.
    #[serde(rename = "input_hex", deserialize_with = "unhex")]
    pub blob: Vec<u8>,
    /// The KCL's output.
    pub kcl: Consumer,
    /// What C++ protobuf reads; present only if the digest is right.
    pub cpp_protobuf_3_21_12: Option<Message>,
}

/// A consumer's output.
#[derive(Debug, Deserialize)]
pub struct Consumer {
    /// The user records; empty if the blob was passed through.
    #[serde(default)]
    pub records: Vec<DecodedRecord>,
}

/// A user record that a consumer returned.
#[derive(Debug, Deserialize)]
pub struct DecodedRecord {
    /// The partition key.
    pub partition_key: Option<String>,
    /// The explicit hash key.
    pub explicit_hash_key: Option<String>,
    /// The data.
    #[serde(rename = "data_hex", deserialize_with = "unhex")]
    pub data: Vec<u8>,
    /// The position in the aggregate.
    pub sub_sequence: u64,
}

/// A message as C++ protobuf reads it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Whether it can be parsed.
    pub parses: bool,
    /// Whether all required fields are present.
    pub initialized: bool,
    /// The partition key table.
    #[serde(rename = "partition_keys_hex", deserialize_with = "unhex_all")]
    pub partition_keys: Vec<Vec<u8>>,
    /// The explicit hash key table.
    #[serde(rename = "explicit_hash_keys_hex", deserialize_with = "unhex_all")]
    pub explicit_hash_keys: Vec<Vec<u8>>,
    /// The records.
    pub records: Vec<MessageRecord>,
}

/// A record as C++ protobuf reads it.
#[derive(Debug, Deserialize)]
pub struct MessageRecord {
    /// `partition_key_index`.
    #[serde(deserialize_with = "number")]
    pub pk_index: u64,
    /// `explicit_hash_key_index`.
    #[serde(deserialize_with = "number_option")]
    pub ehk_index: Option<u64>,
    /// `data`.
    #[serde(rename = "data_hex", deserialize_with = "unhex")]
    pub data: Vec<u8>,
    /// The number of `tags`.
    pub tags: usize,
}

/// Returns all lines of `decode.jsonl`.
#[must_use]
pub fn decode_cases() -> Vec<DecodeCase> {
    lines("decode.jsonl", 573)
}

/// A user record to write, with its explicit hash key as text.
#[derive(Debug)]
pub struct Given {
    /// The partition key.
    pub partition_key: String,
    /// The explicit hash key, as a user may type it.
    pub explicit_hash_key: Option<String>,
    /// The data.
    pub data: Vec<u8>,
}

/// A line of `encode.jsonl`.
#[derive(Debug)]
pub struct EncodeCase {
    /// The name of the case.
    pub id: String,
    /// The user records to write.
    pub user_records: Vec<Given>,
    /// The KPL's output.
    pub kpl: Option<Output>,
    /// The Python module's output, unless it was too long to record.
    pub python: Option<Vec<u8>>,
    /// The Node module's output, unless it was too long to record.
    pub node: Option<Vec<u8>>,
    /// The keys of the Kinesis record.
    pub outer: Outer,
    /// Whether the KPL sends the only user record raw.
    pub is_raw_in_kpl: bool,
    /// Whether the KPL rejects a user record.
    pub is_rejected_by_kpl: bool,
}

/// The partition key and the explicit hash key that peers give the Kinesis record.
#[derive(Debug, Deserialize)]
pub struct Outer {
    /// The KPL's keys.
    pub kpl: Option<(String, String)>,
    /// The Python module's keys.
    pub python: Option<(String, Option<String>)>,
}

/// A peer's output.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the forms of the fixtures")]
pub enum Output {
    /// The blob.
    Blob(Vec<u8>),
    /// The length and the SHA-256 of a long blob.
    Hash(usize, Vec<u8>),
}

#[derive(Deserialize)]
struct EncodeLine {
    id: String,
    n: usize,
    records: Option<Vec<EncodeRecord>>,
    #[serde(rename = "gen")]
    generator: Option<Generator>,
    #[serde(deserialize_with = "unhex_option")]
    kpl_hex: Option<Vec<u8>>,
    kpl_len: Option<usize>,
    #[serde(default, deserialize_with = "unhex_option")]
    kpl_sha256: Option<Vec<u8>>,
    kpl_single: Option<String>,
    kpl_error: Option<String>,
    #[serde(deserialize_with = "unhex_option")]
    python_hex: Option<Vec<u8>>,
    #[serde(deserialize_with = "unhex_option")]
    node_hex: Option<Vec<u8>>,
    outer: Outer,
}

#[derive(Deserialize)]
struct EncodeRecord {
    partition_key: String,
    explicit_hash_key: Option<String>,
    #[serde(default, deserialize_with = "unhex_option")]
    data_hex: Option<Vec<u8>>,
    data_rep: Option<Repeated>,
}

#[derive(Deserialize)]
struct Repeated {
    byte: u8,
    len: usize,
}

impl From<EncodeRecord> for Given {
    fn from(record: EncodeRecord) -> Self {
        let data = match (record.data_hex, record.data_rep) {
            (Some(data), None) => data,
            (None, Some(repeated)) => vec![repeated.byte; repeated.len],
            _ => panic!("a record needs either data_hex or data_rep"),
        };
        Self {
            partition_key: record.partition_key,
            explicit_hash_key: record.explicit_hash_key,
            data,
        }
    }
}

/// Returns all lines of `encode.jsonl`.
#[must_use]
pub fn encode_cases() -> Vec<EncodeCase> {
    lines("encode.jsonl", 61)
        .into_iter()
        .map(|line: EncodeLine| {
            let user_records: Vec<Given> = match (line.records, line.generator) {
                (Some(records), None) => records.into_iter().map(Given::from).collect(),
                (None, Some(generator)) => generator.user_records(),
                _ => panic!("{}: a line needs either records or gen", line.id),
            };
            assert_eq!(user_records.len(), line.n, "{}", line.id);
            let hash = line.kpl_len.zip(line.kpl_sha256);
            let kpl = line
                .kpl_hex
                .map(Output::Blob)
                .or_else(|| hash.map(|(len, hash)| Output::Hash(len, hash)));
            EncodeCase {
                id: line.id,
                user_records,
                kpl,
                python: line.python_hex,
                node: line.node_hex,
                outer: line.outer,
                is_raw_in_kpl: line.kpl_single.is_some(),
                is_rejected_by_kpl: line.kpl_error.is_some(),
            }
        })
        .collect()
}

/// The generator `sm64-v1`, which makes user records from a seed.
#[derive(Deserialize)]
struct Generator {
    kind: String,
    n: usize,
    npk: u64,
    nehk: u64,
    maxlen: u64,
    seed: u64,
    pk_prefix: String,
}

impl Generator {
    fn user_records(&self) -> Vec<Given> {
        assert_eq!(self.kind, "sm64-v1");
        let mut random = SplitMix64(self.seed);
        (0..self.n)
            .map(|_| {
                let [a, b, c, d] = [(); 4].map(|()| random.next());
                let explicit_hash_key = (self.nehk != 0 && b % 2 == 1).then(|| {
                    let number = u128::from((b >> 1) % self.nehk) * ((1 << 64) + 1);
                    number.to_string()
                });
                let data = (0..c % (self.maxlen + 1))
                    .map(|j| d.wrapping_add(31 * j).to_le_bytes()[0])
                    .collect();
                Given {
                    partition_key: format!("{}{}", self.pk_prefix, a % self.npk),
                    explicit_hash_key,
                    data,
                }
            })
            .collect()
    }
}

/// The random number generator of the fixtures, also used by tests that need the same
/// numbers each time.
#[derive(Clone, Debug)]
pub struct SplitMix64(
    /// The seed.
    pub u64,
);

impl SplitMix64 {
    /// Returns the next number.
    #[expect(clippy::should_implement_trait, reason = "it has no last number")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A line of `hashkeys.jsonl`.
#[derive(Debug, Deserialize)]
pub struct HashKeyCase {
    /// The partition key.
    pub partition_key: String,
    /// Its hash key in decimal.
    pub hash_key: String,
}

/// Returns all lines of `hashkeys.jsonl`.
#[must_use]
pub fn hash_key_cases() -> Vec<HashKeyCase> {
    lines("hashkeys.jsonl", 64)
}

/// A line of `range.jsonl`.
#[derive(Debug, Deserialize)]
pub struct RangeCase {
    /// The name of the case.
    pub id: String,
    /// The blobs of a batch.
    #[serde(rename = "inputs_hex", deserialize_with = "unhex_all")]
    pub blobs: Vec<Vec<u8>>,
    /// The hash key of each user record of each blob.
    pub effective_hash_keys: Vec<Option<Vec<String>>>,
    /// The first hash key of the shard.
    pub starting_hash_key: String,
    /// The last hash key of the shard.
    pub ending_hash_key: String,
    /// What the KCL delivers.
    pub kcl: Within,
}

/// What the KCL delivers for a batch.
#[derive(Debug, Deserialize)]
pub struct Within {
    /// The records, in order.
    pub records: Vec<WithinRecord>,
}

/// A user record that the KCL delivers, or a plain Kinesis record.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct WithinRecord {
    /// The position of its blob in the batch.
    pub input: usize,
    /// Whether it comes from an aggregate.
    pub aggregated: bool,
    /// The partition key.
    pub partition_key: String,
    /// The explicit hash key.
    pub explicit_hash_key: Option<String>,
    /// The data.
    #[serde(rename = "data_hex", deserialize_with = "unhex")]
    pub data: Vec<u8>,
    /// The position in the aggregate.
    pub sub_sequence: u64,
}

/// Returns all lines of `range.jsonl`.
#[must_use]
pub fn range_cases() -> Vec<RangeCase> {
    lines("range.jsonl", 29)
}

/// A line of `limits.jsonl`.
#[derive(Debug, Deserialize)]
pub struct LimitCase {
    /// The name of the case.
    pub id: String,
    /// The user records to write.
    pub input: Vec<LimitInput>,
}

/// A number of similar user records.
#[derive(Debug, Deserialize)]
pub struct LimitInput {
    /// The number of user records.
    pub count: usize,
    /// The partition key; `{i}` in it is replaced by the number of the user record.
    pub partition_key: String,
    /// The explicit hash key.
    pub explicit_hash_key: Option<String>,
    /// The length of the data, all zeros.
    pub zero_bytes: usize,
}

/// Returns all lines of `limits.jsonl`.
#[must_use]
pub fn limit_cases() -> Vec<LimitCase> {
    lines("limits.jsonl", 21)
}

/// A Kinesis record that the KPL wrote.
#[derive(Debug, Deserialize)]
pub struct KplCase {
    /// The name of the case.
    pub id: String,
    /// The data of the Kinesis record.
    #[serde(rename = "input_hex", deserialize_with = "unhex")]
    pub blob: Vec<u8>,
    /// Whether it is an aggregate.
    pub aggregated: bool,
    /// The user records that were put.
    pub expected_records: Vec<KplRecord>,
}

/// A user record that was put with the KPL.
#[derive(Debug, Deserialize)]
pub struct KplRecord {
    /// The partition key.
    pub partition_key: String,
    /// The explicit hash key.
    pub explicit_hash_key: Option<String>,
    /// The data.
    #[serde(rename = "data_hex", deserialize_with = "unhex")]
    pub data: Vec<u8>,
}

/// Returns all Kinesis records in `kpl.json`.
#[must_use]
pub fn kpl_cases() -> Vec<KplCase> {
    #[derive(Deserialize)]
    struct File {
        fixtures: Vec<KplCase>,
    }
    let File { fixtures } = serde_json::from_str(&text("kpl.json")).unwrap();
    assert_eq!(fixtures.len(), 4);
    fixtures
}

/// The content of `events.json`: events and what the Python module yields for them.
#[derive(Debug, Deserialize)]
pub struct Events {
    /// Single records.
    pub records: Vec<EventRecordCase>,
    /// Events with their envelopes.
    pub events: Vec<EventCase>,
}

/// A record of an event.
#[derive(Debug, Deserialize)]
pub struct EventRecordCase {
    /// The name of the case.
    pub id: String,
    /// The JSON of the record.
    pub record: Box<RawValue>,
    /// What the Python module yields.
    pub python_output: Vec<Box<RawValue>>,
}

/// An event.
#[derive(Debug, Deserialize)]
pub struct EventCase {
    /// The name of the case.
    pub id: String,
    /// The JSON of the event.
    pub event: Box<RawValue>,
    /// The number of records that the Python module yields.
    pub python_output_count: Option<usize>,
    /// The first record that it yields.
    pub python_output_first: Option<Box<RawValue>>,
    /// The last record that it yields.
    pub python_output_last: Option<Box<RawValue>>,
}

/// Returns the content of `events.json`.
#[must_use]
pub fn events() -> Events {
    let events: Events = serde_json::from_str(&text("events.json")).unwrap();
    assert_eq!((events.records.len(), events.events.len()), (5, 3));
    events
}

/// Returns JSON text without white space between its tokens, and otherwise unchanged.
#[must_use]
pub fn compact(json: &RawValue) -> String {
    let mut in_string = false;
    let mut is_escaped = false;
    let is_kept = |character: &char| {
        let was_in_string = in_string;
        match character {
            '"' if !is_escaped => in_string = !in_string,
            _ => {}
        }
        is_escaped = in_string && *character == '\\' && !is_escaped;
        was_in_string || !character.is_ascii_whitespace()
    };
    json.get().chars().filter(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_removes_white_space_only_between_tokens() {
        let json: Box<RawValue> =
            serde_json::from_str(r#"{ "a b\" c" : [1.50, "\\" , " \\\" "] }"#).unwrap();
        assert_eq!(compact(&json), r#"{"a b\" c":[1.50,"\\"," \\\" "]}"#);
    }

    #[test]
    fn splitmix64_reproduces_the_numbers_of_the_fixture_generator() {
        let mut random = SplitMix64(1000);
        assert_eq!(
            [(); 3].map(|()| random.next()),
            [
                0x3c1e_ba8b_4dcc_c148,
                0xd07a_9d82_d4f4_bbaf,
                0xc5fe_6a1c_2fc9_b651
            ]
        );
    }
}
