//! Why another decoder may read a message differently, each by a rule of the
//! format: where the condition holds, and the message without it.
//!
//! An explanation is no excuse. It says what to change in the message so that
//! the condition is gone and nothing else, and then both decoders have to agree.

use std::collections::BTreeSet;

use kinesis_agg_codec::limits::{MAX_NESTING, MAX_TAG_LEN, MAX_VARINT_LEN};
use kinesis_agg_tests::wire;

/// A rule of the format that not every decoder shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Explained {
    /// "Varint longer than needed, up to 10 bytes: valid; spare bits of the
    /// tenth byte dropped for values." Others refuse them. Without: the bits
    /// are cleared.
    SpareBitsOfTenthByte,
    /// "Tag beyond 32 bits: malformed." Others drop the bits. Without: the bits
    /// are cleared.
    TagBeyond32Bits,
    /// "Tag in more than 5 bytes: malformed." Others take it. Without: the tag
    /// takes as few bytes as it can.
    TagBeyondFiveBytes,
    /// "Length that does not fit: malformed." Others drop the bits that their
    /// integers do not have. Without: the bits are cleared.
    LengthThatDoesNotFit,
    /// "Field number 0: malformed." Others skip the field. Without: it has
    /// another number that nobody knows.
    FieldNumberZero,
    /// "Unknown fields, groups too: skipped." Others refuse groups. Without:
    /// the group is gone.
    Group,
    /// "Groups nested up to 100 levels." Others refuse a field in the innermost
    /// one. Without: the field is gone.
    FieldInInnermostGroup,
    /// "Known field number with another wire type: an unknown field." Others
    /// refuse it. Without: the field is gone.
    OtherWireType,
}

impl Explained {
    /// The rule makes a message malformed that others read.
    #[must_use]
    pub fn is_stricter(self) -> bool {
        matches!(
            self,
            Self::TagBeyond32Bits
                | Self::TagBeyondFiveBytes
                | Self::LengthThatDoesNotFit
                | Self::FieldNumberZero
        )
    }
}

/// A message without what explanations are for.
#[derive(Debug)]
pub struct Repaired {
    /// The message.
    pub message: Vec<u8>,
    /// What was found and removed.
    pub found: BTreeSet<Explained>,
    /// The message has no structural fault but those that were removed.
    pub is_whole: bool,
}

/// Removes from a message what these explanations are for. From the first other
/// fault on it stays as it is.
#[must_use]
pub fn repair(message: &[u8], explanations: &[Explained]) -> Repaired {
    let mut repair = Repair {
        explanations,
        found: BTreeSet::new(),
    };
    let (message, is_whole) = repair.message(message, Level::Top);
    Repaired {
        message,
        found: repair.found,
        is_whole,
    }
}

/// Whose field numbers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Top,
    Record,
    Tag,
}

impl Level {
    /// The wire type that a field number is known with.
    fn wire_type(self, field_number: u64) -> Option<u64> {
        match (self, field_number) {
            (Self::Top, 1..=3) | (Self::Record, 3 | 4) | (Self::Tag, 1 | 2) => Some(2),
            (Self::Record, 1 | 2) => Some(0),
            _ => None,
        }
    }

    /// What is in the field, if that is a message.
    fn message(self, field_number: u64) -> Option<Self> {
        match (self, field_number) {
            (Self::Top, 3) => Some(Self::Record),
            (Self::Record, 4) => Some(Self::Tag),
            _ => None,
        }
    }

    /// How many messages enclose its fields.
    fn depth(self) -> usize {
        match self {
            Self::Top => 0,
            Self::Record => 1,
            Self::Tag => 2,
        }
    }
}

struct Repair<'e> {
    explanations: &'e [Explained],
    found: BTreeSet<Explained>,
}

/// A field as it shall be, and what follows it.
struct Field<'a> {
    repaired: Vec<u8>,
    rest: &'a [u8],
    /// The number, if this ends a group.
    ended: Option<u64>,
    is_whole: bool,
}

/// A varint as it stands there.
struct Varint<'a> {
    bytes: &'a [u8],
    value: u128,
    rest: &'a [u8],
}

fn varint(input: &[u8]) -> Option<Varint<'_>> {
    let longest = usize::from(MAX_VARINT_LEN).min(input.len());
    let len = 1 + input[..longest].iter().position(|byte| byte & 0x80 == 0)?;
    let (bytes, rest) = input.split_at(len);
    let value = bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 7 | u128::from(byte & 0x7f));
    Some(Varint { bytes, value, rest })
}

fn low_bits(value: u128, bits: u32) -> u64 {
    u64::try_from(value & ((1 << bits) - 1)).unwrap()
}

impl Repair<'_> {
    /// True if the condition may be removed; then it is noted.
    fn removes(&mut self, explained: Explained) -> bool {
        let may = self.explanations.contains(&explained);
        if may {
            self.found.insert(explained);
        }
        may
    }

    fn message(&mut self, message: &[u8], level: Level) -> (Vec<u8>, bool) {
        let mut repaired = Vec::new();
        let mut rest = message;
        while !rest.is_empty() {
            match self.field(rest, Some(level), level.depth()) {
                Some(field) if field.ended.is_none() => {
                    repaired.extend(field.repaired);
                    rest = field.rest;
                    if !field.is_whole {
                        repaired.extend(rest);
                        return (repaired, false);
                    }
                }
                _ => {
                    repaired.extend(rest);
                    return (repaired, false);
                }
            }
        }
        (repaired, true)
    }

    /// `level`: none in a group. `depth`: messages and groups around the field.
    /// `None` at a fault.
    fn field<'a>(
        &mut self,
        input: &'a [u8],
        level: Option<Level>,
        depth: usize,
    ) -> Option<Field<'a>> {
        let (mut repaired, tag, rest) = self.tag(input)?;
        let (field_number, wire_type) = (tag >> 3, tag & 7);
        let whole = |repaired, rest| {
            Some(Field {
                repaired,
                rest,
                ended: None,
                is_whole: true,
            })
        };
        let known = level.and_then(|level| level.wire_type(field_number));
        let is_known = known == Some(wire_type);
        let rest = match wire_type {
            0 => {
                let value = varint(rest)?;
                if value.value > u128::from(u64::MAX)
                    && self.removes(Explained::SpareBitsOfTenthByte)
                {
                    repaired.extend(&value.bytes[..9]);
                    repaired.push(value.bytes[9] & 1);
                } else {
                    repaired.extend(value.bytes);
                }
                value.rest
            }
            1 => copy(rest, 8, &mut repaired)?,
            5 => copy(rest, 4, &mut repaired)?,
            2 => {
                let (len_bytes, len, rest) = self.len(rest, is_known)?;
                let (body, rest) = rest.split_at_checked(len)?;
                let nested = level.filter(|_| is_known);
                let nested = nested.and_then(|level| level.message(field_number));
                let nested = nested.map(|nested| self.message(body, nested));
                match nested {
                    Some((nested, is_whole)) if nested != body => {
                        repaired.extend(wire::varint(u64::try_from(nested.len()).unwrap()));
                        repaired.extend(nested);
                        return Some(Field {
                            repaired,
                            rest,
                            ended: None,
                            is_whole,
                        });
                    }
                    _ => {}
                }
                repaired.extend(len_bytes);
                repaired.extend(body);
                if let Some((_, false)) = nested {
                    return Some(Field {
                        repaired,
                        rest,
                        ended: None,
                        is_whole: false,
                    });
                }
                rest
            }
            3 => {
                let (group, rest) = self.group(rest, field_number, depth)?;
                if self.removes(Explained::Group) {
                    return whole(Vec::new(), rest);
                }
                repaired.extend(group);
                rest
            }
            4 => {
                return Some(Field {
                    repaired,
                    rest,
                    ended: Some(field_number),
                    is_whole: true,
                });
            }
            _ => return None,
        };
        // Known by its number, and not by its type.
        if known.is_some() && !is_known && self.removes(Explained::OtherWireType) {
            return whole(Vec::new(), rest);
        }
        let in_innermost = level.is_none() && depth == MAX_NESTING && wire_type != 3;
        if in_innermost && self.removes(Explained::FieldInInnermostGroup) {
            return whole(Vec::new(), rest);
        }
        whole(repaired, rest)
    }

    /// A group behind its first tag, its last tag included.
    fn group<'a>(
        &mut self,
        input: &'a [u8],
        started: u64,
        depth: usize,
    ) -> Option<(Vec<u8>, &'a [u8])> {
        if depth >= MAX_NESTING {
            return None;
        }
        let mut repaired = Vec::new();
        let mut rest = input;
        loop {
            let field = self.field(rest, None, depth + 1)?;
            repaired.extend(field.repaired);
            rest = field.rest;
            match field.ended {
                None => {}
                Some(ended) if ended == started => return Some((repaired, rest)),
                Some(_) => return None,
            }
        }
    }

    /// A tag as it shall be, its value, and what follows.
    fn tag<'a>(&mut self, input: &'a [u8]) -> Option<(Vec<u8>, u64, &'a [u8])> {
        let tag = varint(input)?;
        let mut value = low_bits(tag.value, 32);
        let is_wide = tag.value != u128::from(value);
        let is_long = tag.bytes.len() > usize::from(MAX_TAG_LEN);
        if is_wide && !self.removes(Explained::TagBeyond32Bits) {
            return None;
        }
        if is_long && !self.removes(Explained::TagBeyondFiveBytes) {
            return None;
        }
        let mut bytes = tag.bytes.to_vec();
        if is_wide || is_long {
            bytes = wire::varint(value);
        }
        if value < 8 {
            if !matches!(value, 0 | 1 | 2 | 5) || !self.removes(Explained::FieldNumberZero) {
                return None;
            }
            value |= 15 << 3;
            bytes = wire::varint(value);
        }
        Some((bytes, value, tag.rest))
    }

    /// A length as it shall be, its value, and what follows.
    fn len<'a>(&mut self, input: &'a [u8], is_known: bool) -> Option<(Vec<u8>, usize, &'a [u8])> {
        let len = varint(input)?;
        let value = low_bits(len.value, if is_known { 32 } else { 64 });
        let mut bytes = len.bytes.to_vec();
        if u128::from(value) != len.value {
            if !self.removes(Explained::LengthThatDoesNotFit) {
                return None;
            }
            bytes = wire::varint(value);
        }
        Some((bytes, usize::try_from(value).ok()?, len.rest))
    }
}

fn copy<'a>(input: &'a [u8], len: usize, to: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (value, rest) = input.split_at_checked(len)?;
    to.extend(value);
    Some(rest)
}
