//! Partition keys in, hash keys out.

use std::ffi::OsString;
use std::io::Write as _;

use kinesis_agg::HashKey;

use crate::output::{Out, cannot_write};

/// Print the decimal hash key of each partition key, a line each.
///
/// It is what decides on the shard: the MD5 of the key's bytes as one number.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  $ kinesis-agg hash-key a
  16955237001963240173058271559858726497")]
pub(crate) struct Args {
    /// Partition keys (behind `--` if one starts with a dash).
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
