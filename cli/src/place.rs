//! Where in the input something stands.

use alloc::sync::Arc;
use core::fmt;

/// Where something was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) unit: Unit,
    /// From 1; 0 for the whole file.
    pub(crate) number: u64,
}

/// What a file is read by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Unit {
    #[default]
    Line,
    Document,
}

impl Place {
    /// Another one in the same file.
    pub(crate) fn at(&self, number: u64) -> Self {
        Self {
            number,
            ..self.clone()
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.number, self.unit) {
            (0, _) => f.write_str(&self.file),
            (number, Unit::Line) => write!(f, "{}, line {number}", self.file),
            (number, Unit::Document) => write!(f, "{}, document {number}", self.file),
        }
    }
}
