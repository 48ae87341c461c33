//! The subcommands, one file each.

pub(crate) mod aggregate;
pub(crate) mod deaggregate;
pub(crate) mod generated;
pub(crate) mod hash_key;
pub(crate) mod inspect;
mod packer;
pub(crate) mod stats;
pub(crate) mod totals;
mod user_records;
pub(crate) mod verify;
