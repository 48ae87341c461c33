//! A tag of a user record, in both directions.

use crate::error::{DecodeError, EncodeError, RequiredField};
use crate::key_bytes::KeyBytes;
use crate::schema::{RECORD_TAG, TAG_KEY, TAG_VALUE};
use crate::wire::fault::Fault;
use crate::wire::field::{Fields, Place};
use crate::wire::put::{
    Put, bytes_field_len, delimited_len, put_head, stream_bytes_field, write_bytes_field,
};
use crate::wire::sink::Sink;

/// A tag of a user record: a name and perhaps a value, which the KPL's format
/// has room for and no AWS library sets.
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
    /// Reads the tag that the record's field just read holds.
    fn read(fields: &mut Fields<'buf>) -> Result<Self, Fault> {
        let (key, value) = Self::read_places(fields)?;
        let bytes = |place| KeyBytes::new(fields.at_place(place));
        Ok(Self {
            key: bytes(key),
            value: value.map(bytes),
        })
    }

    #[inline(always)]
    pub(crate) fn read_places(fields: &mut Fields<'buf>) -> Result<(Place, Option<Place>), Fault> {
        let outer = fields.enter();
        let mut key = None;
        let mut value = None;
        while fields.next(2)? {
            match fields.tag {
                TAG_KEY => key = Some(fields.place_of_bytes()),
                TAG_VALUE => value = Some(fields.place_of_bytes()),
                _ => {}
            }
        }
        fields.leave(outer);
        let key = key.ok_or(Fault::Missing(RequiredField::TagKey))?;
        Ok((key, value))
    }

    /// The next tag of a record, or `None` at its end.
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

    /// Bytes that the tag takes in a record, as [`encode_into`](Self::encode_into)
    /// writes it.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        delimited_len(self.body_len())
    }

    /// Writes the tag at the start of `out` as it stands in a record; returns
    /// what was written. [`RecordTags::parse`] reads any number of them.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLarge`] if `out` has less than
    /// [`encoded_len`](Self::encoded_len) bytes; nothing was written.
    pub fn encode_into<'out>(&self, out: &'out mut [u8]) -> Result<&'out [u8], EncodeError> {
        let needed = self.encoded_len();
        let too_large = EncodeError::TooLarge {
            needed: u64::from(needed),
            limit: u64::try_from(out.len()).unwrap_or(u64::MAX),
        };
        let place = usize::try_from(needed)
            .ok()
            .and_then(|len| out.get_mut(..len))
            .ok_or(too_large)?;
        self.write(&mut Sink::new(place)).ok_or(too_large)?;
        Ok(place)
    }

    pub(crate) fn stream(&self, put: &mut Put<'_>) -> Option<()> {
        put_head(put, |sink| sink.put_tagged(RECORD_TAG, self.body_len()))?;
        stream_bytes_field(put, TAG_KEY, self.key.as_bytes())?;
        match self.value {
            Some(value) => stream_bytes_field(put, TAG_VALUE, value.as_bytes()),
            None => Some(()),
        }
    }

    pub(crate) fn write(&self, sink: &mut Sink<'_>) -> Option<()> {
        sink.put_tagged(RECORD_TAG, self.body_len())?;
        write_bytes_field(sink, TAG_KEY, self.key.as_bytes())?;
        match self.value {
            Some(value) => write_bytes_field(sink, TAG_VALUE, value.as_bytes()),
            None => Some(()),
        }
    }
}

/// The tags of a user record, in order.
///
/// Made from a slice to be written, or found in a user record that was read.
///
/// ```
/// use kinesis_agg_codec::{RecordTag, RecordTags};
///
/// let tags = [RecordTag { key: "unit".into(), value: Some("C".into()) }];
/// assert!(RecordTags::from(&tags[..]).eq(tags));
/// ```
#[derive(Clone, Debug)]
pub struct RecordTags<'buf>(Source<'buf>);

#[derive(Clone, Debug)]
enum Source<'buf> {
    Listed(core::slice::Iter<'buf, RecordTag<'buf>>),
    /// A checked record, from its first tag on, and how to read it: a writer
    /// that is given listed tags only does not carry the reader's code along.
    Record(&'buf [u8], ReadNext),
}

type ReadNext = for<'buf> fn(&'buf [u8]) -> Option<(RecordTag<'buf>, &'buf [u8])>;

impl<'buf> RecordTags<'buf> {
    /// The tags of a checked record, from its first tag on.
    pub(crate) fn in_record(checked: &'buf [u8]) -> Self {
        Self(Source::Record(checked, |rest| {
            let mut fields = Fields::new(rest, 0);
            // The record was checked, so there is no fault to lose.
            let tag = RecordTag::next_of(&mut fields);
            Some((tag.ok().flatten()?, fields.rest()))
        }))
    }

    /// Reads tags as they stand in a record, one `tags` field after the other;
    /// other fields between them are passed over.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as for the fields of a record; offsets count from the
    /// start of `fields`.
    pub fn parse(fields: &'buf [u8]) -> Result<Self, DecodeError> {
        let mut read = Fields::new(fields, 0);
        loop {
            match RecordTag::next_of(&mut read) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Self::in_record(fields)),
                Err(fault) => return Err(read.error(fault, 0)),
            }
        }
    }

    /// The bytes that [`parse`](Self::parse) reads, if the tags were found in a
    /// record: the part of it from its first tag on, or none of it.
    #[must_use]
    pub fn as_encoded(&self) -> Option<&'buf [u8]> {
        match &self.0 {
            Source::Listed(_) => None,
            Source::Record(rest, _) => Some(rest),
        }
    }

    /// True if there are no tags (left).
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Source::Listed(tags) => tags.len() == 0,
            Source::Record(..) => self.clone().next().is_none(),
        }
    }

    /// Bytes that they take in a record.
    #[inline]
    pub(crate) fn encoded_len(&self) -> u32 {
        match &self.0 {
            Source::Listed(tags) if tags.len() == 0 => 0,
            _ => self.encoded_len_of_some(),
        }
    }

    // Not inlined: user records have no tags as a rule.
    #[inline(never)]
    fn encoded_len_of_some(&self) -> u32 {
        self.clone()
            .fold(0, |len: u32, tag| len.saturating_add(tag.encoded_len()))
    }
}

impl Default for RecordTags<'_> {
    /// No tags.
    fn default() -> Self {
        Self::from(&[][..])
    }
}

impl<'buf> From<&'buf [RecordTag<'buf>]> for RecordTags<'buf> {
    fn from(tags: &'buf [RecordTag<'buf>]) -> Self {
        Self(Source::Listed(tags.iter()))
    }
}

impl<'buf> Iterator for RecordTags<'buf> {
    type Item = RecordTag<'buf>;

    fn next(&mut self) -> Option<RecordTag<'buf>> {
        match &mut self.0 {
            Source::Listed(tags) => tags.next().copied(),
            Source::Record(rest, read_next) => {
                let (tag, behind) = read_next(rest)?;
                *rest = behind;
                Some(tag)
            }
        }
    }
}

impl core::iter::FusedIterator for RecordTags<'_> {}
