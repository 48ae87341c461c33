//! The input: what is left of one message, and where in the blob that is.

use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::{MAX_TAG_LEN, MAX_VARINT_LEN};
use crate::wire::varint::{self, VarintError};

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
    pub(crate) fn new(message: &'buf [u8], offset: usize) -> Self {
        Self {
            rest: message,
            end: offset.saturating_add(message.len()),
        }
    }

    /// Offset of the next byte from the start of the blob.
    pub(crate) fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All unread bytes.
    pub(crate) fn rest(&self) -> &'buf [u8] {
        self.rest
    }

    /// Reads a field tag: field number times 8 plus wire type, any 32 bits.
    #[inline]
    pub(crate) fn tag(&mut self) -> Result<u32, DecodeError> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u32::from(byte))
            }
            _ => self.long_tag(),
        }
    }

    #[cold]
    fn long_tag(&mut self) -> Result<u32, DecodeError> {
        let offset = self.offset();
        let tag = self.long_varint(offset, MAX_TAG_LEN)?.value;
        u32::try_from(tag)
            .map_err(|_| DecodeError::new(DecodeErrorKind::InvalidTag { tag }, offset))
    }

    /// Reads the value of a varint field whose tag stands at `field_offset`.
    #[inline]
    pub(crate) fn varint(&mut self, field_offset: usize) -> Result<u64, DecodeError> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => Ok(self.long_varint(field_offset, MAX_VARINT_LEN)?.value),
        }
    }

    /// Reads the bytes of a length-delimited field whose tag stands at
    /// `field_offset`.
    #[inline]
    pub(crate) fn bytes(&mut self, field_offset: usize) -> Result<&'buf [u8], DecodeError> {
        let short = match self.rest.split_first() {
            Some((&len, rest)) if len < 0x80 => rest.split_at_checked(usize::from(len)),
            _ => None,
        };
        match short {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => self.long_bytes(field_offset),
        }
    }

    /// [`bytes`](Self::bytes) of any length, and its errors; out of line,
    /// because there are many callers.
    #[inline(never)]
    fn long_bytes(&mut self, field_offset: usize) -> Result<&'buf [u8], DecodeError> {
        let len = self.long_varint(field_offset, MAX_VARINT_LEN)?;
        if len.overflows {
            let limit = MAX_VARINT_LEN;
            return Err(DecodeError::new(
                DecodeErrorKind::VarintTooLong { limit },
                field_offset,
            ));
        }
        let taken = usize::try_from(len.value)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        let Some((bytes, rest)) = taken else {
            return Err(DecodeError::new(
                DecodeErrorKind::LengthOverrun {
                    claimed: len.value,
                    available: u64::try_from(self.rest.len()).unwrap_or(u64::MAX),
                },
                field_offset,
            ));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads a nested message whose tag stands at `field_offset`.
    #[inline]
    pub(crate) fn message(&mut self, field_offset: usize) -> Result<Self, DecodeError> {
        let rest = self.bytes(field_offset)?;
        Ok(Self {
            rest,
            end: self.offset(),
        })
    }

    /// Passes over `len` bytes.
    pub(crate) fn skip(&mut self, len: usize) -> Result<(), DecodeError> {
        self.rest = self.rest.get(len..).ok_or_else(|| self.truncated())?;
        Ok(())
    }

    fn long_varint(
        &mut self,
        field_offset: usize,
        limit: u8,
    ) -> Result<varint::Varint, DecodeError> {
        match varint::decode(self.rest, limit) {
            Ok((varint, rest)) => {
                self.rest = rest;
                Ok(varint)
            }
            Err(VarintError::Truncated) => Err(self.truncated()),
            Err(VarintError::TooLong { limit }) => Err(DecodeError::new(
                DecodeErrorKind::VarintTooLong { limit },
                field_offset,
            )),
        }
    }

    fn truncated(&self) -> DecodeError {
        DecodeError::new(DecodeErrorKind::Truncated, self.end)
    }
}
