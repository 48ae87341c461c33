//! The schema (`proto/aggregated_record.proto`): the tag of each field.

use crate::wire::field::{self, WireType};

/// `AggregatedRecord.partition_key_table`
pub(crate) const PARTITION_KEY: u32 = field::tag(1, WireType::LengthDelimited);
/// `AggregatedRecord.explicit_hash_key_table`
pub(crate) const EXPLICIT_HASH_KEY: u32 = field::tag(2, WireType::LengthDelimited);
/// `AggregatedRecord.records`
pub(crate) const RECORD: u32 = field::tag(3, WireType::LengthDelimited);
/// `Record.partition_key_index`
pub(crate) const PARTITION_KEY_INDEX: u32 = field::tag(1, WireType::Varint);
/// `Record.explicit_hash_key_index`
pub(crate) const EXPLICIT_HASH_KEY_INDEX: u32 = field::tag(2, WireType::Varint);
/// `Record.data`
pub(crate) const DATA: u32 = field::tag(3, WireType::LengthDelimited);
/// `Record.tags`
pub(crate) const RECORD_TAG: u32 = field::tag(4, WireType::LengthDelimited);
/// `Tag.key`
pub(crate) const TAG_KEY: u32 = field::tag(1, WireType::LengthDelimited);
/// `Tag.value`
pub(crate) const TAG_VALUE: u32 = field::tag(2, WireType::LengthDelimited);

/// Which of the two key tables a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Partition,
    ExplicitHash,
}

impl KeyKind {
    /// The tag of the fields that make up the table.
    pub(crate) const fn tag(self) -> u32 {
        match self {
            Self::Partition => PARTITION_KEY,
            Self::ExplicitHash => EXPLICIT_HASH_KEY,
        }
    }

    /// The table that a field with this tag belongs to, if it is a key.
    pub(crate) const fn of_tag(tag: u32) -> Option<Self> {
        match tag {
            PARTITION_KEY => Some(Self::Partition),
            EXPLICIT_HASH_KEY => Some(Self::ExplicitHash),
            _ => None,
        }
    }
}
