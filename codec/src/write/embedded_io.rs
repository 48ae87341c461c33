//! An `embedded_io::Write` as the sink of a stream.

use embedded_io::Write;

use crate::write::stream_writer::{ByteSink, StreamWriter};

/// Hands bytes on to an `embedded_io::Write`. It is not flushed.
#[derive(Clone, Debug)]
pub struct EmbeddedIo<W>(W);

impl<W> EmbeddedIo<W> {
    /// A sink that writes into `write`; lend it (`&mut`) to have it at hand
    /// for a flush.
    pub const fn new(write: W) -> Self {
        Self(write)
    }

    /// Gives the writer back.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.0
    }
}

impl<W: Write> ByteSink for EmbeddedIo<W> {
    type Error = W::Error;

    fn put(&mut self, bytes: &[u8]) -> Result<(), W::Error> {
        self.0.write_all(bytes)
    }
}

impl<W: Write> StreamWriter<EmbeddedIo<W>> {
    /// A writer into an `embedded_io::Write`, such as a UART.
    ///
    /// ```
    /// use embedded_io::{SliceWriteError, Write as _};
    /// use kinesis_agg_codec::{RecordTags, StreamError, StreamWriter};
    ///
    /// let mut memory = [0; 64];
    /// let mut uart = &mut memory[..];
    /// let mut writer = StreamWriter::to_embedded_io(&mut uart);
    /// let key = writer.add_partition_key(b"sensor-7")?;
    /// writer.push(key, None, b"21.5", RecordTags::default())?;
    /// let streamed = writer.finish()?;
    /// uart.flush().map_err(StreamError::Sink)?;
    /// # assert_eq!(streamed.encoded_len(), 20 + 10 + 10);
    /// # let parsed = kinesis_agg_codec::parse(&memory[..40]);
    /// # assert!(matches!(parsed, Ok(kinesis_agg_codec::Parsed::Aggregated(_))));
    /// # Ok::<(), StreamError<SliceWriteError>>(())
    /// ```
    pub const fn to_embedded_io(write: W) -> Self {
        Self::new(EmbeddedIo::new(write))
    }
}
