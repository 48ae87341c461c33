//! Fields on their way out, into memory or piece by piece.

use crate::wire::sink::Sink;
use crate::wire::varint;

/// Bytes of each tag of the schema, as varints.
const TAG_LEN: u32 = 1;

/// Takes a piece of a message, or refuses it and all that would follow.
pub(crate) type Put<'a> = dyn FnMut(&[u8]) -> Option<()> + 'a;

/// Bytes of the longest head: that of a record, four tags and four numbers.
const MAX_HEAD_LEN: usize = 4 * (1 + 5);

/// Hands over what stands before a field's content, as one piece.
pub(crate) fn put_head(
    put: &mut Put<'_>,
    write: impl FnOnce(&mut Sink<'_>) -> Option<()>,
) -> Option<()> {
    let mut head = [0; MAX_HEAD_LEN];
    let mut sink = Sink::new(&mut head);
    write(&mut sink)?;
    put(sink.written())
}

/// Hands a field that holds `bytes` to `put`.
pub(crate) fn stream_bytes_field(put: &mut Put<'_>, tag: u32, bytes: &[u8]) -> Option<()> {
    put_head(put, |sink| write_bytes_head(sink, tag, bytes))?;
    put(bytes)
}

/// Bytes of a table entry of `key`, or of any field that holds `bytes`.
pub(crate) fn bytes_field_len(bytes: &[u8]) -> u32 {
    delimited_len(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}

/// Bytes of a field that holds a number: at most six.
pub(crate) fn number_field_len(number: u32) -> u32 {
    TAG_LEN.wrapping_add(varint::encoded_len(number))
}

/// Bytes of a field whose content has `body_len` bytes.
#[cfg_attr(not(feature = "fast"), inline(never))]
pub(crate) fn delimited_len(body_len: u32) -> u32 {
    number_field_len(body_len).saturating_add(body_len)
}

pub(crate) fn write_bytes_field(sink: &mut Sink<'_>, tag: u32, bytes: &[u8]) -> Option<()> {
    write_bytes_head(sink, tag, bytes)?;
    sink.put(bytes)
}

/// All of a field that holds `bytes` but these.
pub(crate) fn write_bytes_head(sink: &mut Sink<'_>, tag: u32, bytes: &[u8]) -> Option<()> {
    sink.put_tagged(tag, u32::try_from(bytes.len()).ok()?)
}
