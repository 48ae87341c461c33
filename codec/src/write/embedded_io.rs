//! An `embedded_io::Write` as the sink of a [`StreamWriter`].

use core::fmt;

use embedded_io::Write;

use crate::write::stream_writer::{ByteSink, StreamWriter};

/// Passes bytes on to an `embedded_io::Write`, `W`. It is not flushed.
#[derive(Clone, Debug)]
pub struct EmbeddedIo<W>(W);

impl<W> EmbeddedIo<W> {
    /// Makes a sink that writes into `write`. Pass a `&mut` to keep it for a
    /// flush.
    pub const fn new(write: W) -> Self {
        Self(write)
    }

    /// Returns the writer.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.0
    }
}

/// Why an [`EmbeddedIo`] did not write all bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbeddedIoError<E> {
    /// The device failed with its own error.
    Device(E),
    /// The device wrote no bytes and reported no error, as one does that is
    /// full.
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

impl<W: Write> ByteSink for EmbeddedIo<W> {
    type Error = EmbeddedIoError<W::Error>;

    // Not `embedded_io`'s `write_all`, which panics where a device writes no bytes.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.0.write(rest).map_err(EmbeddedIoError::Device)? {
                0 => return Err(EmbeddedIoError::WriteZero),
                written => rest = rest.get(written..).unwrap_or_default(),
            }
        }
        Ok(())
    }
}

impl<W: Write> StreamWriter<EmbeddedIo<W>> {
    /// Makes a writer into an `embedded_io::Write`, such as a UART.
    ///
    /// ```
    /// use embedded_io::Write as _;
    /// use kinesis_agg_codec::{RecordTags, StreamWriter};
    ///
    /// let mut memory = [0; 64];
    /// let mut uart = &mut memory[..];
    /// let mut writer = StreamWriter::to_embedded_io(&mut uart);
    /// let key = writer.add_partition_key(b"sensor-7")?;
    /// writer.push(key, None, b"21.5", RecordTags::default())?;
    /// let streamed = writer.finish()?;
    /// uart.flush()?;
    /// # assert_eq!(streamed.encoded_len(), 20 + 10 + 10);
    /// # let parsed = kinesis_agg_codec::parse(&memory[..40]);
    /// # assert!(matches!(parsed, Ok(kinesis_agg_codec::Parsed::Aggregated(_))));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub const fn to_embedded_io(write: W) -> Self {
        Self::new(EmbeddedIo::new(write))
    }
}
