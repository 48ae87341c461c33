//! Completion scripts for shells.

use std::io::Write as _;

use clap::Command;
use clap_complete::Shell;

use crate::output::{Out, cannot_write};

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ kinesis-agg completions bash > ~/.local/share/bash-completion/completions/kinesis-agg
  $ kinesis-agg completions zsh > ~/.zfunc/_kinesis-agg
  $ kinesis-agg completions fish > ~/.config/fish/completions/kinesis-agg.fish")]
pub(crate) struct Args {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: Command, out: &mut Out<'_>) -> anyhow::Result<()> {
    // Generating panics where writing fails; a vector takes all.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "kinesis-agg", &mut script);
    out.write_all(&script).map_err(cannot_write)
}
