//! Writing: user records in, a blob out.

pub(crate) mod aggregate;
pub(crate) mod aggregate_writer;
#[cfg(feature = "embedded-io-async")]
pub(crate) mod async_stream_writer;
pub(crate) mod counts;
#[cfg(feature = "embedded-io")]
pub(crate) mod embedded_io;
#[cfg(any(feature = "embedded-io", feature = "embedded-io-async"))]
pub(crate) mod embedded_io_error;
#[cfg(feature = "heapless")]
pub(crate) mod heapless;
pub(crate) mod key_lookup;
pub(crate) mod new_record;
pub(crate) mod new_tags;
pub(crate) mod new_user_record;
pub(crate) mod section_writer;
pub(crate) mod sections;
pub(crate) mod stream;
pub(crate) mod stream_writer;
