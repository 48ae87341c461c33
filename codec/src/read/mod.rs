//! Reading: a blob in, user records out.
//!
//! `check` validates the whole message and counts what is in it. Without memory of its own, it
//! cannot store what it read, so iterating over user records reads the records again. It uses
//! the same functions, which cannot fail on a checked message.

pub(crate) mod aggregated_record;
pub(crate) mod check;
pub(crate) mod counts;
pub(crate) mod key_slots;
pub(crate) mod parsed;
pub(crate) mod record;
pub(crate) mod user_records;

#[cfg(feature = "fast")]
pub(crate) mod fast;
/// Without the feature `fast`, the general reader reads every field.
#[cfg(not(feature = "fast"))]
pub(crate) mod fast {
    use crate::read::counts::Counts;
    use crate::read::record::RecordFields;
    use crate::schema::KeyKind;

    pub(crate) fn skip_fields(_message: &[u8], at: usize, _counts: &mut Counts) -> usize {
        at
    }

    pub(crate) fn record(_message: &[u8], _at: usize) -> Option<(RecordFields<'_>, usize)> {
        None
    }

    pub(crate) fn key(_message: &[u8], _at: usize) -> Option<(KeyKind, usize)> {
        None
    }

    pub(crate) fn key_at(_message: &[u8], _len_offset: usize) -> Option<&[u8]> {
        None
    }
}
