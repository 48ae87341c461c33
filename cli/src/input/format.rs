//! How Kinesis records are written in a file, and how to detect it.

use clap::ValueEnum;
use kinesis_agg::codec::MAGIC;
use kinesis_agg::lambda::RecordShape;

use crate::data::{
    decode_base64, decode_hex, decode_python, dump_line, is_base64_of_magic, is_hex_of_magic,
};

/// How Kinesis records are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Hexadecimal digits, one blob per line.
    Hex,
    /// Base64 or base64url, one blob per line, or several with tabs between them.
    Base64,
    /// The output of `xxd` or `hexdump -C`.
    Dump,
    /// The bytes of one blob; aggregates back to back are split.
    Raw,
    /// JSON of any kind below, or objects with `data` in base64 and any other fields.
    #[value(alias = "ndjson")]
    Json,
    /// Events of a Lambda function that reads a stream, or records from them.
    Lambda,
    /// Events of a Firehose transformation, or records from them.
    Firehose,
    /// Events of a Kinesis Analytics preprocessor, or records from them.
    Analytics,
    /// Output of `aws kinesis get-records`, boto3 or SubscribeToShard, or records from it.
    GetRecords,
}

/// What the start of a file shows about its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    Is(Format),
    /// The file is empty.
    Empty,
    /// Bytes that are not text: data of a Kinesis record, or a file of another kind.
    Binary,
    /// Text in no format that can be read, with advice.
    Text(&'static str),
}

const NO_FORMAT: &str =
    "no format recognized; specify one with --from (hex, base64, raw, json, ...)";

/// Length of a line that is accepted as data without the magic: words are shorter.
const LONG: usize = 16;

impl Format {
    /// Detects the format from the start of a file: from all lines there, not only the first.
    pub(crate) fn guess(head: &[u8]) -> Guess {
        if head.starts_with(&MAGIC) {
            return Guess::Is(Self::Raw);
        }
        let is_text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
        let is_utf8 = match str::from_utf8(head) {
            Ok(_) => true,
            // Valid UTF-8 that was cut in the middle of a character.
            Err(error) => error.error_len().is_none(),
        };
        if !is_utf8 || !head.iter().all(is_text) {
            return Guess::Binary;
        }
        let mut lines: Vec<_> = head.split(|byte| *byte == b'\n').collect();
        // The last line may be incomplete.
        if lines.len() > 2 {
            lines.pop();
        }
        let mut lines: Vec<_> = lines.into_iter().map(<[u8]>::trim_ascii).collect();
        lines.retain(|line| !line.is_empty());
        let Some(first) = lines.first() else {
            return Guess::Empty;
        };
        if matches!(first.first(), Some(b'{' | b'[' | b'"')) {
            return match first.starts_with(b"{'") || first.starts_with(b"[{'") {
                true => Guess::Text(
                    "this is a Python dict; print it as JSON: json.dumps(response, default=str)",
                ),
                false => Guess::Is(Self::Json),
            };
        }
        if dump_line(first).is_some_and(|(offset, bytes)| offset == 0 && !bytes.is_empty()) {
            return Guess::Is(Self::Dump);
        }
        if first.starts_with(b"RECORDS\t") || first.starts_with(b"CHILDSHARDS\t") {
            return Guess::Text(
                "this is what aws --output text prints; use --output json, \
                 or --query 'Records[].Data' --output text",
            );
        }
        if [
            &b"Records:"[..],
            b"- ApproximateArrivalTimestamp:",
            b"MillisBehindLatest:",
        ]
        .iter()
        .any(|start| first.starts_with(start))
        {
            return Guess::Text("this is YAML; use --output json");
        }
        let tokens = || {
            lines
                .iter()
                .flat_map(|line| line.split(|byte| *byte == b'\t'))
        };
        let is_hex = |token: &[u8]| decode_hex(token).is_ok();
        let is_base64 = |token: &[u8]| {
            decode_base64(token, &mut Vec::new()).is_ok()
                || str::from_utf8(token).ok().and_then(decode_python).is_some()
        };
        let is_python = |token: &[u8]| {
            let bytes = str::from_utf8(token).ok().and_then(decode_python);
            bytes.is_some_and(|bytes| bytes.starts_with(&MAGIC))
        };
        let is_long = |token: &[u8]| token.len() >= LONG && token.len().is_multiple_of(4);
        // Faulty lines among good ones are read with this format, and reported.
        if tokens().any(is_hex_of_magic) || (tokens().all(is_hex) && tokens().all(is_long)) {
            return Guess::Is(Self::Hex);
        }
        if tokens().any(|token| is_base64_of_magic(token) || is_python(token))
            || (tokens().all(is_base64) && tokens().all(is_long))
        {
            return Guess::Is(Self::Base64);
        }
        Guess::Text(NO_FORMAT)
    }

    /// Returns the name that `--from` accepts.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Returns true if a file of this format may hold records of this shape.
    pub(crate) const fn allows(self, shape: RecordShape) -> bool {
        match self {
            // EventBridge Pipes invokes Lambda functions with flat records.
            Self::Lambda => matches!(shape, RecordShape::Kinesis | RecordShape::Pipes),
            // Firehose and Analytics records have no metadata if their source is not a stream.
            Self::Firehose => matches!(shape, RecordShape::Firehose | RecordShape::Bare),
            Self::Analytics => matches!(
                shape,
                RecordShape::Analytics | RecordShape::AnalyticsOfFirehose | RecordShape::Bare
            ),
            Self::GetRecords => matches!(shape, RecordShape::GetRecords),
            Self::Hex | Self::Base64 | Self::Dump | Self::Raw | Self::Json => true,
        }
    }
}
