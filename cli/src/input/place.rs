//! Where in the input something was read.

use alloc::sync::Arc;
use core::fmt;

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
