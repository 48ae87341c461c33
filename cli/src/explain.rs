//! What is wrong with a blob, in words.

use std::io::{self, Write};

use kinesis_agg::codec::limits::{DIGEST_LEN, MAGIC_LEN};
use kinesis_agg::codec::{DecodeErrorKind, Digest, Frame, MAGIC, Parsed, parse_without_digest};
use kinesis_agg::read::DecodeError;
use kinesis_agg::read::PlainReason;

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
pub(crate) fn damaged(
    data: &[u8],
    reason: PlainReason,
    search: &mut BitSearch,
) -> Option<Explanation> {
    match reason {
        PlainReason::NoMagic => wrong_magic(data),
        PlainReason::TooShort => Some(Explanation {
            sentences: vec![format!(
                "It starts with the magic and ends after {}: it was cut off.",
                count(wide(data.len()), "byte")
            )],
            broken_offset: Some(data.len()),
        }),
        PlainReason::DigestMismatch => Some(wrong_digest(data, search)),
    }
}

/// An aggregate that something was done to from its first byte on.
fn wrong_magic(data: &[u8]) -> Option<Explanation> {
    let (sentence, broken_offset) = if let Some(place) = broken_magic(data) {
        let magic = hex::encode(MAGIC);
        let sentence = format!(
            "It ends as an aggregate does, with its digest: only the magic is damaged.\n\
             An aggregate starts with {magic}."
        );
        (sentence, place)
    } else {
        let sentence = disguise(data)?;
        (sentence.to_owned(), 0)
    };
    Some(Explanation {
        sentences: vec![sentence],
        broken_offset: Some(broken_offset),
    })
}

/// The first wrong byte of the magic, if all behind it is sealed by the digest.
fn broken_magic(data: &[u8]) -> Option<usize> {
    let (start, rest) = data.split_first_chunk::<MAGIC_LEN>()?;
    let (message, digest) = rest.split_last_chunk::<DIGEST_LEN>()?;
    if message.is_empty() || Digest::of(message).to_bytes() != *digest {
        return None;
    }
    start.iter().zip(&MAGIC).position(|(is, ought)| is != ought)
}

/// What the magic was turned into.
fn disguise(data: &[u8]) -> Option<&'static str> {
    let mut start = Vec::new();
    // Eight digits are six bytes.
    if let Some(text) = data.get(..8)
        && decode_base64(text, &mut start).is_ok()
        && start.starts_with(&MAGIC)
    {
        return Some(
            "It is an aggregate in base64: encoded once too often, or decoded too rarely.",
        );
    }
    if let Some(text) = data.get(..MAGIC.len().saturating_mul(2))
        && hex::decode(text).is_ok_and(|start| start == MAGIC)
    {
        return Some("It is an aggregate in hex digits, not in bytes.");
    }
    let as_latin_1: String = MAGIC.map(char::from).iter().collect();
    if data.starts_with(as_latin_1.as_bytes()) {
        return Some(
            "It is an aggregate whose bytes were taken for Latin-1 text and written as UTF-8.",
        );
    }
    let as_utf_8 = String::from_utf8_lossy(&MAGIC);
    data.starts_with(as_utf_8.as_bytes()).then_some(
        "It is an aggregate that was taken for UTF-8 text: bytes that are none were\n\
         replaced and are lost. Get it again, as bytes or in base64.",
    )
}

fn wrong_digest(data: &[u8], search: &mut BitSearch) -> Explanation {
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
    if let Some(offset) = wrong_digest_byte(data) {
        return Explanation {
            sentences: vec![
                "One byte of the digest changed; the message is as it was made.".to_owned(),
            ],
            broken_offset: Some(offset),
        };
    }
    if let Some((offset, was)) = flipped_bit(data, search) {
        return Explanation {
            sentences: vec![format!(
                "One bit changed: with {was:02x} at byte {offset} the digest is good."
            )],
            broken_offset: Some(offset),
        };
    }
    let mut sentences = vec![
        "The digest is not that of the message: bytes changed after it was made,\n\
         or this is other data that starts with the magic by chance."
            .to_owned(),
    ];
    if let Some(command) = wrapped_by(data) {
        sentences.push(format!(
            "It is as long as what a line of {command} holds: has a blob been\n\
             broken into lines?"
        ));
    }
    let broken_offset = match parse_without_digest(data) {
        Err(error) => {
            sentences.push(format!(
                "Read all the same, it breaks at byte {}; what changed is there or before:",
                error.offset()
            ));
            sentences.push(meaning(error.kind()));
            Some(error.offset())
        }
        Ok(Parsed::Aggregated(aggregated)) => {
            let count = count(wide(aggregated.record_count()), "user record");
            sentences.push(format!(
                "Read all the same, it is whole and has {count}:\n\
                 data, keys or the digest changed; which bytes cannot be told."
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

/// The command that writes lines of so many bytes unless told not to.
const fn wrapped_by(data: &[u8]) -> Option<&'static str> {
    match data.len() {
        30 => Some("`xxd -p` (without -c 0)"),
        57 => Some("`base64` (without -w 0)"),
        _ => None,
    }
}

/// Bytes that may still be hashed in search of a bit that changed. Trying each
/// takes time in the square of a blob's length, which no damaged input is worth
/// for ever.
#[derive(Debug)]
pub(crate) struct BitSearch {
    left: usize,
}

impl Default for BitSearch {
    /// About a second.
    fn default() -> Self {
        Self { left: 512 << 20 }
    }
}

impl BitSearch {
    /// True if there is enough left for a message of this length, which is then
    /// less.
    fn allows(&mut self, message_len: usize) -> bool {
        const MAX_OF_A_BLOB: usize = 32 << 20;
        let needed = message_len.saturating_mul(8).saturating_mul(message_len);
        match self.left.checked_sub(needed) {
            Some(left) if needed <= MAX_OF_A_BLOB => {
                self.left = left;
                true
            }
            _ => false,
        }
    }
}

/// The byte that makes the digest good if one bit of it is turned back.
fn flipped_bit(data: &[u8], search: &mut BitSearch) -> Option<(usize, u8)> {
    let frame = Frame::split(data).ok()?;
    let stored = frame.digest();
    if !search.allows(frame.message().len()) {
        return None;
    }
    let mut message = frame.message().to_vec();
    for place in 0..message.len() {
        for bit in 0..u8::BITS {
            let flip = |message: &mut [u8]| -> Option<u8> {
                let byte = message.get_mut(place)?;
                *byte ^= 1_u8.checked_shl(bit)?;
                Some(*byte)
            };
            let byte = flip(&mut message)?;
            if Digest::of(&message) == stored {
                return Some((place.saturating_add(MAGIC_LEN), byte));
            }
            flip(&mut message)?;
        }
    }
    None
}

/// The byte of the digest that is wrong, if only one is.
fn wrong_digest_byte(data: &[u8]) -> Option<usize> {
    let frame = Frame::split(data).ok()?;
    let [stored, computed] = [frame.digest(), Digest::of(frame.message())].map(|d| d.to_bytes());
    let mut wrong = (0..DIGEST_LEN).filter(|&place| stored.get(place) != computed.get(place));
    let first = wrong.next()?;
    let start = data.len().saturating_sub(DIGEST_LEN);
    wrong.next().is_none().then(|| start.saturating_add(first))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_for_a_bit_ends_however_much_is_damaged() {
        let mut search = BitSearch::default();
        assert!(!search.allows(usize::MAX) && !search.allows(10 << 20));
        let allowed = (0..10_000).filter(|_| search.allows(1000)).count();
        assert!((1..1000).contains(&allowed), "{allowed}");
    }
}
