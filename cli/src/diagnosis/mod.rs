//! Classifies data with one word, and explains in sentences what is wrong with it.

mod encoding;
pub(crate) mod search;

use alloc::collections::BTreeMap;
use core::ops::Range;
use std::io::{self, Write};

use kinesis_agg::HashKey;
use kinesis_agg::codec::{
    AggregatedRecord, DecodeErrorKind, Digest, MAGIC, Parsed, ReadSlot, parse, parse_without_digest,
};
use kinesis_agg::read::{DecodeError, KeyBytes, PlainReason};
use serde::Serialize;

use crate::diagnosis::encoding::Decoded;
use crate::diagnosis::search::{
    Budget, flipped_bit, intact_parts, is_intact, len_prefix, wrong_digest_byte, wrong_magic_byte,
};
use crate::render::frame::bytes_around;
use crate::render::style::Styles;
use crate::render::text::{count, grouped, wide};

/// What data is, as one word that is the same in every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    /// A valid aggregate.
    Aggregated,
    /// Data that is not an aggregate.
    Plain,
    /// An aggregate in another form: compressed, or as text.
    Encoded,
    /// One or more intact aggregates with other bytes around them.
    Misframed,
    /// An aggregate with changed or missing bytes.
    Damaged,
    /// An aggregate with a good digest whose message is not valid.
    Malformed,
    /// Input that is not a Kinesis record.
    Unreadable,
}

/// How many Kinesis records have each verdict.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct VerdictCounts(BTreeMap<Verdict, u64>);

impl Default for VerdictCounts {
    fn default() -> Self {
        Self(Verdict::ALL.map(|verdict| (verdict, 0)).into())
    }
}

impl VerdictCounts {
    pub(crate) fn add(&mut self, verdict: Verdict) {
        let number = self.0.entry(verdict).or_default();
        *number = number.saturating_add(1);
    }

    pub(crate) fn of(&self, verdict: Verdict) -> u64 {
        self.0.get(&verdict).copied().unwrap_or_default()
    }

    /// Returns the verdicts that people expect in a summary, and others that occurred.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (Verdict, u64)> {
        let counts = self.0.iter().map(|(verdict, number)| (*verdict, *number));
        counts.filter(|(verdict, number)| {
            *number > 0 || matches!(verdict, Verdict::Aggregated | Verdict::Plain)
        })
    }
}

impl Verdict {
    const ALL: [Self; 7] = [
        Self::Aggregated,
        Self::Plain,
        Self::Encoded,
        Self::Misframed,
        Self::Damaged,
        Self::Malformed,
        Self::Unreadable,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Aggregated => "aggregated",
            Self::Plain => "plain",
            Self::Encoded => "encoded",
            Self::Misframed => "misframed",
            Self::Damaged => "damaged",
            Self::Malformed => "malformed",
            Self::Unreadable => "unreadable",
        }
    }

    /// Returns the style of the word.
    pub(crate) const fn style(self, styles: &Styles) -> anstyle::Style {
        match self {
            Self::Aggregated => styles.good,
            Self::Plain | Self::Encoded => styles.doubtful,
            Self::Misframed | Self::Damaged | Self::Malformed | Self::Unreadable => styles.bad,
        }
    }
}

/// What data is, and why.
#[derive(Debug)]
pub(crate) struct Diagnosis<'a> {
    pub(crate) verdict: Verdict,
    /// A few words that follow the verdict.
    pub(crate) detail: String,
    /// True if something is wrong with the data.
    pub(crate) is_bad: bool,
    pub(crate) sentences: Vec<String>,
    /// The first byte that is known to be wrong.
    pub(crate) broken_offset: Option<usize>,
    pub(crate) parsed: Result<Parsed<'a>, DecodeError>,
}

impl<'a> Diagnosis<'a> {
    pub(crate) fn of(data: &'a [u8], budget: &mut Budget) -> Self {
        let parsed = parse(data);
        let mut diagnosis = Self {
            verdict: Verdict::Plain,
            detail: String::new(),
            is_bad: false,
            sentences: Vec::new(),
            broken_offset: None,
            parsed,
        };
        match &diagnosis.parsed {
            Ok(Parsed::Aggregated(_)) => diagnosis.verdict = Verdict::Aggregated,
            Ok(Parsed::Plain(reason)) => {
                let reason = *reason;
                diagnosis.detail = reason.to_string();
                diagnosis.explain_plain(data, reason, budget);
            }
            Err(error) => {
                let error = *error;
                diagnosis.verdict = Verdict::Malformed;
                diagnosis.detail = error.to_string();
                diagnosis.is_bad = true;
                diagnosis.say(meaning(error.kind()));
                diagnosis.say(
                    "The digest is good, so nothing changed on the way: the producer wrote it \
                     like this.",
                );
                diagnosis.broken_offset = Some(error.offset());
            }
        }
        diagnosis
    }

    /// Returns the verdict and the detail.
    pub(crate) fn headline(&self) -> String {
        match self.detail.is_empty() {
            true => self.verdict.word().to_owned(),
            false => format!("{}, {}", self.verdict.word(), self.detail),
        }
    }

    /// Prints the sentences, then the bytes around the first wrong one.
    pub(crate) fn print(
        &self,
        data: &[u8],
        styles: &Styles,
        out: &mut impl Write,
    ) -> io::Result<()> {
        for sentence in &self.sentences {
            styles.paragraph("  ", sentence, out)?;
        }
        match self.broken_offset {
            None => Ok(()),
            Some(offset) => bytes_around(data, offset, styles, out),
        }
    }

    fn say(&mut self, sentence: impl Into<String>) {
        self.sentences.push(sentence.into());
    }

    fn damaged(&mut self, sentence: impl Into<String>, broken_offset: Option<usize>) {
        self.verdict = Verdict::Damaged;
        self.is_bad = true;
        self.say(sentence);
        self.broken_offset = broken_offset;
    }

    fn explain_plain(&mut self, data: &[u8], reason: PlainReason, budget: &mut Budget) {
        if reason == PlainReason::TooShort {
            return self.explain_too_short(data);
        }
        // Compressed data may contain an aggregate verbatim.
        if reason == PlainReason::NoMagic && self.explain_encoding(data, budget) {
            return;
        }
        let parts = intact_parts(data, budget);
        if let (Some(first), Some(last)) = (parts.first(), parts.last()) {
            return self.explain_parts(data, &parts, first, last);
        }
        match (reason, wrong_magic_byte(data)) {
            (PlainReason::DigestMismatch, _) => self.explain_digest(data, budget),
            (PlainReason::NoMagic, None) | (PlainReason::TooShort, _) => {}
            (PlainReason::NoMagic, Some(place)) => self.damaged(
                format!(
                    "Only the magic is damaged: it must be {}. The digest matches the message.",
                    hex::encode(MAGIC)
                ),
                Some(place),
            ),
        }
    }

    fn explain_too_short(&mut self, data: &[u8]) {
        let digest = data.get(MAGIC.len()..).unwrap_or_default();
        if digest == Digest::of(&[]).to_bytes() {
            self.is_bad = true;
            return self.say(
                "It is an aggregate without user records, and its digest is good: the producer \
                 lost a user record. AWS's Python module does that near its size limit.",
            );
        }
        let len = count(wide(data.len()), "byte");
        self.damaged(
            format!("It starts with the magic but ends after {len}: it was cut off."),
            Some(data.len()),
        );
    }

    fn explain_parts(
        &mut self,
        data: &[u8],
        parts: &[Range<usize>],
        first: &Range<usize>,
        last: &Range<usize>,
    ) {
        self.verdict = Verdict::Misframed;
        self.is_bad = true;
        let user_records = parts.iter().map(|part| user_record_count(data, part));
        let user_records = count(user_records.fold(0, u64::saturating_add), "user record");
        let aggregates = count(wide(parts.len()), "intact aggregate");
        self.detail.clone_from(&aggregates);
        let before = data.get(..first.start).unwrap_or_default();
        let behind = data.get(last.end..).unwrap_or_default();
        if parts.len() > 1 {
            const LISTED: usize = 8;
            let starts = parts.iter().take(LISTED).map(|part| part.start.to_string());
            let starts: Vec<_> = starts.collect();
            let more = if parts.len() > LISTED { ", …" } else { "" };
            self.say(format!(
                "It holds {aggregates} back to back, with {user_records}, as when Firehose \
                 concatenates records. They start at bytes {}{more}. To split them, write the \
                 data to a file, and read that with --from raw.",
                starts.join(", ")
            ));
            let intact = parts
                .iter()
                .fold(0, |len: usize, part| len.saturating_add(part.len()));
            let between = data.len().saturating_sub(intact);
            let between = between
                .saturating_sub(before.len())
                .saturating_sub(behind.len());
            if between > 0 {
                let between = count(wide(between), "byte");
                self.say(format!("There is other data between them ({between})."));
            }
        } else {
            self.say(format!(
                "It holds an intact aggregate with {user_records}, and other data. Consumers do \
                 not recognize the aggregate: they treat all of it as plain data."
            ));
        }
        let [first_one, last_one] = match parts.len() {
            1 => ["The aggregate"; 2],
            _ => ["The first aggregate", "The last aggregate"],
        };
        if !before.is_empty() {
            self.say(format!(
                "{first_one} starts at byte {}, after {}.",
                first.start,
                describe_before(before, first.len(), data.len())
            ));
        }
        if !behind.is_empty() {
            self.say(format!(
                "{last_one} ends at byte {}, before {}.",
                last.end,
                describe_filling(behind)
            ));
        }
        self.broken_offset = match (before.is_empty(), behind.is_empty()) {
            (false, _) => Some(0),
            (true, false) => Some(last.end),
            (true, true) => parts.get(1).map(|second| second.start),
        };
    }

    /// Returns false if the data is not in another form.
    fn explain_encoding(&mut self, data: &[u8], budget: &mut Budget) -> bool {
        let Some(Decoded { forms, data: inner }) = encoding::decode(data, budget) else {
            return false;
        };
        let Some(inner) = inner else {
            self.encoded(
                &forms,
                "A program read its bytes as UTF-8 text and replaced those that are not valid: \
                 they are lost. Read the record again, as bytes or in base64.",
            );
            return true;
        };
        let mut inside = Diagnosis::of(&inner, budget);
        match inside.verdict {
            Verdict::Plain if !inside.is_bad => {
                self.detail = format!("{}, {}", self.detail, forms.join(" of "));
                let len = count(wide(inner.len()), "byte");
                self.say(format!(
                    "It is {} of other data ({len}), not of an aggregate.",
                    forms.join(" of ")
                ));
            }
            _ => {
                self.encoded(
                    &forms,
                    "If the producer put it like this, consumers treat it as plain data. If not, \
                     the program that wrote this input encoded it: decode it, and try again.",
                );
                match &inside.parsed {
                    Ok(Parsed::Aggregated(aggregated)) => {
                        let user_records = count(wide(aggregated.record_count()), "user record");
                        self.say(format!(
                            "The aggregate inside is intact and has {user_records}."
                        ));
                    }
                    _ => {
                        self.is_bad = true;
                        self.detail = format!("{}, {} inside", self.detail, inside.verdict.word());
                        self.say(format!("The data inside is {}.", inside.headline()));
                        self.sentences.append(&mut inside.sentences);
                    }
                }
            }
        }
        true
    }

    fn encoded(&mut self, forms: &[&str], why: &str) {
        self.verdict = Verdict::Encoded;
        self.detail = forms.join(" of ");
        self.say(format!(
            "It is an aggregate encoded as {}.",
            forms.join(" of ")
        ));
        self.say(why);
    }

    fn explain_digest(&mut self, data: &[u8], budget: &mut Budget) {
        if let Some(offset) = wrong_digest_byte(data) {
            let sentence = "One byte of the digest changed; the message is intact.";
            return self.damaged(sentence, Some(offset));
        }
        if let Some((offset, was)) = flipped_bit(data, budget) {
            return self.damaged(
                format!("One bit changed: the digest is good if byte {offset} is {was:02x}."),
                Some(offset),
            );
        }
        self.damaged(
            "The digest does not match the message: bytes changed or are missing, or this is \
             other data that happens to start with the magic.",
            None,
        );
        if let Some(command) = wrapped_by(data) {
            self.say(format!(
                "Its length is that of a line of {command}: if that wrote it, join the lines."
            ));
        }
        match parse_without_digest(data) {
            Err(error) => {
                self.say(format!(
                    "The message cannot be parsed beyond byte {}: bytes changed there or before, or \
                     the end is missing.",
                    error.offset()
                ));
                self.say(meaning(error.kind()));
                self.broken_offset = Some(error.offset());
            }
            Ok(Parsed::Aggregated(aggregated)) => {
                let count = count(wide(aggregated.record_count()), "user record");
                self.say(format!(
                    "The message is still valid and has {count}. So data, keys or the digest \
                     changed, or the end is missing; nothing shows which bytes."
                ));
            }
            Ok(Parsed::Plain(_)) => {}
        }
    }
}

fn user_record_count(data: &[u8], part: &Range<usize>) -> u64 {
    match parse(data.get(part.clone()).unwrap_or_default()) {
        Ok(Parsed::Aggregated(aggregated)) => wide(aggregated.record_count()),
        _ => 0,
    }
}

/// Describes the bytes before an aggregate of length `len` in data of length `data_len`.
fn describe_before(before: &[u8], len: usize, data_len: usize) -> String {
    let rest = data_len.saturating_sub(before.len());
    match before {
        [0xef, 0xbb, 0xbf] => "a UTF-8 byte order mark".to_owned(),
        _ if before == MAGIC => "a second copy of the magic".to_owned(),
        _ => match len_prefix(before, len).or_else(|| len_prefix(before, rest)) {
            Some(prefix) => prefix.to_owned(),
            None => describe_filling(before),
        },
    }
}

fn describe_filling(bytes: &[u8]) -> String {
    let are = |byte: u8| bytes.iter().all(|is| *is == byte);
    let len = wide(bytes.len());
    match bytes {
        b"\r\n" | b"\n" => "a line end".to_owned(),
        b"\"" | b"'" => "a quotation mark".to_owned(),
        _ if are(0) => count(len, "zero byte"),
        _ if are(b'\n') => count(len, "line end"),
        _ => count(len, "other byte"),
    }
}

/// Returns warnings about user records of a valid aggregate that a consumer may lose or miss.
pub(crate) fn warnings(
    aggregated: &AggregatedRecord<'_>,
    slots: &mut Vec<ReadSlot>,
) -> Vec<String> {
    if aggregated.record_count() == 0 {
        return vec!["aggregated, but without user records".to_owned()];
    }
    slots.resize(aggregated.key_count(), ReadSlot::default());
    let (mut nested, mut nowhere) = (Found::default(), Found::default());
    for user_record in aggregated.user_records_in(&mut slots[..]) {
        let number = user_record.sub_sequence_number();
        nested.add_if(is_nested(user_record.data()), number);
        let explicit = user_record.explicit_hash_key();
        let is_invalid = |key: KeyBytes<'_>| HashKey::from_decimal(key.as_bytes()).is_err();
        nowhere.add_if(explicit.is_some_and(is_invalid), number);
    }
    let nested = nested.clause(["is itself an aggregate", "are themselves aggregates"]);
    let nested = nested.map(|what| format!("aggregated twice: {what}; see deaggregate --nested"));
    let nowhere = nowhere.clause([
        "is in no shard: its explicit hash key is not a number",
        "are in no shard: their explicit hash keys are not numbers",
    ]);
    let nowhere = nowhere.map(|what| format!("aggregated, but {what} from 0 to 2^128 - 1"));
    nested.into_iter().chain(nowhere).collect()
}

/// True if the data of a user record is an aggregate itself.
pub(crate) fn is_nested(data: &[u8]) -> bool {
    data.starts_with(&MAGIC) && is_intact(data)
}

/// User records with some property.
#[derive(Debug, Default)]
struct Found {
    count: u64,
    first: u64,
}

impl Found {
    const fn add_if(&mut self, is_so: bool, number: u64) {
        if is_so && self.count == 0 {
            self.first = number;
        }
        if is_so {
            self.count = self.count.saturating_add(1);
        }
    }

    /// Returns which they are with the verb for one or for several; `None` if there are none.
    fn clause(&self, [one, several]: [&str; 2]) -> Option<String> {
        let Self { count, first } = self;
        match count {
            0 => None,
            1 => Some(format!("user record {first} {one}")),
            _ => Some(format!(
                "{} user records (the first is {first}) {several}",
                grouped(*count)
            )),
        }
    }
}

/// Returns the command that by default writes this many bytes in a line.
const fn wrapped_by(data: &[u8]) -> Option<&'static str> {
    match data.len() {
        30 => Some("`xxd -p` (without -c 0)"),
        48 => Some("`openssl base64` (without -A)"),
        57 => Some("`base64` (without -w 0)"),
        _ => None,
    }
}

/// Explains the error in a sentence.
fn meaning(kind: DecodeErrorKind) -> String {
    match kind {
        DecodeErrorKind::Truncated => {
            "The message ends there in the middle of a field: the rest is missing.".to_owned()
        }
        DecodeErrorKind::VarintTooLong { limit } => {
            format!("A number that starts there does not end within {limit} bytes.")
        }
        DecodeErrorKind::InvalidTag { .. } => {
            "Expected a field there; these bytes are not a valid field tag.".to_owned()
        }
        DecodeErrorKind::LengthOverrun { claimed, available } => format!(
            "The field there claims more bytes than remain (claimed {claimed}, remaining \
             {available}): its length is wrong, or the rest is missing."
        ),
        DecodeErrorKind::UnexpectedEndGroup { .. } => {
            "A group of unknown fields ends there, but none has started.".to_owned()
        }
        DecodeErrorKind::MismatchedEndGroup { .. } => {
            "A group of unknown fields ends there, but another one was open.".to_owned()
        }
        DecodeErrorKind::NestingTooDeep => {
            "Unknown fields are nested too deeply there: readers stop at 100 levels.".to_owned()
        }
        DecodeErrorKind::MissingField { field } => {
            format!("The format requires {field}, which the record or tag that starts there lacks.")
        }
        DecodeErrorKind::PartitionKeyIndex { index, count } => {
            out_of_table("partition key", index, count)
        }
        DecodeErrorKind::ExplicitHashKeyIndex { index, count } => {
            out_of_table("explicit hash key", index, count)
        }
        _ => format!("The message is not valid there: {kind}."),
    }
}

fn out_of_table(noun: &str, index: u64, keys: u64) -> String {
    let table = match keys {
        0 => "none".to_owned(),
        1 => "only number 0".to_owned(),
        _ => format!("only 0 to {}", keys.saturating_sub(1)),
    };
    format!("A user record there refers to {noun} {index}, but the aggregate has {table}.")
}
