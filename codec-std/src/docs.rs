//! Guides. Each is also a Markdown file in the crate.

#[doc = include_str!("../MIGRATION.md")]
pub mod migration {}

#[doc = include_str!("../MULTILANG.md")]
pub mod fleet {}

#[doc = include_str!("../OUTCOMES.md")]
pub mod outcomes {}

#[doc = include_str!("../PEERS.md")]
pub mod peers {}

#[doc = include_str!("../RESHARDING.md")]
pub mod resharding {}
