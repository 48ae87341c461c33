//! Callbacks for everything in Kinesis records that is not delivered.

use crate::kinesis_record::EnclosingRecord;
use crate::read::delivered::{Delivered, Outcome};

/// Receives each Kinesis record that is read, and each user record that a filter leaves
/// out. Both methods do nothing by default.
///
/// ```
/// use kinesis_agg::read::{Delivered, Observer};
/// use kinesis_agg::{Deaggregator, EnclosingRecord, KinesisRecord, Outcome};
///
/// /// Counts aggregates without user records, and reports what is left out.
/// #[derive(Default)]
/// struct Log {
///     empty_count: usize,
/// }
///
/// impl Observer for Log {
///     fn on_kinesis_record<R: EnclosingRecord>(&mut self, _: usize, _: &R, outcome: Outcome) {
///         if let Outcome::Aggregated { record_count: 0 } = outcome {
///             self.empty_count += 1;
///         }
///     }
///
///     fn on_left_out<R: EnclosingRecord>(&mut self, left_out: &Delivered<'_, R>) {
///         eprintln!("left out: {:?}", left_out.partition_key());
///     }
/// }
///
/// # let records: [KinesisRecord; 0] = [];
/// let mut deaggregator = Deaggregator::new().with_observer(Log::default());
/// for user_record in deaggregator.deaggregate(&records) {
///     println!("{:?}", user_record.data());
/// }
/// println!("{} empty aggregates", deaggregator.observer().empty_count);
/// ```
pub trait Observer {
    /// Called with the index, the Kinesis record and its outcome, before any of its user
    /// records is delivered. Not called for a Kinesis record that is skipped without
    /// being parsed, because all of it is before the checkpoint.
    fn on_kinesis_record<R: EnclosingRecord>(
        &mut self,
        record_index: usize,
        record: &R,
        outcome: Outcome,
    ) {
        let _unused = (record_index, record, outcome);
    }

    /// Called with each user record that the
    /// [`HashKeyFilter`](crate::HashKeyFilter) leaves out, and with each
    /// malformed Kinesis record that
    /// [`MalformedPolicy::LeaveOut`](crate::read::MalformedPolicy::LeaveOut)
    /// leaves out, in order.
    fn on_left_out<R: EnclosingRecord>(&mut self, left_out: &Delivered<'_, R>) {
        let _unused = left_out;
    }
}

/// Ignores everything.
impl Observer for () {}
