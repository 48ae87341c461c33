//! The totals over many Kinesis records.

use alloc::borrow::Cow;

use kinesis_agg::codec::{AggregatedRecord, Parsed, ReadSlot};
use kinesis_agg::lambda::{EventRecord, JsonFields};
use kinesis_agg::read::{KeyBytes, PlainReason};
use kinesis_agg::{EnclosingRecord as _, HashKey};
use serde::Serialize;

use crate::commands::deaggregate::fields_of;
use crate::diagnosis::search::Budget;
use crate::diagnosis::{Diagnosis, Verdict, VerdictCounts, is_nested};
use crate::render::chart::Histogram;
use crate::render::hash_key_ranges::RangeShares;
use crate::render::partition_keys::PartitionKeys;
use crate::render::text::wide;

/// Everything that is counted.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Totals {
    pub(crate) kinesis_records: u64,
    pub(crate) aggregated_without_user_records: u64,
    /// Aggregates with user records of several ranges, or of none.
    #[serde(skip)]
    pub(crate) spread: u64,
    plain: Plain,
    #[serde(skip)]
    pub(crate) verdicts: VerdictCounts,
    /// User records in aggregates that are aggregates themselves.
    #[serde(skip)]
    pub(crate) aggregated_twice: u64,
    /// Kinesis records that `verify` calls bad, including unreadable ones.
    pub(crate) bad: u64,
    /// Bytes of data in all Kinesis records.
    pub(crate) bytes: u64,
    pub(crate) user_records_in_aggregate: Histogram,
    pub(crate) user_record_bytes: Histogram,
    pub(crate) key_bytes: KeyLen,
    #[serde(skip)]
    pub(crate) partition_keys: PartitionKeys,
    #[serde(skip)]
    pub(crate) ranges: RangeShares,
    /// User records whose partition key is not in the input.
    pub(crate) user_records_without_partition_key: u64,
    #[serde(skip)]
    slots: Vec<ReadSlot>,
    #[serde(skip)]
    budget: Budget,
}

/// Plain records, by reason.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Plain {
    no_magic: u64,
    too_short: u64,
    digest_mismatch: u64,
}

/// Bytes of the keys in aggregates.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyLen {
    /// With key tables, as they are.
    pub(crate) in_tables: u64,
    /// If each user record held its own keys.
    pub(crate) without_tables: u64,
}

impl Totals {
    pub(crate) fn new(ranges: RangeShares) -> Self {
        Self {
            ranges,
            ..Self::default()
        }
    }

    /// Counts an input that is not a Kinesis record.
    pub(crate) fn add_unreadable(&mut self) {
        self.kinesis_records = self.kinesis_records.saturating_add(1);
        self.bad = self.bad.saturating_add(1);
        self.verdicts.add(Verdict::Unreadable);
    }

    /// Counts a Kinesis record.
    pub(crate) fn add(&mut self, record: &EventRecord) {
        let data = record.data();
        self.kinesis_records = self.kinesis_records.saturating_add(1);
        self.bytes = self.bytes.saturating_add(wide(data.len()));
        let diagnosis = Diagnosis::of(data, &mut self.budget);
        self.bad = self.bad.saturating_add(u64::from(diagnosis.is_bad));
        self.verdicts.add(diagnosis.verdict);
        let plain = match diagnosis.parsed {
            Ok(Parsed::Aggregated(aggregated)) => return self.add_aggregate(&aggregated),
            Ok(Parsed::Plain(PlainReason::NoMagic)) => &mut self.plain.no_magic,
            Ok(Parsed::Plain(PlainReason::TooShort)) => &mut self.plain.too_short,
            Ok(Parsed::Plain(PlainReason::DigestMismatch)) => &mut self.plain.digest_mismatch,
            Err(_) => return,
        };
        *plain = plain.saturating_add(1);
        let fields = fields_of(record);
        let [partition_key, explicit_hash_key] =
            ["partitionKey", "explicitHashKey"].map(|name| text(&fields, name));
        let explicit_hash_key = explicit_hash_key.as_deref().map(KeyBytes::from);
        let partition_key = partition_key.as_deref().map(KeyBytes::from);
        self.add_user_record(partition_key, explicit_hash_key, data.len());
    }

    fn add_aggregate(&mut self, aggregated: &AggregatedRecord<'_>) {
        let records = wide(aggregated.record_count());
        if records == 0 {
            self.aggregated_without_user_records =
                self.aggregated_without_user_records.saturating_add(1);
        }
        self.user_records_in_aggregate.add(records);
        let keys = aggregated
            .partition_keys()
            .chain(aggregated.explicit_hash_keys());
        for key in keys {
            let len = wide(key.as_bytes().len());
            self.key_bytes.in_tables = self.key_bytes.in_tables.saturating_add(len);
        }
        let mut slots = core::mem::take(&mut self.slots);
        slots.resize(aggregated.key_count(), ReadSlot::default());
        let mut user_records = aggregated.user_records_in(slots);
        let mut first_range = None;
        let mut is_spread = false;
        let mut twice: u64 = 0;
        for user_record in &mut user_records {
            let partition_key = user_record.partition_key();
            let explicit_hash_key = user_record.explicit_hash_key();
            for key in explicit_hash_key.iter().chain([&partition_key]) {
                let len = wide(key.as_bytes().len());
                let sum = &mut self.key_bytes.without_tables;
                *sum = sum.saturating_add(len);
            }
            let data_len = user_record.data().len();
            let range = self.add_user_record(Some(partition_key), explicit_hash_key, data_len);
            twice = twice.saturating_add(u64::from(is_nested(user_record.data())));
            is_spread |= range.is_none() || *first_range.get_or_insert(range) != range;
        }
        self.spread = self.spread.saturating_add(u64::from(is_spread));
        self.aggregated_twice = self.aggregated_twice.saturating_add(twice);
        self.slots = user_records.into_slots();
    }

    /// Counts a user record, and returns the place of its range if that is known.
    fn add_user_record(
        &mut self,
        partition_key: Option<KeyBytes<'_>>,
        explicit_hash_key: Option<KeyBytes<'_>>,
        data_len: usize,
    ) -> Option<usize> {
        self.user_record_bytes.add(wide(data_len));
        let ranges = &self.ranges;
        let range_of =
            |key: KeyBytes<'_>| ranges.place_of(HashKey::of_partition_key(key.as_bytes()));
        let keys = &mut self.partition_keys;
        let of_partition_key = partition_key.map(|key| keys.add(key, data_len, range_of));
        let range = match (explicit_hash_key, of_partition_key) {
            (Some(text), _) => {
                let hash_key = HashKey::from_decimal(text.as_bytes()).ok();
                hash_key.map(|hash_key| self.ranges.place_of(hash_key))
            }
            (None, Some(range)) => Some(range),
            (None, None) => {
                let unknown = &mut self.user_records_without_partition_key;
                *unknown = unknown.saturating_add(1);
                return None;
            }
        };
        self.ranges.add(range, data_len);
        range
    }
}

/// Returns a field's value if it is a string.
fn text<'a>(fields: &'a JsonFields<'_>, name: &str) -> Option<Cow<'a, str>> {
    fields.string(name).ok().flatten()
}
