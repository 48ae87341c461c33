//! Checks whether Kinesis records are valid.

use core::time::Duration;
use std::io::{self, Write as _};
use std::process::ExitCode;

use kinesis_agg::EnclosingRecord as _;
use kinesis_agg::codec::{Parsed, ReadSlot};

use crate::diagnosis::search::Budget;
use crate::diagnosis::{Diagnosis, Verdict, VerdictCounts, warnings};
use crate::error::{BadInput, cannot_write};
use crate::input::progress::Progress;
use crate::input::{InputArgs, Item, KinesisRecord, Unrecognized};
use crate::output::Out;
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
    let items = args.input.read(Unrecognized::Unreadable, &progress)?;
    let mut verifier = Verifier {
        records: 0,
        user_records: 0,
        bad: 0,
        verdicts: VerdictCounts::default(),
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
    verdicts: VerdictCounts,
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

    fn verify(
        &mut self,
        index: u64,
        record: &KinesisRecord,
        progress: &Progress,
    ) -> io::Result<()> {
        let data = record.event.data();
        let diagnosis = Diagnosis::of(data, &mut self.budget);
        self.verdicts.add(diagnosis.verdict);
        self.bad = self.bad.saturating_add(u64::from(diagnosis.is_bad));
        if let Ok(Parsed::Aggregated(aggregated)) = &diagnosis.parsed {
            let user_records = wide(aggregated.record_count());
            self.user_records = self.user_records.saturating_add(user_records);
            let warnings = warnings(aggregated, &mut self.slots);
            return progress.aside(|| {
                warnings.iter().try_for_each(|warning| {
                    let warning = painted(self.styles.doubtful, warning);
                    self.styles.title(index, &record.place, &warning, self.out)
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
            let what = painted(style, diagnosis.headline());
            self.styles.title(index, &record.place, &what, self.out)?;
            diagnosis.print(data, self.styles, self.out)?;
            self.out.flush()
        })
    }

    fn report_unreadable(
        &mut self,
        index: u64,
        bad: &BadInput,
        progress: &Progress,
    ) -> io::Result<()> {
        self.verdicts.add(Verdict::Unreadable);
        self.bad = self.bad.saturating_add(1);
        progress.aside(|| {
            self.styles
                .unreadable(index, &bad.place, &bad.why, self.out)?;
            self.out.flush()
        })
    }

    fn print_summary(&mut self) -> io::Result<()> {
        let styles = self.styles;
        let user_records = count(self.user_records, "user record");
        let parts = self
            .verdicts
            .shown()
            .map(|(verdict, number)| match verdict {
                Verdict::Aggregated => {
                    format!("{} aggregated with {user_records}", grouped(number))
                }
                other => format!("{} {}", grouped(number), other.word()),
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
