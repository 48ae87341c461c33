//! Manual pages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Command;
use clap_mangen::Man;

use crate::output::{Out, cannot_write};

/// Print the manual page, or write one for each subcommand.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ kinesis-agg man | man -l -
  $ kinesis-agg man --dir ~/.local/share/man/man1 && man kinesis-agg-inspect")]
pub(crate) struct Args {
    /// Write all pages into this directory, which exists, and print none.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, command: Command, out: &mut Out<'_>) -> anyhow::Result<()> {
    match &args.dir {
        None => Man::new(command).render(out).map_err(cannot_write),
        Some(dir) => clap_mangen::generate_to(command, dir)
            .with_context(|| format!("cannot write manual pages into {}", dir.display())),
    }
}
