//! The output of `stats`: as JSON for programs, as text for people.

use std::io::{self, Write};

use serde::Serialize;

use crate::commands::totals::{KeyLen, Totals};
use crate::diagnosis::{Verdict, VerdictCounts};
use crate::render::hash_key_ranges::RangeShare;
use crate::render::partition_keys::HotKeys;
use crate::render::style::{Styles, heading, line, painted};
use crate::render::text::{count, difference, grouped, percent, size};

/// The report, as it is written as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    totals: &'a Totals,
    aggregated: u64,
    /// Aggregates whose user records are not all in one shard, if the shards are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregated_not_of_one_shard: Option<u64>,
    malformed: u64,
    /// All Kinesis records by verdict.
    verdicts: Verdicts<'a>,
    user_records: u64,
    user_data_bytes: u64,
    partition_keys: HotKeys<'a>,
    hash_key_ranges: &'a [RangeShare],
    user_records_without_hash_key: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdicts<'a> {
    #[serde(flatten)]
    counts: &'a VerdictCounts,
    /// User records in aggregates that are aggregates themselves.
    aggregated_twice: u64,
}

impl<'a> Report<'a> {
    /// Makes a report with at most `top` partition keys.
    pub(crate) fn new(totals: &'a Totals, top: usize) -> Self {
        let user_data_bytes = totals.user_record_bytes.sum();
        Self {
            totals,
            aggregated: totals.verdicts.of(Verdict::Aggregated),
            aggregated_not_of_one_shard: totals.ranges.are_shards().then_some(totals.spread),
            malformed: totals.verdicts.of(Verdict::Malformed),
            verdicts: Verdicts {
                counts: &totals.verdicts,
                aggregated_twice: totals.aggregated_twice,
            },
            user_records: totals.user_record_bytes.count(),
            user_data_bytes: u64::try_from(user_data_bytes).unwrap_or(u64::MAX),
            partition_keys: totals.partition_keys.hottest(top),
            hash_key_ranges: totals.ranges.shares(),
            user_records_without_hash_key: totals.ranges.nowhere(),
        }
    }

    /// Prints the report as text.
    pub(crate) fn print(&self, styles: &Styles, out: &mut impl Write) -> io::Result<()> {
        let totals = self.totals;
        let title = count(totals.kinesis_records, "Kinesis record");
        writeln!(out, "{}", painted(styles.heading, title))?;
        self.print_kinds(styles, out)?;
        line(
            "holds",
            &count(self.user_records, "user record"),
            styles,
            out,
        )?;
        let user_data = size(self.user_data_bytes);
        let share = percent(self.user_data_bytes, totals.bytes);
        let text = format!(
            "{}: {user_data} of user data ({share} %)",
            size(totals.bytes)
        );
        line("size", &text, styles, out)?;
        let KeyLen {
            in_tables,
            without_tables,
        } = totals.key_bytes;
        let text = format!(
            "{} in tables, {} without tables: {}",
            size(in_tables),
            size(without_tables),
            difference(in_tables, without_tables),
        );
        line("keys", &text, styles, out)?;
        let of_aggregates = &totals.user_records_in_aggregate;
        for (noun, unit, histogram) in [
            ("aggregate", "user record", of_aggregates),
            ("user record", "byte", &totals.user_record_bytes),
        ] {
            if histogram.count() > 0 {
                let title = format!("{noun}s of {}", histogram.summary(unit));
                heading(&title, styles, out)?;
                histogram.print(noun, styles, out)?;
            }
        }
        self.partition_keys.print(self.user_records, styles, out)?;
        self.print_ranges(styles, out)
    }

    fn print_ranges(&self, styles: &Styles, out: &mut impl Write) -> io::Result<()> {
        let totals = self.totals;
        let ranges = &totals.ranges;
        let title = match ranges.are_shards() {
            true => "shards",
            false => "hash key ranges",
        };
        let title = match ranges.total() {
            0 => format!("{title}: no user records"),
            _ => format!("{title}: the fullest has {} times the mean", ranges.skew()),
        };
        heading(&title, styles, out)?;
        ranges.print(styles, out)?;
        if ranges.are_shards() && totals.spread > 0 {
            let what = count(totals.spread, "aggregate");
            let text = format!(
                "{what} with user records of several shards; consumers that filter by shard, \
                 such as the KCL, drop such an aggregate entirely"
            );
            styles.paragraph("    ", &painted(styles.bad, text), out)?;
        }
        if totals.user_records_without_partition_key > 0 {
            let what = count(totals.user_records_without_partition_key, "Kinesis record");
            let text = format!("not counted here: {what} without a partition key in the input");
            styles.paragraph("    ", &painted(styles.aside, text), out)?;
        }
        Ok(())
    }

    /// Prints the count of each verdict; those of rare verdicts only if they are not zero.
    fn print_kinds(&self, styles: &Styles, out: &mut impl Write) -> io::Result<()> {
        let without = match self.totals.aggregated_without_user_records {
            0 => String::new(),
            empty => format!(", {} of them without user records", grouped(empty)),
        };
        for (verdict, number) in self.verdicts.counts.shown() {
            let number = grouped(number);
            let remark = match verdict {
                Verdict::Aggregated => without.as_str(),
                Verdict::Plain => "",
                Verdict::Encoded | Verdict::Misframed | Verdict::Damaged => {
                    ", each counted as one user record; verify explains why"
                }
                Verdict::Malformed => ", not counted below; verify explains why",
                Verdict::Unreadable => ", not counted below",
            };
            let text = match verdict {
                Verdict::Aggregated | Verdict::Plain => format!("{number}{remark}"),
                other => painted(other.style(styles), format_args!("{number}{remark}")),
            };
            line(verdict.word(), &text, styles, out)?;
        }
        if self.verdicts.aggregated_twice > 0 {
            let what = count(self.verdicts.aggregated_twice, "user record");
            let text = format!("aggregated twice: {what}; see deaggregate --nested");
            line("", &painted(styles.doubtful, text), styles, out)?;
        }
        Ok(())
    }
}
