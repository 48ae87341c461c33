//! Output for people: text, tables, charts.

pub(crate) mod chart;
pub(crate) mod contents;
pub(crate) mod frame;
pub(crate) mod hash_key_ranges;
pub(crate) mod partition_keys;
pub(crate) mod style;
pub(crate) mod svg;
pub(crate) mod table;
pub(crate) mod text;
