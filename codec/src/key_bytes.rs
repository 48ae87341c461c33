//! The text of a key, as the bytes that the producer wrote.

use core::fmt;
use core::str::{self, Utf8Error};

/// A partition key, an explicit hash key, or the key or value of a record's
/// tag: UTF-8 if the producer kept to the schema, any bytes if it did not.
///
/// Bytes that are not UTF-8 are never replaced, so two keys are equal exactly
/// when their bytes are.
///
/// ```
/// use kinesis_agg_codec::KeyBytes;
///
/// assert_eq!(KeyBytes::new(b"sensor-7").to_str(), Ok("sensor-7"));
/// assert!(KeyBytes::new(&[0xff]).to_str().is_err());
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyBytes<'buf>(&'buf [u8]);

impl<'buf> KeyBytes<'buf> {
    /// The key of these bytes.
    #[must_use]
    pub const fn new(bytes: &'buf [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes as they were written.
    #[must_use]
    pub const fn as_bytes(&self) -> &'buf [u8] {
        self.0
    }

    /// The key as text.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] if the bytes are not UTF-8; they stay readable with
    /// [`as_bytes`](Self::as_bytes).
    pub const fn to_str(&self) -> Result<&'buf str, Utf8Error> {
        str::from_utf8(self.0)
    }
}

/// As text, every byte that is not UTF-8 escaped.
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

impl PartialEq<str> for KeyBytes<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for KeyBytes<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}
