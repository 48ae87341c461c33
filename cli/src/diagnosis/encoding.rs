//! Aggregates that are compressed, written as text of some kind, or in another byte order.

use alloc::borrow::Cow;
use std::io::Read;

use kinesis_agg::codec::MAGIC;
use serde_json::value::RawValue;

use crate::data::{
    decode_base64, decode_hex, decode_numbers, decode_python, is_base64_of_magic, is_hex_of_magic,
};
use crate::diagnosis::search::{Budget, intact_parts, is_intact};

/// How many forms are decoded inside each other, such as base64 of gzip.
const MAX_LAYERS: usize = 4;

/// The most bytes that are decompressed: more than any Kinesis record needs.
const MAX_DECOMPRESSED: u64 = 64 << 20;

/// What was found inside of data.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// The forms, the outermost first.
    pub(crate) forms: Vec<&'static str>,
    /// `None` if bytes were lost, so that it cannot be decoded.
    pub(crate) data: Option<Vec<u8>>,
}

/// Looks for an aggregate in another form. Compressed data is always returned, with or
/// without an aggregate inside.
pub(crate) fn decode(data: &[u8], budget: &mut Budget) -> Option<Decoded> {
    // Only the last byte of the magic could begin a character in UTF-8.
    let lossy_magic = String::from_utf8_lossy(&MAGIC);
    let mut forms = Vec::new();
    let mut current = Cow::Borrowed(data);
    let mut compressed = None;
    while forms.len() < MAX_LAYERS {
        if current.starts_with(lossy_magic.as_bytes()) {
            forms.push("UTF-8 text with U+FFFD in place of bytes");
            return Some(Decoded { forms, data: None });
        }
        let decompressed = decompress(&current);
        let is_compressed = decompressed.is_some();
        let decoded = decompressed
            .or_else(|| from_reversed_words(&current))
            .or_else(|| from_text(&current));
        let Some((form, inner)) = decoded else {
            break;
        };
        forms.push(form);
        if inner.starts_with(&MAGIC) || !intact_parts(&inner, budget).is_empty() {
            return Some(Decoded {
                forms,
                data: Some(inner),
            });
        }
        if is_compressed {
            compressed = Some((forms.clone(), inner.clone()));
        }
        current = inner.into();
    }
    compressed.map(|(forms, data)| Decoded {
        forms,
        data: Some(data),
    })
}

fn read_some(reader: impl Read) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    let read = reader.take(MAX_DECOMPRESSED).read_to_end(&mut data);
    // Truncated data is decompressed as far as possible.
    (read.is_ok() || !data.is_empty()).then_some(data)
}

fn decompress(data: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let is_zlib = |second: u8| u16::from_be_bytes([0x78, second]).is_multiple_of(31);
    match data {
        [0x1f, 0x8b, 8, ..] => Some(("gzip", read_some(flate2::read::MultiGzDecoder::new(data))?)),
        [0x78, second, ..] if is_zlib(*second) => {
            Some(("zlib", read_some(flate2::read::ZlibDecoder::new(data))?))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(data).ok()?;
            Some(("zstd", read_some(decoder)?))
        }
        [0x04, 0x22, 0x4d, 0x18, ..] => {
            Some(("lz4", read_some(lz4_flex::frame::FrameDecoder::new(data))?))
        }
        [0xff, 6, 0, 0, b's', b'N', b'a', ..] => {
            Some(("snappy", read_some(snap::read::FrameDecoder::new(data))?))
        }
        _ => decompress_block(data),
    }
}

/// Decompresses a block of Snappy or LZ4. Blocks have no magic of their own, so it looks for
/// that of the aggregate inside, which cannot be compressed.
fn decompress_block(data: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    const MAX_HEAD: usize = 16;
    let head = data.get(..MAX_HEAD).unwrap_or(data);
    memchr::memmem::find(head, &MAGIC).filter(|place| *place > 0)?;
    let is_aggregate = |data: &Vec<u8>| data.starts_with(&MAGIC);
    let is_small = |len: usize| u64::try_from(len).is_ok_and(|len| len <= MAX_DECOMPRESSED);
    if snap::raw::decompress_len(data).is_ok_and(is_small)
        && let Ok(inner) = snap::raw::Decoder::new().decompress_vec(data)
        && is_aggregate(&inner)
    {
        return Some(("snappy", inner));
    }
    // First with a length prefix, which most bindings write, then without one.
    if let Some((len, block)) = data.split_first_chunk::<4>()
        && let Ok(len) = usize::try_from(u32::from_le_bytes(*len))
        && is_small(len)
        && let Ok(inner) = lz4_flex::block::decompress(block, len)
        && is_aggregate(&inner)
    {
        return Some(("lz4", inner));
    }
    let most = data.len().saturating_mul(255).min(MAX_HEAD << 20);
    let inner = lz4_flex::block::decompress(data, most).ok();
    Some(("lz4", inner.filter(is_aggregate)?))
}

/// Undoes the byte order in which `hexdump` and `xxd -e` print words.
fn from_reversed_words(data: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let forms = [
        ("16-bit words with reversed bytes, as `hexdump` prints", 2),
        ("32-bit words with reversed bytes, as `xxd -e` prints", 4),
    ];
    let head = data.get(..MAGIC.len())?;
    forms.into_iter().find_map(|(form, word_len)| {
        let reversed = |bytes: &[u8]| -> Vec<u8> {
            let words = bytes.chunks(word_len);
            words.flat_map(|word| word.iter().rev()).copied().collect()
        };
        let bytes = (reversed(head) == MAGIC).then(|| reversed(data))?;
        // Otherwise, it is the magic alone that is damaged.
        is_intact(&bytes).then_some((form, bytes))
    })
}

fn from_text(data: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let text = data.trim_ascii();
    // No byte of the magic is ASCII, so UTF-8 turns each into two bytes.
    let as_latin_1: String = MAGIC.map(char::from).iter().collect();
    if data.starts_with(as_latin_1.as_bytes()) {
        let characters = str::from_utf8(data).ok()?.chars();
        let bytes = characters.map(|c| u8::try_from(c).ok());
        return Some((
            "Latin-1 text written as UTF-8",
            bytes.collect::<Option<_>>()?,
        ));
    }
    match text.first()? {
        b'"' => {
            let inner: String = serde_json::from_slice(text).ok()?;
            Some(("a JSON string", inner.into_bytes()))
        }
        b'{' | b'[' => {
            let value: &RawValue = serde_json::from_slice(text).ok()?;
            Some(("JSON numbers", decode_numbers(value)?))
        }
        b'b' if matches!(text.get(1), Some(b'\'' | b'"')) => Some((
            "a Python bytes literal",
            decode_python(str::from_utf8(text).ok()?)?,
        )),
        b'\\' => {
            let literal = format!("b'{}'", str::from_utf8(text).ok()?);
            Some(("text with \\x escapes", decode_python(&literal)?))
        }
        _ if is_hex_of_magic(text) => Some(("hex", decode_hex(text).ok()?)),
        _ if is_base64_of_magic(text) => {
            let mut inner = Vec::new();
            // A truncated or damaged aggregate is decoded as far as possible.
            let whole = text.len().saturating_sub(text.len() % 4);
            let whole = text.get(..whole).unwrap_or(text);
            decode_base64(text, &mut inner)
                .or_else(|_| decode_base64(whole, &mut inner))
                .ok()?;
            Some(("base64", inner))
        }
        _ => {
            // This may be base64 of another form.
            let mut inner = Vec::new();
            let is_text = text.len() >= 24 && decode_base64(text, &mut inner).is_ok();
            is_text.then_some(("base64", inner))
        }
    }
}
