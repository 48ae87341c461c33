//! The tags of a record to write.

use crate::record_tag::RecordTags;
use crate::wire::sink::Sink;

/// Tags, and a pointer to the code that writes them.
///
/// Only a user record with tags has that pointer: a program whose user records have none does
/// not contain the code (0.5 kB on a Cortex-M3).
#[derive(Clone, Copy)]
pub(crate) struct NewTags<'a> {
    tags: RecordTags<'a>,
    code: Option<&'static Code>,
}

struct Code {
    encoded_len: fn(RecordTags<'_>) -> u32,
    write: fn(RecordTags<'_>, &mut Sink<'_>) -> Option<()>,
}

const CODE: &Code = &Code {
    encoded_len: |tags| tags.encoded_len(),
    write: |tags, out| tags.write(out),
};

impl<'a> NewTags<'a> {
    pub(crate) const NONE: Self = Self {
        tags: RecordTags::EMPTY,
        code: None,
    };

    #[inline(always)]
    pub(crate) const fn new(tags: RecordTags<'a>) -> Self {
        let code = if tags.is_empty() { None } else { Some(CODE) };
        Self { tags, code }
    }

    pub(crate) const fn tags(&self) -> RecordTags<'a> {
        self.tags
    }

    /// Returns true if there are no tags.
    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.code.is_none()
    }

    /// Returns how many bytes the tags take in a record.
    pub(crate) fn encoded_len(self) -> u32 {
        let Self { tags, code } = self;
        code.map_or(0, |code| (code.encoded_len)(tags))
    }

    /// Appends the tags to a record.
    pub(crate) fn write(self, out: &mut Sink<'_>) -> Option<()> {
        let Self { tags, code } = self;
        code.map_or(Some(()), |code| (code.write)(tags, out))
    }
}
