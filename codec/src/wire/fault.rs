//! How what is wrong travels up.

use crate::error::{DecodeError, DecodeErrorKind};

/// What was found wrong, kept aside: a [`DecodeError`] is several words, and
/// every read would have to return room for one.
#[derive(Debug)]
pub(crate) struct Fault(DecodeError);

/// A [`Fault`] was recorded; says no more, so that it costs nothing to return.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faulted(());

impl Fault {
    /// Room for a fault, for one reading.
    #[inline]
    pub(crate) fn room() -> Self {
        Self(DecodeError::new(DecodeErrorKind::Truncated, 0))
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn record(&mut self, kind: DecodeErrorKind, offset: usize) -> Faulted {
        self.0 = DecodeError::new(kind, offset);
        Faulted(())
    }

    /// What was recorded.
    pub(crate) fn error(&self, _: Faulted) -> DecodeError {
        self.0
    }
}
