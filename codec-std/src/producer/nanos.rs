//! A time that takes half of the memory of a `Duration`.

use core::time::Duration;

/// A time in nanoseconds. A time of 584 years or more is stored as
/// [`Duration::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nanos(u64);

impl Nanos {
    #[inline]
    pub(super) const fn duration(self) -> Duration {
        match self.0 {
            u64::MAX => Duration::MAX,
            nanos => Duration::from_nanos(nanos),
        }
    }
}

impl From<Duration> for Nanos {
    #[inline]
    fn from(time: Duration) -> Self {
        let nanos = time.as_secs().checked_mul(1_000_000_000);
        let nanos = nanos.and_then(|nanos| nanos.checked_add(u64::from(time.subsec_nanos())));
        Self(nanos.unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_exactly_and_very_late_ones_never_come() {
        for time in [
            Duration::ZERO,
            Duration::new(7, 999_999_999),
            Duration::from_nanos(u64::MAX - 1),
            Duration::MAX,
        ] {
            assert_eq!(Nanos::from(time).duration(), time);
        }
        let late = Duration::from_secs(u64::MAX / 1_000_000_000 + 1);
        assert_eq!(Nanos::from(late).duration(), Duration::MAX);
    }
}
