//! Partition keys in, hash keys out.

use std::ffi::OsString;
use std::io::Write as _;

use kinesis_agg::HashKey;

use crate::error::cannot_write;
use crate::output::Out;

/// Print the hash key of each partition key, one decimal number per line.
///
/// The hash key decides which shard a record goes to. It is the MD5 digest of the partition
/// key, read as one big-endian number.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  $ kinesis-agg hash-key a
  16955237001963240173058271559858726497")]
pub(crate) struct Args {
    /// Partition keys; write `--` before one that starts with a dash.
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<OsString>,
}

pub(crate) fn run(args: &Args, out: &mut Out<'_>) -> anyhow::Result<()> {
    for key in &args.keys {
        let hash_key = HashKey::of_partition_key(key.as_encoded_bytes());
        writeln!(out, "{hash_key}").map_err(cannot_write)?;
    }
    Ok(())
}
