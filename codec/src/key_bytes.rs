//! The bytes of a key, as the producer wrote them.

use core::fmt;
use core::str::{self, Utf8Error};

/// A partition key, an explicit hash key, or the key or value of a record's tag: UTF-8
/// if the producer followed the schema, any bytes if it did not.
///
/// Bytes that are not UTF-8 are never replaced, so two keys are equal exactly when
/// their bytes are.
///
/// ```
/// use kinesis_agg_codec::KeyBytes;
///
/// assert_eq!(KeyBytes::new(b"sensor-7"), "sensor-7");
/// assert_eq!(KeyBytes::new(b"sensor-7").to_str(), Ok("sensor-7"));
/// assert_eq!(KeyBytes::new(b"\xffsensor").to_string(), r"\xffsensor");
/// assert!(KeyBytes::new(&[0xff]).to_str().is_err());
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyBytes<'buf>(&'buf [u8]);

impl<'buf> KeyBytes<'buf> {
    /// Creates a key from these bytes.
    #[must_use]
    pub const fn new(bytes: &'buf [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &'buf [u8] {
        self.0
    }

    /// Returns the key as text.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] if the bytes are not UTF-8. [`as_bytes`](Self::as_bytes) still returns
    /// them.
    pub const fn to_str(&self) -> Result<&'buf str, Utf8Error> {
        str::from_utf8(self.0)
    }
}

/// The text, with bytes that are not UTF-8 escaped as `\xff`.
impl fmt::Display for KeyBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// The text in quotes, with every byte that is not printable ASCII escaped.
impl fmt::Debug for KeyBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl<'buf> From<&'buf str> for KeyBytes<'buf> {
    fn from(text: &'buf str) -> Self {
        Self(text.as_bytes())
    }
}

impl<'buf> From<&'buf [u8]> for KeyBytes<'buf> {
    fn from(bytes: &'buf [u8]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for KeyBytes<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

macro_rules! impl_eq {
    ($($other:ty)*) => {$(
        impl PartialEq<$other> for KeyBytes<'_> {
            fn eq(&self, other: &$other) -> bool {
                self.0 == AsRef::<[u8]>::as_ref(other)
            }
        }

        impl PartialEq<KeyBytes<'_>> for $other {
            fn eq(&self, other: &KeyBytes<'_>) -> bool {
                other == self
            }
        }
    )*};
}

impl_eq!(str & str[u8] & [u8]);
