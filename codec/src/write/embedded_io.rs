//! An `embedded_io::Write` as the sink of a [`StreamWriter`].

use embedded_io::Write;

use crate::write::embedded_io_error::EmbeddedIoError;
use crate::write::stream_writer::{ByteSink, StreamWriter};

/// Passes bytes on to an `embedded_io::Write`, `W`. It is not flushed.
#[derive(Clone, Debug)]
pub struct EmbeddedIo<W>(W);

impl<W> EmbeddedIo<W> {
    /// Creates a sink that writes into `write`. Pass a `&mut` to keep it for a
    /// flush.
    pub const fn new(write: W) -> Self {
        Self(write)
    }

    /// Returns the device, to flush it, or to use it between two blobs.
    pub const fn inner_mut(&mut self) -> &mut W {
        &mut self.0
    }

    /// Returns the device.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.0
    }
}

impl<W: Write> ByteSink for EmbeddedIo<W> {
    type Error = EmbeddedIoError<W::Error>;

    // Not `embedded_io`'s `write_all`, which panics if a device writes no bytes.
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
    /// Creates a writer into an `embedded_io::Write`, such as a UART.
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

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec::Vec;
    use core::error::Error as _;

    use embedded_io::{ErrorKind, ErrorType};

    use super::*;
    use crate::error::StreamError;

    /// Writes at most `at_most` bytes a call, then fails after `capacity`.
    struct Device {
        written: Vec<u8>,
        at_most: usize,
        capacity: usize,
        error: Option<ErrorKind>,
    }

    impl ErrorType for Device {
        type Error = ErrorKind;
    }

    impl Write for Device {
        fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
            assert!(!bytes.is_empty());
            let free = self.capacity - self.written.len();
            let len = bytes.len().min(self.at_most).min(free);
            match self.error {
                Some(error) if len == 0 => Err(error),
                _ => {
                    self.written.extend_from_slice(&bytes[..len]);
                    Ok(len)
                }
            }
        }

        fn flush(&mut self) -> Result<(), ErrorKind> {
            Ok(())
        }
    }

    fn sink(at_most: usize, capacity: usize, error: Option<ErrorKind>) -> EmbeddedIo<Device> {
        EmbeddedIo::new(Device {
            written: Vec::new(),
            at_most,
            capacity,
            error,
        })
    }

    #[test]
    fn write_all_continues_after_partial_writes() {
        for at_most in 1..8 {
            let mut sink = sink(at_most, 100, None);
            assert_eq!(sink.write_all(b"sensor-7"), Ok(()));
            assert_eq!(sink.write_all(b""), Ok(()));
            assert_eq!(sink.into_inner().written, b"sensor-7");
        }
    }

    #[test]
    fn a_writer_that_owns_its_device_lends_it() {
        let mut writer = StreamWriter::new(sink(3, 100, None));
        writer.add_partition_key(b"sensor-7").unwrap();
        let device = writer.sink_mut().inner_mut();
        assert_eq!(device.written.len(), 4 + 10);
        assert_eq!(device.flush(), Ok(()));
    }

    /// Protects callers from a panic if a device is full.
    #[test]
    fn a_device_that_writes_zero_bytes_is_an_error() {
        let mut full = sink(3, 5, None);
        assert_eq!(full.write_all(b"sensor-7"), Err(EmbeddedIoError::WriteZero));
        let mut broken = sink(3, 5, Some(ErrorKind::TimedOut));
        let error = broken.write_all(b"sensor-7").unwrap_err();
        assert_eq!(error, EmbeddedIoError::Device(ErrorKind::TimedOut));
        assert_eq!(error.source().unwrap().to_string(), "TimedOut");
        assert_eq!(error.to_string(), "device failed");
        let error = EmbeddedIoError::<ErrorKind>::WriteZero;
        assert_eq!(error.to_string(), "device wrote no bytes");
        assert!(error.source().is_none());

        let mut writer = StreamWriter::new(sink(3, 9, None));
        let key = writer.add_partition_key(b"sensor-7");
        assert_eq!(key, Err(StreamError::Sink(EmbeddedIoError::WriteZero)));
        assert!(writer.is_poisoned());
    }
}
