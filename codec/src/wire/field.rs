//! Reading the fields of a message, and skipping those that the schema does not have.

use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::{MAX_NESTING, MAX_TAG_LEN, MAX_VARINT_LEN};
use crate::wire::fault::Fault;
use crate::wire::num::Num as _;
use crate::wire::varint::{self, VarintError};

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

/// Reads the fields of a message and of the messages in it, one after the other.
///
/// The field that was read last is stored here, also for [`error`](Self::error): returning it
/// would copy it at every level. Entering a nested message changes two offsets, so nesting
/// needs no second reader. Offsets count from the start of the outermost message; only those of
/// `error` count from the start of the blob.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'buf> {
    outermost: &'buf [u8],
    /// Offset of the next field.
    pub(crate) at: usize,
    /// Where the message that is being read ends.
    end: usize,
    pub(crate) tag: u32,
    /// Offset of the tag.
    pub(crate) offset: usize,
    /// Offset of the value or, of a length-delimited field, of its length.
    pub(crate) value_offset: usize,
    /// The value of a varint field, the length of a length-delimited one.
    pub(crate) number: u64,
    /// Where the bytes of a length-delimited field start.
    value_start: usize,
}

impl<'buf> Fields<'buf> {
    /// Reads `outermost` from the offset `at` on.
    pub(crate) fn new(outermost: &'buf [u8], at: usize) -> Self {
        Self {
            outermost,
            at,
            end: outermost.len(),
            tag: 0,
            offset: 0,
            value_offset: 0,
            number: 0,
            value_start: 0,
        }
    }

    /// Reads the next field that is a varint or length-delimited; false at the end of
    /// the message. Fields of other wire types are unknown to the schema and skipped.
    ///
    /// `enclosing` is the number of messages around this one: 0 for the outermost, 1
    /// for a record, 2 for a record's tag.
    #[inline(always)]
    pub(crate) fn next(&mut self, enclosing: usize) -> Result<bool, Fault> {
        match self.find_next(enclosing) {
            Ok(()) => Ok(true),
            Err(Stop::End) => Ok(false),
            Err(Stop::Fault(fault)) => Err(fault),
        }
    }

    /// Reads up to the next field with this tag in the outermost message, which was
    /// checked, so that no fault can occur.
    #[cold]
    #[inline(never)]
    pub(crate) fn next_of(&mut self, tag: u32) -> Option<()> {
        loop {
            self.find_next(0).ok()?;
            if self.tag == tag {
                return Some(());
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn find_next(&mut self, enclosing: usize) -> Result<(), Stop> {
        while self.at < self.end {
            self.read_any().map_err(Stop::Fault)?;
            match self.wire_type() {
                0 | 2 => return Ok(()),
                3 => self.skip_group(enclosing).map_err(Stop::Fault)?,
                4 => return Err(Stop::Fault(Fault::UnexpectedEndGroup)),
                _ => {}
            }
        }
        Err(Stop::End)
    }

    /// Returns the value of the length-delimited field that was read last.
    pub(crate) fn bytes(&self) -> &'buf [u8] {
        self.at_place(self.place_of_bytes())
    }

    /// Returns the place of that value.
    pub(crate) fn place_of_bytes(&self) -> Place {
        Place {
            start: self.value_start,
            end: self.at,
        }
    }

    /// Returns the place from the start of the field that was read last to the end of the
    /// message.
    pub(crate) fn place_to_end(&self) -> Place {
        Place {
            start: self.offset,
            end: self.end,
        }
    }

    /// Enters the message in the field that was read last. The return value is for
    /// [`leave`](Self::leave).
    pub(crate) fn enter(&mut self) -> Outer {
        let outer = Outer {
            end: self.end,
            tag: self.tag,
            offset: self.offset,
        };
        self.end = self.at;
        self.at = self.value_start;
        outer
    }

    /// Leaves a message that was read to its end. Its field is then the one that was
    /// read last.
    pub(crate) fn leave(&mut self, outer: Outer) {
        self.end = outer.end;
        self.tag = outer.tag;
        self.offset = outer.offset;
    }

    /// Returns the unread bytes of the message.
    pub(crate) fn rest(&self) -> &'buf [u8] {
        let rest = self.outermost.get(self.at..self.end);
        rest.unwrap_or_default()
    }

    /// Returns the bytes at this place.
    #[inline(never)]
    pub(crate) fn at_place(&self, place: Place) -> &'buf [u8] {
        let bytes = self.outermost.get(place.start..place.end);
        bytes.unwrap_or_default()
    }

    /// Reads a length and as many bytes, without a tag.
    pub(crate) fn read_bytes(&mut self) -> Result<(), Fault> {
        self.tag = tag(0, WireType::LengthDelimited);
        self.read_value()
    }

    /// Returns the error for `fault`, which the last call returned, in a blob whose outermost
    /// message starts at `start`.
    #[cold]
    pub(crate) fn error(&self, fault: Fault, start: usize) -> DecodeError {
        let mut offset = self.offset;
        let kind = match fault {
            Fault::Truncated => {
                offset = self.end;
                DecodeErrorKind::Truncated
            }
            Fault::TagTooLong => DecodeErrorKind::VarintTooLong { limit: MAX_TAG_LEN },
            Fault::NumberTooLong => DecodeErrorKind::VarintTooLong {
                limit: MAX_VARINT_LEN,
            },
            Fault::InvalidTag => DecodeErrorKind::InvalidTag { tag: self.number },
            Fault::LengthOverrun => DecodeErrorKind::LengthOverrun {
                claimed: self.number,
                available: u64::try_from(self.remaining()).unwrap_or(u64::MAX),
            },
            Fault::UnexpectedEndGroup => DecodeErrorKind::UnexpectedEndGroup {
                field_number: self.field_number(),
            },
            Fault::MismatchedEndGroup => DecodeErrorKind::MismatchedEndGroup {
                started: u32::try_from(self.number).unwrap_or_default(),
                ended: self.field_number(),
            },
            Fault::NestingTooDeep => DecodeErrorKind::NestingTooDeep,
            Fault::Missing(field) => DecodeErrorKind::MissingField { field },
        };
        DecodeError::new(kind, start.plus(offset))
    }

    /// Returns the number of unread bytes in the message.
    fn remaining(&self) -> usize {
        self.end.minus(self.at)
    }

    fn field_number(&self) -> u32 {
        self.tag >> 3
    }

    fn wire_type(&self) -> u32 {
        self.tag & 7
    }

    /// Reads any field. Of a group it reads only the start or the end.
    fn read_any(&mut self) -> Result<(), Fault> {
        self.offset = self.at;
        self.read_number(MAX_TAG_LEN)?;
        match u32::try_from(self.number) {
            Ok(tag @ 8..) if tag & 7 <= 5 => self.tag = tag,
            _ => return Err(Fault::InvalidTag),
        }
        self.read_value()
    }

    fn read_value(&mut self) -> Result<(), Fault> {
        self.value_offset = self.at;
        let wire_type = self.wire_type();
        match wire_type {
            0 | 2 => {
                let overflows = self.read_number(MAX_VARINT_LEN)?;
                if wire_type == 0 {
                    return Ok(());
                }
                if overflows {
                    return Err(Fault::NumberTooLong);
                }
            }
            1 => self.number = 8,
            5 => self.number = 4,
            _ => self.number = 0,
        }
        match usize::try_from(self.number) {
            Ok(len) if len <= self.remaining() => {
                self.value_start = self.at;
                self.at = self.at.plus(len);
                Ok(())
            }
            _ if wire_type == 2 => Err(Fault::LengthOverrun),
            _ => Err(Fault::Truncated),
        }
    }

    /// Reads a varint of at most `limit` bytes. Returns true if it has more than 64 bits.
    #[inline(never)]
    fn read_number(&mut self, limit: u8) -> Result<bool, Fault> {
        match varint::decode(self.rest(), limit) {
            Ok((varint, len)) => {
                self.at = self.at.plus(len);
                self.number = varint.value;
                Ok(varint.overflows)
            }
            Err(VarintError::Truncated) => Err(Fault::Truncated),
            Err(VarintError::TooLong) if limit == MAX_TAG_LEN => Err(Fault::TagTooLong),
            Err(VarintError::TooLong) => Err(Fault::NumberTooLong),
        }
    }

    /// Skips the rest of a group and all groups in it, without recursion: the field
    /// numbers of the open groups are the whole stack. Fields between them are read as
    /// usual.
    // Not inlined: the field numbers would be on the stack of its caller, 0.4 kB.
    #[inline(never)]
    fn skip_group(&mut self, enclosing: usize) -> Result<(), Fault> {
        let mut open = [0_u32; MAX_NESTING];
        let mut depth = 0_usize;
        let limit = MAX_NESTING.saturating_sub(enclosing);
        loop {
            match self.wire_type() {
                3 => {
                    let slot = open.get_mut(depth).filter(|_| depth < limit);
                    *slot.ok_or(Fault::NestingTooDeep)? = self.field_number();
                    depth = depth.saturating_add(1);
                }
                4 => {
                    depth = depth.saturating_sub(1);
                    let started = open.get(depth).copied().unwrap_or_default();
                    if started != self.field_number() {
                        self.number = u64::from(started);
                        return Err(Fault::MismatchedEndGroup);
                    }
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => {}
            }
            self.read_any()?;
        }
    }
}

/// Where some bytes start and end. Empty by default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub(crate) start: usize,
    end: usize,
}

/// The end of an enclosing message, and the field in it that was entered.
#[derive(Debug)]
pub(crate) struct Outer {
    end: usize,
    tag: u32,
    offset: usize,
}

/// Why there is no next field. A `Result` with it takes one byte.
#[derive(Clone, Copy, Debug)]
enum Stop {
    End,
    Fault(Fault),
}
