//! Streams aggregates into an asynchronous UART, on a minimal executor: one is complete, the
//! next is cancelled in the middle, and one more follows. Prints the complete ones.
#![no_std]
#![no_main]

use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use embedded_io_async::Write;
use firmware::{
    exit, print, print_hex, print_number, stop_ticking, tick_every, wait_for_interrupt,
};
use kinesis_agg_codec::{AsyncStreamWriter, EmbeddedIoError, RecordTags, StreamError};

/// Set by a waker, and by every interrupt.
static IS_WOKEN: AtomicBool = AtomicBool::new(false);
static TICKS: AtomicU32 = AtomicU32::new(0);
/// Bytes that the UART accepts before the next interrupt.
static FREE: AtomicU32 = AtomicU32::new(0);

/// Called when the UART's FIFO is empty again.
#[unsafe(no_mangle)]
extern "C" fn tick() {
    TICKS.store(
        TICKS.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
    FREE.store(8, Ordering::Relaxed);
    IS_WOKEN.store(true, Ordering::Release);
}

const WAKER: RawWakerVTable = RawWakerVTable::new(
    |data| RawWaker::new(data, &WAKER),
    |_| IS_WOKEN.store(true, Ordering::Release),
    |_| IS_WOKEN.store(true, Ordering::Release),
    |_| {},
);

/// Polls a future until it is complete, and sleeps between the polls.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    // SAFETY: the functions use no data.
    let waker = unsafe { Waker::from_raw(RawWaker::new(core::ptr::null(), &WAKER)) };
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !IS_WOKEN.swap_false() {
            wait_for_interrupt();
        }
    }
}

trait SwapFalse {
    fn swap_false(&self) -> bool;
}

impl SwapFalse for AtomicBool {
    /// A load and a store, since a Cortex-M0 has no swap. A wake between the two is not lost: a
    /// poll follows.
    fn swap_false(&self) -> bool {
        let was_set = self.load(Ordering::Acquire);
        self.store(false, Ordering::Release);
        was_set
    }
}

/// Accepts eight bytes per interrupt, and keeps what was sent.
struct Uart {
    sent: [u8; 256],
    len: usize,
}

impl embedded_io_async::ErrorType for Uart {
    type Error = Infallible;
}

impl Write for Uart {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        // Every interrupt wakes the executor, so the waker need not be kept.
        let free = poll_fn(|_| match FREE.load(Ordering::Relaxed) {
            0 => Poll::Pending,
            free => Poll::Ready(free),
        })
        .await;
        let rest = self.sent.get_mut(self.len..).unwrap_or_default();
        let len = bytes.len().min(free as usize).min(rest.len());
        for (place, byte) in rest.iter_mut().zip(bytes).take(len) {
            *place = *byte;
        }
        self.len = self.len.wrapping_add(len);
        FREE.store(free.wrapping_sub(len as u32), Ordering::Relaxed);
        Ok(len)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

type Writer = AsyncStreamWriter<Uart>;
type Error = StreamError<EmbeddedIoError<Infallible>>;

async fn write_aggregate(writer: &mut Writer) -> Result<u32, Error> {
    let key = writer.add_partition_key(b"device-42").await?;
    for number in 0..10_u32 {
        let data = number.to_be_bytes();
        writer.push(key, None, &data, RecordTags::default()).await?;
    }
    Ok(writer.finish().await?.encoded_len())
}

/// Drops a future after a number of interrupts, like a timeout.
async fn with_timeout<F: Future>(future: Pin<&mut F>, ticks: u32) -> Option<F::Output> {
    let mut future = future;
    let end = TICKS.load(Ordering::Relaxed).wrapping_add(ticks);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if TICKS.load(Ordering::Relaxed) >= end => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

async fn run() -> Result<u32, Error> {
    let mut writer = AsyncStreamWriter::new(Uart {
        sent: [0; 256],
        len: 0,
    });
    print_whole(&mut writer).await?;
    print_number(
        "ram_encode_async",
        size_of::<AsyncStreamWriter<()>>() as u32,
    );
    let key = writer.add_partition_key(b"device-42").await?;
    let future = writer.push(key, None, b"21.5", RecordTags::default());
    print_number("ram_push_future", size_of_val(&future) as u32);
    drop(future);
    writer.clear();
    {
        let cancelled = pin!(write_aggregate(&mut writer));
        if with_timeout(cancelled, 5).await.is_some() {
            return Ok(2);
        }
    }
    if !writer.is_poisoned() || writer.finish().await != Err(StreamError::Poisoned) {
        return Ok(3);
    }
    writer.clear();
    print_whole(&mut writer).await?;
    Ok(0)
}

/// Prints one aggregate, from the place where a frame of the link would begin.
async fn print_whole(writer: &mut Writer) -> Result<(), Error> {
    writer.inner_mut().len = 0;
    let len = write_aggregate(writer).await?;
    let uart = writer.inner_mut();
    if uart.len == len as usize {
        print("blob ");
        print_hex(uart.sent.get(..uart.len).unwrap_or_default());
        print("\n");
    }
    Ok(())
}

/// The compiler adds a panic to every `async fn`, for a future that is polled after it has
/// completed. `run.sh` checks that no other panic can be reached.
#[unsafe(no_mangle)]
extern "C" fn FIRMWARE_CAN_PANIC() -> ! {
    exit(98)
}

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    tick_every(10_000);
    let status = block_on(run());
    stop_ticking();
    print_number("ticks", TICKS.load(Ordering::Relaxed));
    match status {
        Ok(0) => print("OK async_stream\n"),
        Ok(status) => return status,
        Err(_) => return 1,
    }
    0
}
