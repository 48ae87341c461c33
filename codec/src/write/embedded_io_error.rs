//! The errors of an `embedded_io` device.

use core::fmt;

/// Why a device did not write all bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EmbeddedIoError<E> {
    /// The device failed with its own error.
    Device(E),
    /// The device wrote no bytes and reported no error, as a full device does.
    WriteZero,
}

/// The device's own error is the [`source`](core::error::Error::source).
impl<E> fmt::Display for EmbeddedIoError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device(_) => "device failed",
            Self::WriteZero => "device wrote no bytes",
        })
    }
}

impl<E: core::error::Error + 'static> core::error::Error for EmbeddedIoError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Device(error) => Some(error),
            Self::WriteZero => None,
        }
    }
}
