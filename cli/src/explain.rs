//! What is wrong with a blob, in words.

use std::io::{self, Write};

use kinesis_agg::codec::limits::{DIGEST_LEN, MAGIC_LEN};
use kinesis_agg::codec::{DecodeErrorKind, Digest, Frame, MAGIC, Parsed, parse_trusting_digest};
use kinesis_agg::{DecodeError, PlainReason};

use crate::hex_window;
use crate::json::decode_base64;
use crate::style::Styles;
use crate::text::{count, wide};

/// What is wrong with a blob that looks like an aggregate and is none.
#[derive(Debug)]
pub(crate) struct Explanation {
    /// In lines that fit a terminal.
    pub(crate) sentences: Vec<String>,
    /// The first byte that is known to be wrong.
    pub(crate) broken_offset: Option<usize>,
}

impl Explanation {
    /// The sentences, then the bytes around the first wrong one.
    pub(crate) fn print(
        &self,
        data: &[u8],
        styles: &Styles,
        out: &mut impl Write,
    ) -> io::Result<()> {
        for line in self.sentences.iter().flat_map(|sentence| sentence.lines()) {
            writeln!(out, "  {line}")?;
        }
        match self.broken_offset {
            None => Ok(()),
            Some(offset) => hex_window::print(data, offset, styles, out),
        }
    }
}

/// Magic and digest are good; the message is not.
pub(crate) fn malformed(error: DecodeError) -> Explanation {
    Explanation {
        sentences: vec![
            meaning(error.kind()),
            "The digest is good: the producer wrote it so, nothing changed on the way.".to_owned(),
        ],
        broken_offset: Some(error.offset()),
    }
}

/// It looks like an aggregate, as far as it goes. `None` if it does not.
pub(crate) fn damaged(data: &[u8], reason: PlainReason) -> Option<Explanation> {
    match reason {
        PlainReason::NoMagic => wrong_magic(data),
        PlainReason::TooShort => Some(Explanation {
            sentences: vec![format!(
                "It starts with the magic and ends after {}: it was cut off.",
                count(wide(data.len()), "byte")
            )],
            broken_offset: Some(data.len()),
        }),
        PlainReason::DigestMismatch => Some(wrong_digest(data)),
    }
}

/// Data that has an aggregate's digest at its end, so only the magic is wrong.
fn wrong_magic(data: &[u8]) -> Option<Explanation> {
    let (start, rest) = data.split_first_chunk::<MAGIC_LEN>()?;
    let (message, digest) = rest.split_last_chunk::<DIGEST_LEN>()?;
    if message.is_empty() || Digest::of(message).to_bytes() != *digest {
        return None;
    }
    let magic = hex::encode(MAGIC);
    Some(Explanation {
        sentences: vec![format!(
            "It ends as an aggregate does, with its digest: only the magic is damaged.\n\
             An aggregate starts with {magic}."
        )],
        broken_offset: start.iter().zip(&MAGIC).position(|(is, ought)| is != ought),
    })
}

fn wrong_digest(data: &[u8]) -> Explanation {
    for line_end in ["\n", "\r\n"] {
        if let Some(rest) = data.strip_suffix(line_end.as_bytes())
            && is_intact(rest)
        {
            return Explanation {
                sentences: vec![format!(
                    "Without the line end behind it ({line_end:?}) the digest is good: take that off."
                )],
                broken_offset: Some(rest.len()),
            };
        }
    }
    let mut sentences = vec![
        "The digest is not that of the message: bytes changed after it was made,\n\
         or this is other data that starts with the magic by chance."
            .to_owned(),
    ];
    let broken_offset = match parse_trusting_digest(data) {
        Err(error) => {
            sentences.push(format!(
                "Read all the same, it breaks at byte {}:",
                error.offset()
            ));
            sentences.push(meaning(error.kind()));
            Some(error.offset())
        }
        Ok(Parsed::Aggregated(aggregated)) => {
            let count = count(wide(aggregated.record_count()), "user record");
            sentences.push(format!(
                "Read all the same, it is whole and has {count}:\n\
                 data, a key or the digest changed; which byte cannot be told."
            ));
            None
        }
        Ok(Parsed::Plain(_)) => None,
    };
    Explanation {
        sentences,
        broken_offset,
    }
}

fn is_intact(blob: &[u8]) -> bool {
    Frame::split(blob).is_ok_and(|frame| Digest::of(frame.message()) == frame.digest())
}

/// Why there is no magic, if that can be guessed.
pub(crate) fn no_magic(data: &[u8]) -> Option<&'static str> {
    let mut start = Vec::new();
    // Eight digits are six bytes.
    let is_base64 = data
        .get(..8)
        .is_some_and(|text| decode_base64(text, &mut start).is_ok() && start.starts_with(&MAGIC));
    if is_base64 {
        return Some("it is an aggregate in base64, encoded once too often");
    }
    let is_hex = data
        .get(..MAGIC.len().saturating_mul(2))
        .is_some_and(|text| hex::decode(text).is_ok_and(|start| start == MAGIC));
    is_hex.then_some("it is an aggregate in hex digits, not in bytes")
}

/// The fault in a sentence.
fn meaning(kind: DecodeErrorKind) -> String {
    match kind {
        DecodeErrorKind::Truncated => {
            "The message ends there, within a field: the rest is missing.".to_owned()
        }
        DecodeErrorKind::VarintTooLong { limit } => {
            format!("A number starts there that has not ended after {limit} bytes.")
        }
        DecodeErrorKind::InvalidTag { .. } => {
            "A field is to start there, and no field starts so.".to_owned()
        }
        DecodeErrorKind::LengthOverrun { claimed, available } => format!(
            "The field there claims {}, and {available} are left:\n\
             its length is wrong, or the rest is missing.",
            count(claimed, "byte")
        ),
        DecodeErrorKind::UnexpectedEndGroup { .. } | DecodeErrorKind::MismatchedEndGroup { .. } => {
            "A group of unknown fields ends there that did not start.".to_owned()
        }
        DecodeErrorKind::NestingTooDeep => {
            "Unknown fields nest there deeper than any reader goes.".to_owned()
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
