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

/// A tag that was read, taken apart.
#[derive(Clone, Copy, Debug)]
struct FieldHeader {
    field_number: u32,
    wire_type: u32,
    offset: usize,
}

impl FieldHeader {
    fn of(tag: u32, offset: usize, fault: &mut Fault) -> Result<Self, Faulted> {
        let header = Self {
            field_number: tag >> 3,
            wire_type: tag & 7,
            offset,
        };
        if header.field_number == 0 || header.wire_type > 5 {
            let tag = u64::from(tag);
            return Err(fault.record(DecodeErrorKind::InvalidTag { tag }, offset));
        }
        Ok(header)
    }
}

/// Passes over the rest of an unknown field whose `tag` was read at `offset`.
///
/// `enclosing` messages lie between the field and the top of the blob: 0 at
/// the top, 1 in a record, 2 in a record's tag.
#[cold]
pub(crate) fn skip_unknown(
    cursor: &mut Cursor<'_>,
    tag: u32,
    offset: usize,
    enclosing: usize,
    fault: &mut Fault,
) -> Result<(), Faulted> {
    let header = FieldHeader::of(tag, offset, fault)?;
    match header.wire_type {
        3 => skip_group(cursor, header, enclosing, fault),
        4 => {
            let field_number = header.field_number;
            Err(fault.record(DecodeErrorKind::UnexpectedEndGroup { field_number }, offset))
        }
        _ => skip_value(cursor, header, fault),
    }
}

fn skip_value(
    cursor: &mut Cursor<'_>,
    header: FieldHeader,
    fault: &mut Fault,
) -> Result<(), Faulted> {
    match header.wire_type {
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
        match header.wire_type {
            3 => {
                let slot = open.get_mut(depth).filter(|_| depth < limit);
                let Some(slot) = slot else {
                    return Err(fault.record(DecodeErrorKind::NestingTooDeep, header.offset));
                };
                *slot = header.field_number;
                depth = depth.saturating_add(1);
            }
            4 => {
                depth = depth.saturating_sub(1);
                let started = open.get(depth).copied().unwrap_or_default();
                let ended = header.field_number;
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
        let offset = cursor.offset();
        header = FieldHeader::of(cursor.tag(fault)?, offset, fault)?;
    }
}
