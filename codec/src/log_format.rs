//! The `defmt::Format` implementations that are not derived: keys are printed as text, data as
//! its length.

use crate::digest::Digest;
use crate::hash_key::{HashKey, HashKeyRange};
use crate::key_bytes::KeyBytes;
use crate::read::aggregated_record::AggregatedRecord;
use crate::read::parsed::Parsed;
use crate::read::user_records::UserRecord;
use crate::write::aggregate::Aggregate;
use crate::write::new_user_record::NewUserRecord;

/// Prints text, with bytes that are not printable ASCII escaped.
impl defmt::Format for KeyBytes<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=[u8]:a}", self.as_bytes());
    }
}

/// Prints decimal digits.
impl defmt::Format for HashKey {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u128}", self.to_u128());
    }
}

impl defmt::Format for HashKeyRange {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "{}..={}",
            self.starting_hash_key(),
            self.ending_hash_key()
        );
    }
}

/// Prints 32 hexadecimal digits.
impl defmt::Format for Digest {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u128:032x}", u128::from_be_bytes(self.to_bytes()));
    }
}

impl defmt::Format for Parsed<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Plain(reason) => defmt::write!(f, "Plain({})", reason),
            Self::Aggregated(aggregated) => defmt::write!(f, "Aggregated({})", aggregated),
        }
    }
}

impl defmt::Format for AggregatedRecord<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "{=usize} user records, {=usize} keys",
            self.record_count(),
            self.key_count()
        );
    }
}

impl defmt::Format for UserRecord<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "key {}, explicit hash key {}, {=usize} bytes",
            self.partition_key(),
            self.explicit_hash_key(),
            self.data().len()
        );
    }
}

impl defmt::Format for NewUserRecord<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "key {}, explicit hash key {}, {=usize} bytes",
            KeyBytes::from(self.partition_key()),
            self.explicit_hash_key(),
            self.data().len()
        );
    }
}

impl defmt::Format for Aggregate<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "{=usize} user records, {=usize} bytes, under {}, explicit hash key {}",
            self.record_count(),
            self.data().len(),
            self.partition_key_bytes(),
            self.explicit_hash_key()
        );
    }
}
