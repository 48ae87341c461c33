//! The time of the next event of each lane.

use alloc::collections::BTreeSet;
use core::time::Duration;

/// Timers: at most one time for each place, and the earliest of them.
///
/// Setting a time is logarithmic in the number of places.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    entries: BTreeSet<(Duration, usize)>,
    /// The time of each place, as in `entries`.
    times: Vec<Option<Duration>>,
}

impl Timers {
    /// Returns timers for `place_count` places, none of which is set.
    pub(crate) fn new(place_count: usize) -> Self {
        Self {
            entries: BTreeSet::new(),
            times: vec![None; place_count],
        }
    }

    /// Sets or clears the time of a place. Places that do not exist are ignored.
    pub(crate) fn set(&mut self, place: usize, at: Option<Duration>) {
        let Some(time) = self.times.get_mut(place) else {
            return;
        };
        if *time == at {
            return;
        }
        if let Some(old) = core::mem::replace(time, at) {
            self.entries.remove(&(old, place));
        }
        self.entries.extend(at.map(|at| (at, place)));
    }

    /// Returns the earliest time.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.entries.first().map(|&(at, _)| at)
    }

    /// Returns the place with the earliest time, if that time is not after `now`.
    pub(crate) fn due(&self, now: Duration) -> Option<usize> {
        let &(at, place) = self.entries.first()?;
        (at <= now).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn setting_a_timer_again_replaces_it_and_the_earliest_is_due_first() {
        let mut timers = Timers::new(3);
        assert_eq!((timers.next(), timers.due(Duration::MAX)), (None, None));
        timers.set(0, Some(ms(30)));
        timers.set(1, Some(ms(20)));
        timers.set(2, Some(ms(10)));
        timers.set(2, Some(ms(40)));
        // There is no such place.
        timers.set(3, Some(ms(1)));
        assert_eq!(timers.next(), Some(ms(20)));
        assert_eq!((timers.due(ms(19)), timers.due(ms(20))), (None, Some(1)));
        timers.set(1, None);
        assert_eq!(timers.due(ms(100)), Some(0));
        timers.set(0, None);
        assert_eq!(timers.due(ms(100)), Some(2));
    }
}
