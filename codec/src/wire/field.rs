//! Field tags, and passing over fields that the schema does not have.

use crate::error::DecodeErrorKind;
use crate::limits::MAX_NESTING;
use crate::wire::cursor::Cursor;
use crate::wire::fault::{Fault, Faulted};

/// The wire types that the schema uses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WireType {
    Varint,
    LengthDelimited,
}

/// The tag of a field of the schema.
pub(crate) const fn tag(field_number: u32, wire_type: WireType) -> u32 {
    let wire_type = match wire_type {
        WireType::Varint => 0,
        WireType::LengthDelimited => 2,
    };
    (field_number << 3) | wire_type
}

/// A tag that was read and is one.
#[derive(Clone, Copy, Debug)]
struct FieldHeader {
    tag: u32,
    offset: usize,
}

impl FieldHeader {
    fn read(cursor: &mut Cursor<'_>, fault: &mut Fault) -> Result<Self, Faulted> {
        let offset = cursor.offset();
        let tag = cursor.tag(fault)?;
        let header = Self { tag, offset };
        if header.field_number() == 0 || header.wire_type() > 5 {
            let tag = u64::from(tag);
            return Err(fault.record(DecodeErrorKind::InvalidTag { tag }, offset));
        }
        Ok(header)
    }

    fn field_number(self) -> u32 {
        self.tag >> 3
    }

    fn wire_type(self) -> u32 {
        self.tag & 7
    }
}

/// A field that a message has, known to the schema or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'buf> {
    pub(crate) tag: u32,
    /// Where the tag stands.
    pub(crate) offset: usize,
    /// Where the value stands, or its length.
    pub(crate) value_offset: usize,
    /// The value, if the tag is that of a varint field.
    pub(crate) number: u64,
    /// The value, if the tag is that of a length-delimited field.
    pub(crate) bytes: Cursor<'buf>,
}

impl<'buf> Field<'buf> {
    /// Room for a field, which is read in place: returned, it would be copied
    /// at every level.
    #[inline]
    pub(crate) fn room() -> Self {
        Self {
            tag: 0,
            offset: 0,
            value_offset: 0,
            number: 0,
            bytes: Cursor::new(&[], 0),
        }
    }

    /// Reads the next field that is a number or bytes, false at the end of the
    /// message. All other fields are unknown to the schema and passed over.
    ///
    /// `enclosing` messages lie between the field and the top of the blob: 0
    /// at the top, 1 in a record, 2 in a record's tag.
    #[cold]
    #[inline(never)]
    pub(crate) fn read(
        &mut self,
        cursor: &mut Cursor<'buf>,
        enclosing: usize,
        fault: &mut Fault,
    ) -> Result<bool, Faulted> {
        while !cursor.is_empty() {
            let header = FieldHeader::read(cursor, fault)?;
            self.tag = header.tag;
            self.offset = header.offset;
            self.value_offset = cursor.offset();
            match header.wire_type() {
                0 => self.number = cursor.varint(header.offset, fault)?,
                2 => self.bytes = cursor.message(header.offset, fault)?,
                3 => {
                    skip_group(cursor, header, enclosing, fault)?;
                    continue;
                }
                4 => {
                    let field_number = header.field_number();
                    let kind = DecodeErrorKind::UnexpectedEndGroup { field_number };
                    return Err(fault.record(kind, header.offset));
                }
                _ => {
                    skip_value(cursor, header, fault)?;
                    continue;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }
}

fn skip_value(
    cursor: &mut Cursor<'_>,
    header: FieldHeader,
    fault: &mut Fault,
) -> Result<(), Faulted> {
    match header.wire_type() {
        0 => cursor.varint(header.offset, fault).map(drop),
        1 => cursor.skip(8, fault),
        5 => cursor.skip(4, fault),
        _ => cursor.bytes(header.offset, fault).map(drop),
    }
}

/// Passes over a group and all groups in it, without recursion: the numbers of
/// the open groups are the whole stack.
#[inline(never)]
fn skip_group(
    cursor: &mut Cursor<'_>,
    start: FieldHeader,
    enclosing: usize,
    fault: &mut Fault,
) -> Result<(), Faulted> {
    let mut open = [0_u32; MAX_NESTING];
    let mut depth = 0_usize;
    let limit = MAX_NESTING.saturating_sub(enclosing);
    let mut header = start;
    loop {
        match header.wire_type() {
            3 => {
                let slot = open.get_mut(depth).filter(|_| depth < limit);
                let Some(slot) = slot else {
                    return Err(fault.record(DecodeErrorKind::NestingTooDeep, header.offset));
                };
                *slot = header.field_number();
                depth = depth.saturating_add(1);
            }
            4 => {
                depth = depth.saturating_sub(1);
                let started = open.get(depth).copied().unwrap_or_default();
                let ended = header.field_number();
                if started != ended {
                    let kind = DecodeErrorKind::MismatchedEndGroup { started, ended };
                    return Err(fault.record(kind, header.offset));
                }
                if depth == 0 {
                    return Ok(());
                }
            }
            _ => skip_value(cursor, header, fault)?,
        }
        header = FieldHeader::read(cursor, fault)?;
    }
}
