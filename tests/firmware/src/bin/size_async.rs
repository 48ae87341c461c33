//! The smallest program that streams an aggregate into an asynchronous device.
#![no_std]
#![no_main]

use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_io_async::Write;
use firmware::exit;
use kinesis_agg_codec::{AsyncStreamWriter, EmbeddedIoError, RecordTags, StreamError};

/// A device that is not always ready.
struct Device;

impl embedded_io_async::ErrorType for Device {
    type Error = Infallible;
}

impl Write for Device {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|_| match black_box(true) {
            true => Poll::Ready(Ok(black_box(bytes).len())),
            false => Poll::Pending,
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

async fn stream() -> Result<(), StreamError<EmbeddedIoError<Infallible>>> {
    let mut writer = AsyncStreamWriter::new(Device);
    let key = writer.add_partition_key(black_box(b"sensor-7")).await?;
    while black_box(true) {
        let data = black_box(b"21.5");
        writer.push(key, None, data, RecordTags::default()).await?;
    }
    writer.finish().await.map(drop)
}

/// See `async_stream.rs`.
#[unsafe(no_mangle)]
extern "C" fn FIRMWARE_CAN_PANIC() -> ! {
    exit(98)
}

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    let mut stream = pin!(stream());
    loop {
        match stream
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(result) => return u32::from(result.is_err()),
            Poll::Pending => {}
        }
    }
}
