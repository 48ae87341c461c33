//! The input: what is left of one message, and where in the blob that is.

use crate::error::DecodeErrorKind;
use crate::limits::{MAX_TAG_LEN, MAX_VARINT_LEN};
use crate::wire::fault::{Fault, Faulted};
use crate::wire::varint::{self, FOR_SIZE, Varint, VarintError};

/// The unread bytes of one message.
///
/// Offsets are absolute: a cursor over a nested message goes on counting from
/// the start of the blob, so no caller ever adds them up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'buf> {
    rest: &'buf [u8],
    end: usize,
}

impl<'buf> Cursor<'buf> {
    /// A cursor over `message`, which starts at `offset` of the blob.
    #[inline]
    pub(crate) fn new(message: &'buf [u8], offset: usize) -> Self {
        Self {
            rest: message,
            end: offset.wrapping_add(message.len()),
        }
    }

    /// Offset of the next byte from the start of the blob.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.end.wrapping_sub(self.rest.len())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All unread bytes.
    #[inline]
    pub(crate) fn rest(&self) -> &'buf [u8] {
        self.rest
    }

    /// Reads a field tag: field number times 8 plus wire type, any 32 bits.
    pub(crate) fn tag(&mut self, fault: &mut Fault) -> Result<u32, Faulted> {
        let offset = self.offset();
        let tag = self.any_varint(offset, MAX_TAG_LEN, fault)?.value;
        u32::try_from(tag).map_err(|_| fault.record(DecodeErrorKind::InvalidTag { tag }, offset))
    }

    /// Reads the value of a varint field whose tag stands at `field_offset`.
    pub(crate) fn varint(
        &mut self,
        field_offset: usize,
        fault: &mut Fault,
    ) -> Result<u64, Faulted> {
        Ok(self.any_varint(field_offset, MAX_VARINT_LEN, fault)?.value)
    }

    /// Reads the bytes of a length-delimited field whose tag stands at
    /// `field_offset`.
    #[inline(never)]
    pub(crate) fn bytes(
        &mut self,
        field_offset: usize,
        fault: &mut Fault,
    ) -> Result<&'buf [u8], Faulted> {
        let len = self.any_varint(field_offset, MAX_VARINT_LEN, fault)?;
        let limit = MAX_VARINT_LEN;
        let kind = if len.overflows {
            DecodeErrorKind::VarintTooLong { limit }
        } else {
            let taken = usize::try_from(len.value)
                .ok()
                .and_then(|len| self.rest.split_at_checked(len));
            if let Some((bytes, rest)) = taken {
                self.rest = rest;
                return Ok(bytes);
            }
            DecodeErrorKind::LengthOverrun {
                claimed: len.value,
                available: u64::try_from(self.rest.len()).unwrap_or(u64::MAX),
            }
        };
        Err(fault.record(kind, field_offset))
    }

    /// Reads a nested message whose tag stands at `field_offset`.
    pub(crate) fn message(
        &mut self,
        field_offset: usize,
        fault: &mut Fault,
    ) -> Result<Self, Faulted> {
        let rest = self.bytes(field_offset, fault)?;
        Ok(Self {
            rest,
            end: self.offset(),
        })
    }

    /// Reads a byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// Reads a short length and as many bytes as it says; `None` for all else,
    /// good or bad.
    #[inline(always)]
    pub(crate) fn short_bytes(&mut self) -> Option<&'buf [u8]> {
        if FOR_SIZE {
            return None;
        }
        let (len, rest) = match self.rest {
            [len @ ..0x80, rest @ ..] => (usize::from(*len), rest),
            [low, high @ ..0x80, rest @ ..] => {
                (usize::from(*low & 0x7f) | usize::from(*high) << 7, rest)
            }
            _ => return None,
        };
        let (bytes, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    /// Goes on at `rest`, which is the end of what was unread.
    #[inline]
    pub(crate) fn go_on_at(&mut self, rest: &'buf [u8]) {
        self.rest = rest;
    }

    /// Passes over `len` bytes.
    pub(crate) fn skip(&mut self, len: usize, fault: &mut Fault) -> Result<(), Faulted> {
        match self.rest.get(len..) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(fault.record(DecodeErrorKind::Truncated, self.end)),
        }
    }

    #[inline(never)]
    fn any_varint(
        &mut self,
        field_offset: usize,
        limit: u8,
        fault: &mut Fault,
    ) -> Result<Varint, Faulted> {
        match varint::decode(self.rest, limit) {
            Ok((varint, rest)) => {
                self.rest = rest;
                Ok(varint)
            }
            Err(VarintError::Truncated) => Err(fault.record(DecodeErrorKind::Truncated, self.end)),
            Err(VarintError::TooLong { limit }) => {
                Err(fault.record(DecodeErrorKind::VarintTooLong { limit }, field_offset))
            }
        }
    }
}
