//! The input: what is left of a message, and where in it that is.

use crate::wire::varint::FOR_SIZE;

/// The unread bytes of the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'buf> {
    rest: &'buf [u8],
    end: usize,
}

impl<'buf> Cursor<'buf> {
    /// A cursor over the `rest` of a message, from this offset on.
    #[inline]
    pub(crate) fn new(rest: &'buf [u8], offset: usize) -> Self {
        Self {
            rest,
            end: offset.wrapping_add(rest.len()),
        }
    }

    /// Offset of the next byte from the start of the message.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.end.wrapping_sub(self.rest.len())
    }

    /// All unread bytes.
    #[inline]
    pub(crate) fn rest(&self) -> &'buf [u8] {
        self.rest
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
}
