//! What the service counts when it bills what is put.
//!
//! Source: <https://aws.amazon.com/kinesis/data-streams/pricing/>. In provisioned
//! mode a PUT payload unit is a chunk of a record; in on-demand mode the size of
//! each record is rounded up. Partition keys are not counted here: the page
//! calls the data a record. A record without data is counted as one unit of
//! each, of which the page says nothing.

use serde::Serialize;

use crate::text::{count, difference, grouped, wide};

/// Bytes of a PUT payload unit (provisioned mode).
const PUT_PAYLOAD_UNIT_LEN: u64 = 25 << 10;

/// Bytes to whose multiple a record is rounded up (on-demand mode).
const ON_DEMAND_UNIT_LEN: u64 = 1 << 10;

/// What is billed for some Kinesis records.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bill {
    kinesis_records: u64,
    put_payload_units: u64,
    on_demand_bytes: u64,
}

impl Bill {
    /// Adds a Kinesis record with this much data.
    pub(crate) fn add(&mut self, data_len: usize) {
        let len = wide(data_len).max(1);
        let units = len.div_ceil(PUT_PAYLOAD_UNIT_LEN);
        let rounded = len.div_ceil(ON_DEMAND_UNIT_LEN);
        let rounded = rounded.saturating_mul(ON_DEMAND_UNIT_LEN);
        self.kinesis_records = self.kinesis_records.saturating_add(1);
        self.put_payload_units = self.put_payload_units.saturating_add(units);
        self.on_demand_bytes = self.on_demand_bytes.saturating_add(rounded);
    }
}

/// What was put, beside what would be if each user record were put by itself.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Savings {
    pub(crate) put: Bill,
    pub(crate) user_records_alone: Bill,
}

impl Savings {
    /// A line for each thing that is counted.
    pub(crate) fn lines(&self) -> [String; 3] {
        let Self {
            put,
            user_records_alone: alone,
        } = self;
        let kb = |bytes: u64| grouped(bytes / ON_DEMAND_UNIT_LEN);
        [
            format!(
                "{} instead of {}",
                count(put.kinesis_records, "Kinesis record"),
                grouped(alone.kinesis_records)
            ),
            format!(
                "{} instead of {}: {} (provisioned)",
                count(put.put_payload_units, "PUT payload unit"),
                grouped(alone.put_payload_units),
                difference(put.put_payload_units, alone.put_payload_units)
            ),
            format!(
                "{} KB instead of {} KB billed: {} (on demand)",
                kb(put.on_demand_bytes),
                kb(alone.on_demand_bytes),
                difference(put.on_demand_bytes, alone.on_demand_bytes)
            ),
        ]
    }

    /// How that is counted, and who says so.
    pub(crate) fn rule() -> [String; 2] {
        [
            format!(
                "billed: {} KB of a record a unit; on demand, each record up to the next KB",
                PUT_PAYLOAD_UNIT_LEN >> 10
            ),
            "(https://aws.amazon.com/kinesis/data-streams/pricing/)".to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_billed_as_the_pricing_page_tells() {
        // The page's examples: 5 KB, 45 KB; 4.5 KB counts as 5 on demand.
        for (len, units, kb) in [
            (5 << 10, 1, 5),
            (45 << 10, 2, 45),
            (4608, 1, 5),
            (0, 1, 1),
            (1, 1, 1),
            (25 << 10, 1, 25),
            ((25 << 10) + 1, 2, 26),
        ] {
            let mut bill = Bill::default();
            bill.add(len);
            assert_eq!(
                (bill.put_payload_units, bill.on_demand_bytes),
                (units, kb << 10),
                "{len}"
            );
        }
    }
}
