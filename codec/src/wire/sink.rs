//! A slice that a message is written into, piece by piece.

use crate::wire::head::Head;
use crate::wire::num::{Num as _, to_usize};
use crate::wire::varint;

/// A slice, and how much of it is written.
///
/// A write that does not fit returns `None`. Writers compare lengths before their first write,
/// so this is a safeguard. The rest of the slice is unspecified.
#[derive(Debug)]
pub(crate) struct Sink<'out> {
    memory: &'out mut [u8],
    len: usize,
}

impl<'out> Sink<'out> {
    pub(crate) fn new(memory: &'out mut [u8]) -> Self {
        Self { memory, len: 0 }
    }

    /// Returns the number of bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends `bytes`.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let rest = self.memory.get_mut(self.len..)?;
        rest.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.len = self.len.plus(bytes.len());
        Some(())
    }

    fn put_byte(&mut self, byte: u8) -> Option<()> {
        *self.memory.get_mut(self.len)? = byte;
        self.len = self.len.plus(1);
        Some(())
    }

    /// Appends a tag of one byte and a number.
    #[inline(never)]
    pub(crate) fn put_tagged(&mut self, tag: u32, value: u32) -> Option<()> {
        let [tag, ..] = tag.to_le_bytes();
        self.put_byte(tag)?;
        varint::encode(value, |byte| self.put_byte(byte))
    }

    /// Appends the fields of a head.
    #[inline(always)]
    pub(crate) fn put_head(&mut self, head: Head) -> Option<()> {
        let bytes = head.bytes();
        let Some(start) = self.memory.get_mut(self.len..)?.first_chunk_mut() else {
            return self.put(bytes.get(..to_usize(head.len()))?);
        };
        // One store of constant length; later writes overwrite the zeros after the head.
        *start = bytes;
        self.len = self.len.plus(to_usize(head.len()));
        Some(())
    }
}
