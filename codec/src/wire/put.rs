//! Writes fields, and computes their lengths.

use crate::wire::num::{Num as _, to_u32};
use crate::wire::sink::Sink;
use crate::wire::varint;

/// Bytes of each tag of the schema, as varints.
const TAG_LEN: u32 = 1;

/// Appends a field that holds `bytes`.
pub(crate) fn put_bytes_field(out: &mut Sink<'_>, tag: u32, bytes: &[u8]) -> Option<()> {
    out.put_tagged(tag, to_u32(bytes.len()))?;
    out.put(bytes)
}

/// Bytes of a field that holds `bytes`, such as a table entry of a key.
pub(crate) fn bytes_field_len(bytes: &[u8]) -> u32 {
    delimited_len(to_u32(bytes.len()))
}

/// Bytes of a field that holds a number: at most six.
pub(crate) fn number_field_len(number: u32) -> u32 {
    TAG_LEN.plus(varint::encoded_len(number))
}

/// Bytes of a field whose content has `body_len` bytes.
#[cfg_attr(not(feature = "fast"), inline(never))]
pub(crate) fn delimited_len(body_len: u32) -> u32 {
    number_field_len(body_len).saturating_add(body_len)
}
