//! Random pauses between attempts.

use core::time::Duration;

/// Vigna's SplitMix64, which is good enough for jitter.
#[derive(Debug)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a random time from zero to `longest`.
    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        // The high half of the product of two 64-bit numbers.
        let product = u128::from(self.next()).wrapping_mul(u128::from(nanos).wrapping_add(1));
        Duration::from_nanos(u64::try_from(product >> 64).unwrap_or(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of seed 1000, which the generator of the test fixtures
    /// produces too.
    #[test]
    fn jitter_is_vigna_s_sequence_spread_over_the_time() {
        let numbers = [
            0x3c1e_ba8b_4dcc_c148,
            0xd07a_9d82_d4f4_bbaf,
            0xc5fe_6a1c_2fc9_b651,
        ];
        let mut random = SplitMix::new(1000);
        assert_eq!([(); 3].map(|()| random.next()), numbers);
        let mut random = SplitMix::new(1000);
        let times = [(); 3].map(|()| random.up_to(Duration::from_nanos(999)));
        assert_eq!(times.map(|time| time.as_nanos()), [234, 814, 773]);
        assert_eq!(random.up_to(Duration::ZERO), Duration::ZERO);
    }
}
