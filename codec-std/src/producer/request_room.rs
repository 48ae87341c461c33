//! The room that is left in a request.

use crate::producer::sealed::Sealed;
use crate::producer::settings::ProducerSettings;

/// About how many bytes one call copies and digests for a request: a few
/// milliseconds of work.
const MAX_WORK: usize = 1 << 20;

/// The cost of adding a user record besides its content, as the number of bytes
/// that could be copied and digested in that time.
const WORK_BESIDE: usize = 100;

/// The room that is left in a request.
pub(super) struct RequestRoom {
    max_count: usize,
    max_len: usize,
    count: usize,
    len: usize,
    work: usize,
}

impl RequestRoom {
    pub(super) const fn new(settings: &ProducerSettings) -> Self {
        Self {
            max_count: settings.max_request_count,
            max_len: settings.max_request_len,
            count: 0,
            len: 0,
            work: 0,
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.count >= self.max_count || self.work >= MAX_WORK
    }

    /// Returns true if the Kinesis record fits. One that is larger than the limit
    /// of a request fits in an empty one.
    pub(super) fn has_room<T>(&self, sealed: &Sealed<T>) -> bool {
        let len = self.len.saturating_add(sealed.record.len());
        self.count == 0 || len <= self.max_len && self.count < sealed.max_company
    }

    pub(super) fn add<T>(&mut self, sealed: &Sealed<T>) {
        self.count = self.count.saturating_add(1);
        self.len = self.len.saturating_add(sealed.record.len());
        self.max_count = self.max_count.min(sealed.max_company);
    }

    /// Adds the work of making an aggregate.
    pub(super) fn add_work<T>(&mut self, sealed: &Sealed<T>) {
        let beside = sealed.pushed.len().saturating_mul(WORK_BESIDE);
        let work = sealed.record.len().saturating_add(beside);
        self.work = self.work.saturating_add(work);
    }
}
