//! Completion scripts and manual pages, made from the arguments.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::error::cannot_write;
use crate::output::Out;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ kinesis-agg completions bash > ~/.local/share/bash-completion/completions/kinesis-agg
  $ kinesis-agg completions zsh > ~/.zfunc/_kinesis-agg
  $ kinesis-agg completions fish > ~/.config/fish/completions/kinesis-agg.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn completions(
    args: &CompletionsArgs,
    mut command: Command,
    out: &mut Out<'_>,
) -> anyhow::Result<()> {
    // The generator panics if a write fails, and writing to a vector cannot fail.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "kinesis-agg", &mut script);
    out.write_all(&script).map_err(cannot_write)
}

/// Print the manual page, or write a page for each command into a directory.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ kinesis-agg man | man -l -
  $ kinesis-agg man --dir ~/.local/share/man/man1 && man kinesis-agg-inspect")]
pub(crate) struct ManArgs {
    /// Write all pages into this directory instead; it must exist.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn man(args: &ManArgs, command: Command, out: &mut Out<'_>) -> anyhow::Result<()> {
    match &args.dir {
        None => Man::new(command).render(out).map_err(cannot_write),
        Some(dir) => clap_mangen::generate_to(command, dir)
            .with_context(|| format!("cannot write manual pages into {}", dir.display())),
    }
}
