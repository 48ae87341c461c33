//! Runs the simulation of a stream that reshards, over many seeds.
//!
//! `reshard-sim [--seeds N] [--first SEED] [--json]`. With `--json`, the last
//! line is a JSON object. Ends with status 1 if a promise was broken, or if the
//! controls, which break it, did not show.

use std::process::ExitCode;
use std::time::Instant;

use kinesis_agg_tests::simulation::{Rule, Tally, run};

/// Below that many seeds, a control may have been lucky.
const ENOUGH_FOR_CONTROLS: u64 = 200;
/// Controls need no more seeds to show.
const CONTROL_SEEDS: u64 = 1_000;

fn main() -> ExitCode {
    let (mut seed_count, mut first, mut json) = (10_000, 0, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
        let number = match arg.as_str() {
            "--json" => {
                json = true;
                continue;
            }
            "--seeds" | "--first" => number(args.next()),
            _ => None,
        };
        match number {
            Some(number) if arg == "--seeds" => seed_count = number,
            Some(number) => first = number,
            None => {
                eprintln!("usage: reshard-sim [--seeds N] [--first SEED] [--json]");
                return ExitCode::from(2);
            }
        }
    }

    let start = Instant::now();
    let mut ours = Tally::default();
    for seed in first..first + seed_count {
        let tally = run(seed, Rule::WholeAggregate);
        if tally.is_bad() {
            println!("seed {seed}: {tally:?}");
        }
        ours.add(&tally);
        let done = seed - first + 1;
        if done.is_multiple_of(1_000) {
            let seconds = start.elapsed().as_secs_f32();
            eprintln!(
                "{done} seeds, {} user records, {seconds:.1} s",
                ours.user_records
            );
        }
    }
    let Tally {
        user_records,
        lost,
        unaccounted,
        duplicates,
        ..
    } = ours;
    println!(
        "{user_records} user records in {seed_count} runs: {} delivered, {} given back; \
         {lost} lost, {unaccounted} unaccounted, {} out of order, {} times over the memory bound; \
         {duplicates} duplicates for a consumer without filter; \
         {} reshards, {} aggregates that a consumer drops",
        ours.delivered,
        ours.failed,
        ours.out_of_order,
        ours.over_bound,
        ours.reshards,
        ours.dropped_aggregates,
    );

    let control_seeds = seed_count.min(CONTROL_SEEDS);
    let mut is_bad = ours.is_bad();
    for (rule, name) in [
        (
            Rule::PerUserRecord,
            "control, the KPL's rule per user record",
        ),
        (Rule::AnyShard, "control, no knowledge of shards"),
    ] {
        let mut control = Tally::default();
        for seed in first..first + control_seeds {
            control.add(&run(seed, rule));
        }
        println!(
            "{name}: {} of {} user records lost in {control_seeds} runs",
            control.lost, control.user_records
        );
        is_bad |= control.lost == 0 && control_seeds >= ENOUGH_FOR_CONTROLS;
    }
    if json {
        println!(
            "{{\"seeds\":{seed_count},\"user_records\":{user_records},\"lost\":{lost},\
             \"unaccounted\":{unaccounted},\"duplicates\":{duplicates}}}"
        );
    }
    ExitCode::from(u8::from(is_bad))
}
