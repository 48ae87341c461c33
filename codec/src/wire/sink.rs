//! The output: a piece of the caller's memory, filled from its start.

use crate::wire::num::Num as _;
use crate::wire::varint::{self, FOR_SIZE};

/// A piece of memory, and how much of it is written.
///
/// A write that does not fit gives `None`. Writers compare lengths before
/// their first write, so that this stays a safeguard; what was written before
/// it counts for nothing, as long as no one moves the end of what is valid.
#[derive(Debug)]
pub(crate) struct Sink<'out> {
    memory: &'out mut [u8],
    len: usize,
}

impl<'out> Sink<'out> {
    pub(crate) fn new(memory: &'out mut [u8]) -> Self {
        Self { memory, len: 0 }
    }

    /// What was written.
    pub(crate) fn written(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }

    #[inline]
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

    /// Writes a tag of one byte and a number behind it.
    #[inline(never)]
    pub(crate) fn put_tagged(&mut self, tag: u32, value: u32) -> Option<()> {
        let [tag, ..] = tag.to_le_bytes();
        let [low, ..] = value.to_le_bytes();
        let [high, ..] = (value >> 7).to_le_bytes();
        match value {
            ..0x80 if !FOR_SIZE => self.put(&[tag, low]),
            0x80..0x4000 if !FOR_SIZE => self.put(&[tag, low | 0x80, high]),
            _ => {
                self.put_byte(tag)?;
                self.put_varint(value)
            }
        }
    }

    fn put_varint(&mut self, value: u32) -> Option<()> {
        varint::encode(value, |byte| self.put_byte(byte))
    }
}
