//! The tags of a user record, in both directions.

use core::fmt;
use core::iter::FusedIterator;

use crate::error::{DecodeError, EncodeError, EncodedPart, RequiredField};
use crate::key_bytes::KeyBytes;
use crate::schema::{RECORD_TAG, TAG_KEY, TAG_VALUE};
use crate::wire::fault::Fault;
use crate::wire::field::Fields;
use crate::wire::num::{Num as _, to_u32};
use crate::wire::put::{bytes_field_len, delimited_len, put_bytes_field};
use crate::wire::sink::Sink;

/// A tag of a user record: a name and an optional value. The KPL's format has tags, but no AWS
/// library sets any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the schema has just these two fields"
)]
pub struct RecordTag<'buf> {
    /// The name; any bytes are read, a producer should write UTF-8.
    pub key: KeyBytes<'buf>,
    /// The value, if there is one; bytes as for the name.
    pub value: Option<KeyBytes<'buf>>,
}

impl<'buf> RecordTag<'buf> {
    /// Reads the tag in the field that was read last.
    // Inlined, so that the check of a record does not make slices: 5 % less text for reading on a
    // Cortex-M3.
    #[inline(always)]
    pub(crate) fn read(fields: &mut Fields<'buf>) -> Result<Self, Fault> {
        let outer = fields.enter();
        let mut key = None;
        let mut value = None;
        while fields.next(2)? {
            match fields.tag {
                TAG_KEY => key = Some(KeyBytes::new(fields.bytes())),
                TAG_VALUE => value = Some(KeyBytes::new(fields.bytes())),
                _ => {}
            }
        }
        fields.leave(outer);
        let key = key.ok_or(Fault::Missing(RequiredField::TagKey))?;
        Ok(Self { key, value })
    }

    /// Returns the next tag of a record, or `None` at its end.
    fn next_of(fields: &mut Fields<'buf>) -> Result<Option<Self>, Fault> {
        while fields.next(1)? {
            if fields.tag == RECORD_TAG {
                return Self::read(fields).map(Some);
            }
        }
        Ok(None)
    }

    fn body_len(&self) -> u32 {
        let value_len = self
            .value
            .map_or(0, |value| bytes_field_len(value.as_bytes()));
        bytes_field_len(self.key.as_bytes()).saturating_add(value_len)
    }

    /// Returns the bytes of the tag in a record, as
    /// [`encode_into`](Self::encode_into) writes it.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        delimited_len(self.body_len())
    }

    /// Writes the tag to the start of `out`, as a record contains it, and
    /// returns what was written. [`RecordTags::parse`] reads any number of such
    /// tags.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLarge`] if `out` is shorter than
    /// [`encoded_len`](Self::encoded_len). Nothing is written then.
    pub fn encode_into<'out>(&self, out: &'out mut [u8]) -> Result<&'out [u8], EncodeError> {
        let needed = self.encoded_len();
        let too_large = EncodeError::TooLarge {
            part: EncodedPart::Tag,
            needed,
            limit: to_u32(out.len()),
        };
        let place = usize::try_from(needed)
            .ok()
            .and_then(|len| out.get_mut(..len))
            .ok_or(too_large)?;
        self.write(&mut Sink::new(place)).ok_or(too_large)?;
        Ok(place)
    }

    /// Appends the tag to a record.
    fn write(&self, out: &mut Sink<'_>) -> Option<()> {
        self.put_head(out)?;
        out.put(self.key.as_bytes())?;
        match self.value {
            Some(value) => put_bytes_field(out, TAG_VALUE, value.as_bytes()),
            None => Some(()),
        }
    }

    /// Appends what precedes the key.
    pub(crate) fn put_head(&self, out: &mut Sink<'_>) -> Option<()> {
        out.put_tagged(RECORD_TAG, self.body_len())?;
        out.put_tagged(TAG_KEY, to_u32(self.key.as_bytes().len()))
    }
}

/// The tags of a user record, in order.
///
/// Borrows a slice of tags to be written, or the tags of a user record that was read.
///
/// ```
/// use kinesis_agg_codec::{RecordTag, RecordTags};
///
/// let tags = [RecordTag { key: "unit".into(), value: Some("C".into()) }];
/// assert!(RecordTags::from(&tags[..]).iter().eq(tags));
/// ```
#[derive(Clone, Copy)]
pub struct RecordTags<'buf>(Source<'buf>);

#[derive(Clone, Copy)]
enum Source<'buf> {
    Listed(&'buf [RecordTag<'buf>]),
    /// Fields of a checked record, empty if there are no tags, and the function that reads the
    /// next tag of them.
    /// A pointer, so that a program which only writes listed tags does not carry the
    /// reader's code (0.8 kB of an `AsyncStreamWriter` on a Cortex-M3).
    Encoded(&'buf [u8], ReadNext),
}

/// Reads a tag; returns it with the fields after it.
type ReadNext = for<'buf> fn(&'buf [u8]) -> Option<(RecordTag<'buf>, &'buf [u8])>;

impl<'buf> RecordTags<'buf> {
    /// No tags.
    pub const EMPTY: Self = Self(Source::Listed(&[]));

    /// The tags in `checked`, the rest of a checked record from its first tag on; empty without
    /// tags.
    pub(crate) const fn in_record(checked: &'buf [u8]) -> Self {
        Self(Source::Encoded(checked, read_next))
    }

    /// Parses encoded tags: a sequence of `tags` fields of a record. Other fields between them
    /// are skipped.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as for the fields of a record. Offsets count from the start of
    /// `fields`.
    pub fn parse(fields: &'buf [u8]) -> Result<Self, DecodeError> {
        let mut read = Fields::new(fields, 0);
        let mut checked: &[u8] = &[];
        loop {
            match RecordTag::next_of(&mut read) {
                Ok(Some(_)) => checked = fields,
                Ok(None) => return Ok(Self::in_record(checked)),
                Err(fault) => return Err(read.error(fault, 0)),
            }
        }
    }

    /// Returns bytes that [`parse`](Self::parse) accepts, if the tags come from a record that
    /// was read or from `parse`: the fields from the first tag of the record on, or those that
    /// were parsed; nothing if there are no tags. Returns `None` for tags that were made from a
    /// slice.
    #[must_use]
    pub const fn as_encoded(&self) -> Option<&'buf [u8]> {
        match self.0 {
            Source::Listed(_) => None,
            Source::Encoded(fields, _) => Some(fields),
        }
    }

    /// Returns an iterator over the tags.
    #[must_use]
    pub const fn iter(&self) -> RecordTagsIter<'buf> {
        RecordTagsIter(self.0)
    }

    /// Returns true if there are no tags.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Source::Listed(tags) => tags.is_empty(),
            Source::Encoded(fields, _) => fields.is_empty(),
        }
    }

    /// Returns how many bytes the tags take in a record.
    pub(crate) fn encoded_len(&self) -> u32 {
        self.iter()
            .fold(0, |len: u32, tag| len.saturating_add(tag.encoded_len()))
    }

    /// Appends the tags to a record.
    pub(crate) fn write(&self, out: &mut Sink<'_>) -> Option<()> {
        self.iter().try_for_each(|tag| tag.write(out))
    }
}

fn read_next(fields: &[u8]) -> Option<(RecordTag<'_>, &[u8])> {
    let mut fields = Fields::new(fields, 0);
    // The fields were checked, so no error can occur.
    let tag = RecordTag::next_of(&mut fields);
    Some((tag.ok().flatten()?, fields.rest()))
}

impl Default for RecordTags<'_> {
    /// No tags.
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Equal if both hold the same tags in the same order, however they are stored.
impl PartialEq for RecordTags<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for RecordTags<'_> {}

/// A list of tags.
impl fmt::Debug for RecordTags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'buf> From<&'buf [RecordTag<'buf>]> for RecordTags<'buf> {
    fn from(tags: &'buf [RecordTag<'buf>]) -> Self {
        Self(Source::Listed(tags))
    }
}

impl<'buf> IntoIterator for RecordTags<'buf> {
    type Item = RecordTag<'buf>;
    type IntoIter = RecordTagsIter<'buf>;

    fn into_iter(self) -> RecordTagsIter<'buf> {
        self.iter()
    }
}

impl<'buf> IntoIterator for &RecordTags<'buf> {
    type Item = RecordTag<'buf>;
    type IntoIter = RecordTagsIter<'buf>;

    fn into_iter(self) -> RecordTagsIter<'buf> {
        self.iter()
    }
}

/// Iterates over the tags of a user record, in order.
#[derive(Clone)]
pub struct RecordTagsIter<'buf>(Source<'buf>);

impl<'buf> Iterator for RecordTagsIter<'buf> {
    type Item = RecordTag<'buf>;

    fn next(&mut self) -> Option<RecordTag<'buf>> {
        match &mut self.0 {
            Source::Listed(tags) => {
                let (tag, rest) = tags.split_first()?;
                *tags = rest;
                Some(*tag)
            }
            Source::Encoded(fields, read_next) => {
                let (tag, rest) = read_next(fields)?;
                *fields = rest;
                Some(tag)
            }
        }
    }

    /// Exact. For encoded tags it reads them all.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match self.0 {
            Source::Listed(tags) => tags.len(),
            Source::Encoded(..) => self.clone().fold(0, |len, _| len.plus(1)),
        };
        (len, Some(len))
    }
}

impl ExactSizeIterator for RecordTagsIter<'_> {}
impl FusedIterator for RecordTagsIter<'_> {}

/// A list of the tags that remain.
impl fmt::Debug for RecordTagsIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_without_a_tag_are_no_tags() {
        let other_field = [0x08, 7];
        let tags = RecordTags::parse(&other_field).unwrap();
        assert!(tags.is_empty());
        assert_eq!(tags.iter().next(), None);
        assert_eq!(tags, RecordTags::EMPTY);
    }

    #[test]
    fn fields_before_a_tag_are_skipped() {
        let fields = [0x08, 7, 0x22, 3, 0x0a, 1, b'k'];
        let tags = RecordTags::parse(&fields).unwrap();
        assert!(!tags.is_empty());
        assert!(tags.iter().map(|tag| tag.key).eq(["k"]));
        assert_eq!(tags.as_encoded(), Some(&fields[..]));
    }
}
