//! The subcommands, one file each, and what several of them share.

pub(crate) mod aggregate;
pub(crate) mod deaggregate;
pub(crate) mod generated;
pub(crate) mod hash_key;
pub(crate) mod inspect;
mod packer;
mod report;
pub(crate) mod stats;
mod totals;
mod user_records;
pub(crate) mod verify;
