//! Errors: what is wrong with the input and where, notes on standard error, exit statuses.

use alloc::sync::Arc;
use core::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use thiserror::Error;

/// A place in a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) spot: Spot,
}

/// A position in a file. Lines count from 1, all else from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spot {
    /// The whole file.
    File,
    /// What starts on this line.
    Line(u64),
    /// An element of the JSON document that starts on this line: the line, then the element.
    Element(u64, u64),
    /// What starts at this byte.
    Byte(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.spot {
            Spot::File => Ok(()),
            Spot::Line(line) => write!(f, ", line {line}"),
            Spot::Element(line, element) => write!(f, ", line {line}, element {element}"),
            Spot::Byte(byte) => write!(f, ", byte {byte}"),
        }
    }
}

/// Adds what failed to an error. [`is_closed_pipe`] still finds the cause.
pub(crate) fn cannot_write(error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context("cannot write to standard output")
}

/// An input that cannot be read, or was rejected.
#[derive(Debug, Error)]
#[error("{place}: {why}")]
pub(crate) struct BadInput {
    pub(crate) place: Place,
    pub(crate) why: String,
}

/// Returns 1 if the data was bad, 2 if the run failed for another reason.
pub(crate) fn exit_status(error: &anyhow::Error) -> ExitCode {
    match error.is::<BadInput>() {
        true => ExitCode::from(1),
        false => ExitCode::from(2),
    }
}

/// Returns true if the reader of the output has closed it, such as `| head`.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Prints a line on standard error. Errors are ignored: there is no other place to report them.
pub(crate) fn note(text: fmt::Arguments<'_>) {
    let _unread = writeln!(io::stderr().lock(), "kinesis-agg: {text}");
}
