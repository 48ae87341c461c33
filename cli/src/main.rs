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
mod billing;
mod chart;
mod completions;
mod deaggregate;
mod events;
mod explain;
mod frame;
mod hash_key;
mod hash_key_ranges;
mod held_blobs;
mod hex_window;
mod input;
mod inspect;
mod json;
mod key_tables;
mod man;
mod output;
mod packer;
mod partition_keys;
mod place;
mod progress;
mod relay;
mod report;
mod shards;
mod stats;
mod style;
mod svg;
mod text;
mod totals;
mod user_record_batch;
mod user_records;
mod usual_line;
mod verify;

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory as _, Parser, Subcommand};
use style::Styles;

/// Read and write Kinesis aggregated records (the KPL format).
#[derive(Debug, Parser)]
#[command(name = "kinesis-agg", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = ColorChoice::Auto,
        hide_possible_values = true,
        help = "When to colour: auto (on a terminal, unless NO_COLOR is set), always or never"
    )]
    color: ColorChoice,
}

const AFTER_HELP: &str = "\
Examples:
  $ kinesis-agg inspect record.bin       # what is in it?
  $ kinesis-agg deaggregate event.json   # its user records, a JSON object a line
  $ kinesis-agg stats dump-*.json        # how many, how large, which keys are hot?
  $ kinesis-agg verify dump-*.json       # is any damaged, and where?

Each command has examples of its own: kinesis-agg deaggregate --help.

Exit status: 0 if all went well or the reader of the output went away,
1 if an input cannot be taken, is bad (verify), or something cannot be read or written,
2 for wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    Deaggregate(deaggregate::Args),
    Aggregate(aggregate::Args),
    Inspect(inspect::Args),
    Stats(stats::Args),
    Verify(verify::Args),
    HashKey(hash_key::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Cli {
    fn run(&self, out: &mut output::Out<'_>) -> anyhow::Result<ExitCode> {
        let styles = Styles::of_stdout(self.color);
        match &self.command {
            Command::Deaggregate(args) => deaggregate::run(args, out),
            Command::Aggregate(args) => aggregate::run(args, out),
            Command::Inspect(args) => inspect::run(args, &styles, out),
            Command::Stats(args) => stats::run(args, &styles, out),
            Command::Verify(args) => return verify::run(args, &styles, out),
            Command::HashKey(args) => hash_key::run(args, out),
            Command::Completions(args) => completions::run(args, Self::command(), out),
            Command::Man(args) => man::run(args, Self::command(), out),
        }
        .map(|()| ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = BufWriter::with_capacity(output::BUFFER_LEN, io::stdout().lock());
    let result = cli.run(&mut out);
    // What came before an error is the reader's.
    let flushed = out.flush().map_err(output::cannot_write);
    match flushed.and(result) {
        Ok(status) => status,
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
