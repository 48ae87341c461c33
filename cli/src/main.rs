//! Kinesis aggregated records (the KPL format) on the command line.
//!
//! `kinesis-agg` decides how to process the input; this crate reads the files and prints the
//! results.
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

mod commands;
mod data;
mod diagnosis;
mod error;
mod input;
mod output;
mod pipeline;
mod render;

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory as _, Parser, Subcommand};

use crate::commands::{aggregate, deaggregate, generated, hash_key, inspect, stats, verify};
use crate::render::style::Styles;

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
        help = "When to use colours: auto (on a terminal, unless NO_COLOR is set), always or never"
    )]
    color: ColorChoice,
}

const AFTER_HELP: &str = "\
Examples:
  $ kinesis-agg inspect record.bin       # what is in it?
  $ kinesis-agg deaggregate event.json   # its user records, one JSON object per line
  $ kinesis-agg stats dump-*.json        # how many, how large, which keys are hot?
  $ kinesis-agg verify dump-*.json       # is any damaged, and where?

`kinesis-agg COMMAND --help` shows more examples.

The format of each file is detected: hexadecimal digits, base64, xxd and hexdump -C output, raw
blobs, JSON lines; the output of `aws kinesis get-records` and boto3; events of Lambda, Firehose,
Kinesis Analytics and EventBridge Pipes; on-failure documents. Files may be compressed with gzip,
zstd or lz4.

Records, the elements of a JSON document and bytes are numbered from 0; lines, columns and
characters from 1.

Exit status:
  0  success, also if the reader of the output closed it early
  1  verify or stats found a bad record, or a line or record cannot be read or was rejected
  2  wrong usage, a file that cannot be read, or output that cannot be written";

#[derive(Debug, Subcommand)]
enum Command {
    Deaggregate(deaggregate::Args),
    Aggregate(aggregate::Args),
    Inspect(inspect::Args),
    Stats(stats::Args),
    Verify(verify::Args),
    HashKey(hash_key::Args),
    Completions(generated::CompletionsArgs),
    Man(generated::ManArgs),
}

impl Cli {
    fn run(&self, out: &mut output::Out<'_>) -> anyhow::Result<ExitCode> {
        let styles = Styles::of_stdout(self.color);
        match &self.command {
            Command::Deaggregate(args) => deaggregate::run(args, out),
            Command::Aggregate(args) => aggregate::run(args, out),
            Command::Inspect(args) => return inspect::run(args, &styles, out),
            Command::Stats(args) => return stats::run(args, &styles, out),
            Command::Verify(args) => return verify::run(args, &styles, out),
            Command::HashKey(args) => hash_key::run(args, out),
            Command::Completions(args) => generated::completions(args, Self::command(), out),
            Command::Man(args) => generated::man(args, Self::command(), out),
        }
        .map(|()| ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = BufWriter::with_capacity(output::BUFFER_LEN, io::stdout().lock());
    let result = cli.run(&mut out);
    // Output from before an error is printed, too.
    let flushed = out.flush().map_err(error::cannot_write);
    match flushed.and(result) {
        Ok(status) => status,
        Err(error) if error::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            error::note(format_args!("{error:#}"));
            error::exit_status(&error)
        }
    }
}
