//! Guides, which are files of the crate, too.

#[doc = include_str!("../MIGRATION.md")]
pub mod migration {}

#[doc = include_str!("../MULTILANG.md")]
pub mod fleet {}

#[doc = include_str!("../PEERS.md")]
pub mod peers {}
