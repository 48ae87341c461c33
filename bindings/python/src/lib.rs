//! The Python package `kinesis_agg`: conversions between Python objects and the
//! types of the crate `kinesis-agg`, which contains all logic.
//!
//! ```text
//! lib -> event_records, deaggregate -> feed -> record -> text, errors
//!        agg_record, aggregator, sharded -> aggregate -> text, errors
//!        record_aggregator -> agg_record, aggregator -> spare
//! ```

mod agg_record;
mod aggregate;
mod aggregator;
mod deaggregate;
mod errors;
mod event_records;
mod feed;
mod record;
mod record_aggregator;
mod sharded;
mod spare;
mod text;

use pyo3::prelude::*;

/// Kinesis aggregated records (the KPL format), in Rust.
#[pymodule(gil_used = false)]
mod _native {
    use kinesis_agg::codec::{MAGIC, limits};
    use pyo3::prelude::*;
    use pyo3::types::PyBytes;

    #[pymodule_export]
    use crate::agg_record::AggRecord;
    #[pymodule_export]
    use crate::aggregate::Aggregate;
    #[pymodule_export]
    use crate::aggregator::Aggregator;
    #[pymodule_export]
    use crate::deaggregate::{Deaggregated, UserRecord, deaggregate};
    #[pymodule_export]
    use crate::errors::{MalformedRecordError, RejectedError};
    #[pymodule_export]
    use crate::event_records::EventRecords;
    #[pymodule_export]
    use crate::record_aggregator::RecordAggregator;
    #[pymodule_export]
    use crate::sharded::ShardedAggregator;
    #[pymodule_export]
    use crate::text::hash_key;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("MAGIC", PyBytes::new(module.py(), &MAGIC))?;
        module.add("DIGEST_SIZE", limits::DIGEST_LEN)?;
        module.add("MAX_BYTES_PER_RECORD", limits::DEFAULT_MAX_SIZE)
    }
}
