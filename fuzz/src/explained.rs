//! The rules of the format by which another decoder may read a message differently.
//!
//! Each rule recognizes its condition in a message and can remove it without changing
//! anything else. Both decoders must then agree on the repaired message, so a rule
//! cannot hide an unrelated disagreement.

use std::collections::BTreeSet;

use kinesis_agg_codec::limits::{MAX_NESTING, MAX_TAG_LEN, MAX_VARINT_LEN};
use kinesis_agg_tests::wire;

/// A rule of the format that not every decoder shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Explained {
    /// "Varint longer than needed, up to 10 bytes: valid; spare bits of the
    /// tenth byte dropped for values." Others reject them. Repair: clears the
    /// bits.
    SpareBitsOfTenthByte,
    /// "Tag beyond 32 bits: malformed." Others drop the bits. Repair: clears the
    /// bits.
    TagBeyond32Bits,
    /// "Tag in more than 5 bytes: malformed." Others accept it. Repair: encodes
    /// the tag in as few bytes as possible.
    TagBeyondFiveBytes,
    /// "Length that does not fit: malformed." Others drop the bits that do not fit
    /// in their integers. Repair: clears the bits.
    LengthThatDoesNotFit,
    /// "Field number 0: malformed." Others skip the field. Repair: gives it another
    /// unknown number.
    FieldNumberZero,
    /// "Unknown fields, groups too: skipped." Others reject groups. Repair: removes
    /// the group.
    Group,
    /// "Groups nested up to 100 levels." Others reject a field in the innermost
    /// one. Repair: removes the field.
    FieldInInnermostGroup,
    /// "Known field number with another wire type: an unknown field." Others
    /// reject it. Repair: removes the field.
    OtherWireType,
}

impl Explained {
    /// Returns true if the rule makes a message malformed that others accept.
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

/// A message from which the conditions of some rules were removed.
#[derive(Debug)]
pub struct Repaired {
    /// The message.
    pub message: Vec<u8>,
    /// The rules whose conditions were found and removed.
    pub found: BTreeSet<Explained>,
    /// Whether the message has no other structural fault.
    pub is_whole: bool,
}

/// Removes the conditions of these rules from a message. From the first other fault
/// on, the message is left unchanged.
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

/// The kind of message, which decides the known field numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Top,
    Record,
    Tag,
}

impl Level {
    /// Returns the wire type of a known field number.
    fn wire_type(self, field_number: u64) -> Option<u64> {
        match (self, field_number) {
            (Self::Top, 1..=3) | (Self::Record, 3 | 4) | (Self::Tag, 1 | 2) => Some(2),
            (Self::Record, 1 | 2) => Some(0),
            _ => None,
        }
    }

    /// Returns the kind of message in a field, if the field holds a message.
    fn message(self, field_number: u64) -> Option<Self> {
        match (self, field_number) {
            (Self::Top, 3) => Some(Self::Record),
            (Self::Record, 4) => Some(Self::Tag),
            _ => None,
        }
    }

    /// Returns the number of messages that enclose this one.
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

/// A repaired field and the input after it.
struct Field<'a> {
    repaired: Vec<u8>,
    rest: &'a [u8],
    /// The field number, if this ends a group.
    ended: Option<u64>,
    is_whole: bool,
}

/// A varint as it is encoded in the input.
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
    /// Records the condition and returns true if it may be removed.
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

    /// Repairs a field. `level` is `None` in a group; `depth` counts the messages and
    /// groups around the field. Returns `None` at a fault.
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
        // The number is known, but with another wire type.
        if known.is_some() && !is_known && self.removes(Explained::OtherWireType) {
            return whole(Vec::new(), rest);
        }
        let in_innermost = level.is_none() && depth == MAX_NESTING && wire_type != 3;
        if in_innermost && self.removes(Explained::FieldInInnermostGroup) {
            return whole(Vec::new(), rest);
        }
        whole(repaired, rest)
    }

    /// Repairs a group after its start tag, up to and including its end tag.
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

    /// Returns the repaired tag, its value, and the rest of the input.
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

    /// Returns the repaired length, its value, and the rest of the input.
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
