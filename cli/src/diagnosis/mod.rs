//! Classifies data with one word, and explains in sentences what is wrong with it.

mod encoding;
pub(crate) mod search;

use core::ops::Range;
use std::io::{self, Write};

use kinesis_agg::codec::{
    AggregatedRecord, DecodeErrorKind, Digest, MAGIC, Parsed, ReadSlot, parse, parse_without_digest,
};
use kinesis_agg::read::{DecodeError, PlainReason};

use crate::diagnosis::encoding::Decoded;
use crate::diagnosis::search::{
    Budget, flipped_bit, intact_parts, is_intact, wrong_digest_byte, wrong_magic_byte,
};
use crate::render::frame::bytes_around;
use crate::render::style::Styles;
use crate::render::text::{count, grouped, wide};

/// What data is, as one word that is the same in every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Verdict {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Aggregated => "aggregated",
            Self::Plain => "plain",
            Self::Encoded => "encoded",
            Self::Misframed => "misframed",
            Self::Damaged => "damaged",
            Self::Malformed => "malformed",
        }
    }

    /// Returns the style of the word.
    pub(crate) const fn style(self, styles: &Styles) -> anstyle::Style {
        match self {
            Self::Aggregated => styles.good,
            Self::Plain | Self::Encoded => styles.doubtful,
            Self::Misframed | Self::Damaged | Self::Malformed => styles.bad,
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
                    "The digest is good: the producer wrote it so, nothing changed on the way.",
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
                    "It ends as an aggregate does, with its digest: only the magic is damaged. \
                     An aggregate starts with {}.",
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
                 lost a user record, as the Python module does near its size limit.",
            );
        }
        let len = count(wide(data.len()), "byte");
        self.damaged(
            format!("It starts with the magic and ends after {len}: it was cut off."),
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
                "It is {aggregates} one behind the other, with {user_records}, as Firehose and \
                 S3 concatenate them: at bytes {}{more}. As a file, --from raw splits them.",
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
                self.say(format!(
                    "Between them are {} of something else.",
                    count(wide(between), "byte")
                ));
            }
        } else {
            self.say(format!(
                "It holds an intact aggregate with {user_records}, and other bytes."
            ));
        }
        if !before.is_empty() {
            self.say(format!(
                "The aggregate begins at byte {}; before it {}.",
                first.start,
                describe_before(before, data.len())
            ));
        }
        if !behind.is_empty() {
            self.say(format!(
                "The aggregate ends at byte {}; behind it {}: without that the digest is good.",
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
        if let Some(form) = encoding::ends(data) {
            self.encoded(&[form]);
            return true;
        }
        let Some(Decoded { forms, data: inner }) = encoding::decode(data, budget) else {
            return false;
        };
        if inner.is_empty() {
            self.encoded(&forms);
            return true;
        }
        let mut inside = Diagnosis::of(&inner, budget);
        match inside.verdict {
            Verdict::Plain if !inside.is_bad => {
                self.detail = format!("{}, {}", self.detail, forms.join(" of "));
                let len = count(wide(inner.len()), "byte");
                self.say(format!(
                    "It is {} of {len} that are no aggregate.",
                    forms.join(" of ")
                ));
            }
            _ => {
                self.encoded(&forms);
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
                        self.say(format!("What is inside is {}:", inside.headline()));
                        self.sentences.append(&mut inside.sentences);
                    }
                }
            }
        }
        true
    }

    fn encoded(&mut self, forms: &[&str]) {
        self.verdict = Verdict::Encoded;
        self.detail = forms.join(" of ");
        let is_lossy = forms.last().is_some_and(|form| form.contains("U+FFFD"));
        self.say(format!(
            "It is an aggregate, but as {}.",
            forms.join(" of ")
        ));
        self.say(match is_lossy {
            true => {
                "Its bytes were read as UTF-8 text; those that are none were replaced and are \
                 lost. Get it again, as bytes or in base64."
            }
            false => {
                "Consumers take it for plain data: it was encoded before it was put, or not \
                 decoded after it was read."
            }
        });
    }

    fn explain_digest(&mut self, data: &[u8], budget: &mut Budget) {
        if let Some(offset) = wrong_digest_byte(data) {
            let sentence = "One byte of the digest changed; the message is as it was made.";
            return self.damaged(sentence, Some(offset));
        }
        if let Some((offset, was)) = flipped_bit(data, budget) {
            return self.damaged(
                format!("One bit changed: with {was:02x} at byte {offset} the digest is good."),
                Some(offset),
            );
        }
        self.damaged(
            "The digest is not that of the message: bytes changed or are missing since it \
             was made, or this is other data that starts with the magic by chance.",
            None,
        );
        if let Some(command) = wrapped_by(data) {
            self.say(format!(
                "It is as long as what a line of {command} holds: has a blob been \
                 broken into lines?"
            ));
        }
        match parse_without_digest(data) {
            Err(error) => {
                self.say(format!(
                    "Read all the same, it breaks at byte {}; what changed is there or before:",
                    error.offset()
                ));
                self.say(meaning(error.kind()));
                self.broken_offset = Some(error.offset());
            }
            Ok(Parsed::Aggregated(aggregated)) => {
                let count = count(wide(aggregated.record_count()), "user record");
                self.say(format!(
                    "Read all the same, it can be parsed and has {count}: data, keys or the \
                     digest changed, or the end is missing; which bytes cannot be told."
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

/// Describes the bytes before an aggregate.
fn describe_before(before: &[u8], len: usize) -> String {
    let rest = len.saturating_sub(before.len());
    let number = match *before {
        [a, b, c, d] => [
            u32::from_be_bytes([a, b, c, d]),
            u32::from_le_bytes([a, b, c, d]),
        ],
        _ => [0; 2],
    };
    let is_len = |number: &u32| usize::try_from(*number) == Ok(rest);
    match before {
        [0xef, 0xbb, 0xbf] => "is the byte order mark of UTF-8".to_owned(),
        _ if before == MAGIC => "is the magic once more".to_owned(),
        _ if number.iter().any(is_len) => "is its length as a prefix of 4 bytes".to_owned(),
        _ if varint_len(rest) == before => "is its length as a varint".to_owned(),
        _ => describe_filling(before),
    }
}

fn varint_len(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(low) = u8::try_from(number & 0x7f) {
        number >>= 7;
        let more = if number > 0 { 0x80 } else { 0 };
        bytes.push(low | more);
        if number == 0 {
            break;
        }
    }
    bytes
}

fn describe_filling(bytes: &[u8]) -> String {
    let are = |byte: u8| bytes.iter().all(|is| *is == byte);
    let len = wide(bytes.len());
    match bytes {
        b"\r\n" | b"\n" => "is the end of a line".to_owned(),
        b"\"" | b"'" => "is a quote".to_owned(),
        _ if are(0) => format!("stand {} with the value 0", count(len, "byte")),
        _ if are(b'\n') => format!("stand {}", count(len, "line end")),
        _ => format!("stand {}", count(len, "other byte")),
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
        nowhere.add_if(user_record.hash_key().is_err(), number);
    }
    let nested = nested.clause().map(|which| {
        format!("aggregated twice: {which} an aggregate by itself; deaggregate --nested opens it")
    });
    let nowhere = nowhere.clause().map(|which| {
        format!(
            "aggregated, but {which} in no shard: the explicit hash key is no number \
             (0 to 2^128 - 1)"
        )
    });
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

    fn clause(&self) -> Option<String> {
        match self.count {
            0 => None,
            1 => Some(format!("user record {} is", self.first)),
            more => Some(format!(
                "{} user records, the first {}, are",
                grouped(more),
                self.first
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
            "The message ends there, within a field: the rest is missing.".to_owned()
        }
        DecodeErrorKind::VarintTooLong { limit } => {
            format!("A number starts there that has not ended after {limit} bytes.")
        }
        DecodeErrorKind::InvalidTag { .. } => {
            "Expected a field there; these bytes are not a valid field tag.".to_owned()
        }
        DecodeErrorKind::LengthOverrun { claimed, available } => format!(
            "The field there claims {}, and {available} are left: \
             its length is wrong, or the rest is missing.",
            count(claimed, "byte")
        ),
        DecodeErrorKind::UnexpectedEndGroup { .. } | DecodeErrorKind::MismatchedEndGroup { .. } => {
            "A group of unknown fields ends there, but none has started.".to_owned()
        }
        DecodeErrorKind::NestingTooDeep => {
            "Unknown fields are nested there more deeply than readers allow.".to_owned()
        }
        DecodeErrorKind::MissingField { field } => {
            format!("What starts there has no {field}, which the format requires.")
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
        _ => format!("0 to {}", keys.saturating_sub(1)),
    };
    format!("A user record names {noun} {index} there; the aggregate has {table}.")
}
