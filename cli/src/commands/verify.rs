//! Checks whether Kinesis records are valid.

use core::time::Duration;
use std::io::{self, Write as _};
use std::process::ExitCode;

use kinesis_agg::EnclosingRecord as _;
use kinesis_agg::codec::{Parsed, ReadSlot};

use crate::diagnosis::search::Budget;
use crate::diagnosis::{Diagnosis, Verdict, warnings};
use crate::input::progress::Progress;
use crate::input::{InputArgs, Item, KinesisRecord, Unrecognized};
use crate::output::{BadInput, Out, cannot_write};
use crate::pipeline::Consumer;
use crate::render::style::{Styles, painted};
use crate::render::text::{count, grouped, wide};

/// Check Kinesis records, and explain what is wrong with each bad one
///
/// Each record gets one of these verdicts; inspect and stats use the same words:
///
///   aggregated  a valid aggregate; a warning names user records that consumers may lose
///   plain       not an aggregate; bad only if a producer lost its user records
///   encoded     an aggregate that is compressed, or written as text such as base64; reported,
///               but bad only if the aggregate inside is
///   misframed   an intact aggregate with other data around it, or several aggregates back to
///               back; bad, because consumers do not recognize them
///   damaged     an aggregate of which bytes changed or are missing; bad
///   malformed   an aggregate with a good digest, but with a message that is not valid; bad
///   unreadable  not a Kinesis record, such as a line that is not base64; bad
///
/// Records, elements of a JSON document and bytes are numbered from 0, lines from 1.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  $ kinesis-agg verify records.ndjson
  $ kinesis-agg verify *.bin && echo all good

  # Show what is in a bad record.
  $ kinesis-agg verify dump.json
  record 4 (dump.json, line 1, element 4): damaged, digest mismatch
  ...
  $ kinesis-agg inspect --record 4 dump.json

Exit status:
  0  no record is bad
  1  at least one record is bad or unreadable
  2  wrong usage, a file that cannot be read, or output that cannot be written"
)]
pub(crate) struct Args {
    #[command(flatten)]
    input: InputArgs,
}

pub(crate) fn run(args: &Args, styles: &Styles, out: &mut Out<'_>) -> anyhow::Result<ExitCode> {
    let progress = Progress::before_output(&args.input.files);
    let items = args.input.read(Unrecognized::IsWrongUsage, &progress)?;
    let mut verifier = Verifier {
        records: 0,
        user_records: 0,
        bad: 0,
        words: Vec::new(),
        budget: Budget::default(),
        slots: Vec::new(),
        styles,
        out,
    };
    let result = verifier.verify_all(items, &progress);
    progress.clear();
    // Records that were read before an error are in the summary.
    if verifier.records > 0 || result.is_ok() {
        verifier.print_summary().map_err(cannot_write)?;
    }
    result.map(|()| match verifier.bad {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

struct Verifier<'a, 'o> {
    records: u64,
    user_records: u64,
    bad: u64,
    /// How many records there are of each verdict, in order of first occurrence.
    words: Vec<(&'static str, u64)>,
    budget: Budget,
    slots: Vec<ReadSlot>,
    styles: &'a Styles,
    out: &'a mut Out<'o>,
}

impl Verifier<'_, '_> {
    fn verify_all(&mut self, mut items: Consumer<Item>, progress: &Progress) -> anyhow::Result<()> {
        loop {
            let batches = items.next_all(Duration::ZERO, || Ok(()))?;
            if batches.is_empty() {
                return Ok(());
            }
            for item in batches.iter().flat_map(|batch| batch.items()) {
                let index = self.records;
                self.records = index.saturating_add(1);
                match item {
                    Ok(record) => self.verify(index, record, progress),
                    Err(bad) => self.report_unreadable(index, bad, progress),
                }
                .map_err(cannot_write)?;
            }
        }
    }

    fn count(&mut self, word: &'static str) {
        match self.words.iter_mut().find(|(counted, _)| *counted == word) {
            Some((_, number)) => *number = number.saturating_add(1),
            None => self.words.push((word, 1)),
        }
    }

    fn verify(
        &mut self,
        index: u64,
        record: &KinesisRecord,
        progress: &Progress,
    ) -> io::Result<()> {
        let data = record.event.data();
        let diagnosis = Diagnosis::of(data, &mut self.budget);
        self.count(diagnosis.verdict.word());
        self.bad = self.bad.saturating_add(u64::from(diagnosis.is_bad));
        if let Ok(Parsed::Aggregated(aggregated)) = &diagnosis.parsed {
            let user_records = wide(aggregated.record_count());
            self.user_records = self.user_records.saturating_add(user_records);
            let warnings = warnings(aggregated, &mut self.slots);
            return progress.aside(|| {
                warnings.iter().try_for_each(|warning| {
                    self.title(index, record, &painted(self.styles.doubtful, warning))
                })
            });
        }
        if diagnosis.verdict == Verdict::Plain && !diagnosis.is_bad {
            return Ok(());
        }
        let style = match diagnosis.is_bad {
            true => self.styles.bad,
            false => diagnosis.verdict.style(self.styles),
        };
        progress.aside(|| {
            self.title(index, record, &painted(style, diagnosis.headline()))?;
            diagnosis.print(data, self.styles, self.out)?;
            self.out.flush()
        })
    }

    fn title(&mut self, index: u64, record: &KinesisRecord, what: &str) -> io::Result<()> {
        let which = painted(self.styles.heading, format_args!("record {index}"));
        let title = format!("{which} ({}): {what}", record.place);
        self.styles.long_line(&title, self.out)
    }

    fn report_unreadable(
        &mut self,
        index: u64,
        bad: &BadInput,
        progress: &Progress,
    ) -> io::Result<()> {
        self.count("unreadable");
        self.bad = self.bad.saturating_add(1);
        let which = painted(self.styles.heading, format_args!("record {index}"));
        let what = painted(self.styles.bad, format_args!("unreadable, {}", bad.why));
        progress.aside(|| {
            self.styles
                .long_line(&format!("{which} ({}): {what}", bad.place), self.out)?;
            self.out.flush()
        })
    }

    fn print_summary(&mut self) -> io::Result<()> {
        let styles = self.styles;
        let mut parts: Vec<_> = ["aggregated", "plain"].map(|word| (word, 0)).into();
        parts.extend(
            self.words
                .iter()
                .filter(|(word, _)| !matches!(*word, "aggregated" | "plain")),
        );
        for (word, number) in &mut parts {
            let counted = self.words.iter().find(|(counted, _)| counted == word);
            *number = counted.map_or(0, |(_, number)| *number);
        }
        let user_records = count(self.user_records, "user record");
        let parts = parts.into_iter().map(|(word, number)| match word {
            "aggregated" => format!("{} aggregated with {user_records}", grouped(number)),
            word => format!("{} {word}", grouped(number)),
        });
        let parts: Vec<_> = parts.collect();
        let bad = match self.bad {
            0 => painted(styles.good, "none bad"),
            bad => painted(styles.bad, format_args!("{} bad", grouped(bad))),
        };
        let records = count(self.records, "Kinesis record");
        let summary = format!("{records}: {}; {bad}", parts.join(", "));
        styles.long_line(&summary, self.out)
    }
}
