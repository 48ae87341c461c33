//! Arithmetic whose result is known to fit.

/// Sums and differences that cannot leave the type, because the length of a
/// buffer or the number of its bytes bounds them.
///
/// Debug builds (and so tests and fuzzers) check that; release builds wrap, so
/// that no panic is compiled in.
pub(crate) trait Num: Copy {
    /// `self + other`.
    fn plus(self, other: Self) -> Self;

    /// `self - other`.
    fn minus(self, other: Self) -> Self;
}

macro_rules! impl_num {
    ($($type:ty)*) => {$(
        impl Num for $type {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                debug_assert!(self.checked_add(other).is_some());
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                debug_assert!(self >= other);
                self.wrapping_sub(other)
            }
        }
    )*};
}

impl_num!(u32 u64 usize);

/// A number of bytes as `u32`; more than that becomes [`u32::MAX`], which is above every limit.
pub(crate) fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A number of things in memory as `usize`; more than memory can hold becomes [`usize::MAX`].
pub(crate) fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::Num as _;

    #[test]
    fn sums_and_differences_that_fit_are_exact() {
        assert_eq!((u32::MAX - 1).plus(1), u32::MAX);
        assert_eq!(3_usize.minus(3), 0);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "checked_add")]
    fn a_sum_that_overflows_panics_in_debug_builds() {
        let _ = u32::MAX.plus(1);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "self >= other")]
    fn a_difference_that_underflows_panics_in_debug_builds() {
        let _ = 0_usize.minus(1);
    }
}
