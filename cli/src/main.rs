//! Kinesis aggregated records (the KPL format) on the command line.
//!
//! What to do with an input is decided in `kinesis-agg`; here it is read from
//! files and printed.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod aggregate;
mod deaggregate;
mod events;
mod hash_key;
mod input;
mod inspect;
mod json;
mod output;

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Read and write Kinesis aggregated records (the KPL format).
#[derive(Debug, Parser)]
#[command(name = "kinesis-agg", version, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status: 0 if all went well or the reader of the output went away,
1 if an input cannot be taken or something cannot be read or written,
2 for wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    Deaggregate(deaggregate::Args),
    Aggregate(aggregate::Args),
    Inspect(inspect::Args),
    HashKey(hash_key::Args),
}

impl Command {
    fn run(&self, out: &mut output::Out<'_>) -> anyhow::Result<()> {
        match self {
            Self::Deaggregate(args) => deaggregate::run(args, out),
            Self::Aggregate(args) => aggregate::run(args, out),
            Self::Inspect(args) => inspect::run(args, out),
            Self::HashKey(args) => hash_key::run(args, out),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = BufWriter::with_capacity(output::BUFFER_LEN, io::stdout().lock());
    let result = cli.command.run(&mut out);
    // What came before an error is the reader's.
    let flushed = out.flush().map_err(output::cannot_write);
    match flushed.and(result) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(format_args!("{error:#}"));
            match error.downcast_ref::<output::WrongUsage>() {
                Some(_) => ExitCode::from(2),
                None => ExitCode::FAILURE,
            }
        }
    }
}
