//! A histogram of durations.

use core::time::Duration;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The upper bounds of all buckets except the last, which has none.
const BOUNDS: [Duration; 17] = [
    ms(1),
    ms(2),
    ms(5),
    ms(10),
    ms(20),
    ms(50),
    ms(100),
    ms(200),
    ms(500),
    ms(1_000),
    ms(2_000),
    ms(5_000),
    ms(10_000),
    ms(20_000),
    ms(30_000),
    ms(60_000),
    ms(300_000),
];

/// A histogram of durations with fixed buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BOUNDS.len().saturating_add(1)],
    sum: Duration,
}

impl Histogram {
    /// Returns the buckets in ascending order: the inclusive upper bound of each
    /// (`None` for the last, which has none), and how many durations are in it.
    /// Counts are not cumulative.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let bounds = BOUNDS.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts)
    }

    /// Returns the number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Returns the sum of all durations.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        self.sum
    }

    /// Returns the upper bound of the bucket that contains the given percentile.
    /// `None` if the histogram is empty or that bucket has no bound.
    #[must_use]
    pub fn percentile(&self, percent: u32) -> Option<Duration> {
        let wanted = u128::from(self.count()).saturating_mul(u128::from(percent.min(100)));
        let mut seen = 0_u128;
        for (bound, count) in self.buckets() {
            seen = seen.saturating_add(u128::from(count));
            if seen > 0 && seen.saturating_mul(100) >= wanted {
                return bound;
            }
        }
        None
    }

    /// Counts a duration.
    pub(super) fn record(&mut self, time: Duration) {
        self.record_many(time, 1);
    }

    /// Counts `count` equal durations.
    pub(super) fn record_many(&mut self, time: Duration, count: usize) {
        let factor = u32::try_from(count).unwrap_or(u32::MAX);
        self.sum = self.sum.saturating_add(time.saturating_mul(factor));
        let place = BOUNDS.partition_point(|bound| *bound < time);
        if let Some(counted) = self.counts.get_mut(place) {
            *counted = counted.saturating_add(u64::from(factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_in_the_first_bucket_that_has_it() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.count(), histogram.percentile(50)), (0, None));
        for time in [
            ms(0),
            ms(1),
            Duration::from_micros(1_001),
            ms(5),
            ms(400_000),
        ] {
            histogram.record(time);
        }
        let counts: Vec<_> = histogram
            .buckets()
            .filter(|(_, count)| *count > 0)
            .collect();
        let expected = [
            (Some(ms(1)), 2),
            (Some(ms(2)), 1),
            (Some(ms(5)), 1),
            (None, 1),
        ];
        assert_eq!(counts, expected);
        assert_eq!(histogram.sum(), Duration::from_micros(400_007_001));
        let percentiles = [0, 40, 41, 80, 81, 100].map(|percent| histogram.percentile(percent));
        let (one, two, five) = (Some(ms(1)), Some(ms(2)), Some(ms(5)));
        assert_eq!(percentiles, [one, one, two, five, None, None]);
    }
}
