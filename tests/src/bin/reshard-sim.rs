//! Runs the simulation of a stream that reshards, for many seeds.
//!
//! `reshard-sim [--seeds N] [--first SEED] [--json]`. With `--json`, the last line is a
//! JSON object. Exits with status 1 if a guarantee was broken, or if a control, which
//! breaks a guarantee on purpose, went undetected.

use std::process::ExitCode;
use std::time::Instant;

use kinesis_agg_tests::simulation::{Rule, Tally, run};

/// With fewer seeds than this, a control may happen to break nothing.
const ENOUGH_FOR_CONTROLS: u64 = 200;
/// The maximum number of seeds for a control.
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
        auto_lost,
        recreated_lost,
        unaccounted,
        duplicates,
        order_violations,
        late_end,
        over_bound,
        ..
    } = ours;
    println!(
        "{user_records} user records in {seed_count} runs: {} delivered, {} failed; {lost} lost \
         ({auto_lost} in runs with service-managed distribution, {recreated_lost} in runs with a \
         recreated stream), {unaccounted} unaccounted for, {order_violations} out of order, \
         {late_end} ended late, {over_bound} times over the memory bound; at most {} Kinesis records \
         of one shard in flight; {} out of order where that was allowed; {duplicates} duplicates \
         for a consumer without a filter; {} rejected, {} reshards, {} changes of distribution, {} \
         raw records on service-managed streams, {} recreated streams, {} aggregates that a \
         consumer drops",
        ours.delivered,
        ours.failed,
        ours.most_in_flight,
        ours.out_of_order,
        ours.rejected,
        ours.reshards,
        ours.switches,
        ours.raw,
        ours.recreations,
        ours.dropped_aggregates,
    );

    let control_seeds = seed_count.min(CONTROL_SEEDS);
    let mut is_bad = ours.is_bad();
    for control in CONTROLS {
        let mut tally = Tally::default();
        for seed in first..first + control_seeds {
            tally.add(&run(seed, control.rule));
        }
        let broken = (control.broken)(&tally);
        println!(
            "control, {}: {broken} {} of {} user records in {control_seeds} runs",
            control.name, control.what, tally.user_records
        );
        is_bad |= broken == 0 && control_seeds >= ENOUGH_FOR_CONTROLS;
    }
    if json {
        println!(
            "{{\"seeds\":{seed_count},\"user_records\":{user_records},\"lost\":{lost},\
             \"unaccounted\":{unaccounted},\"duplicates\":{duplicates},\
             \"order_violations\":{order_violations},\"auto_lost\":{auto_lost},\
             \"recreated_lost\":{recreated_lost},\"late_end\":{late_end}}}"
        );
    }
    ExitCode::from(u8::from(is_bad))
}

/// A simulation that breaks a guarantee on purpose, to show that the tally detects it.
struct Control {
    rule: Rule,
    name: &'static str,
    what: &'static str,
    broken: fn(&Tally) -> u64,
}

const CONTROLS: [Control; 7] = [
    Control {
        rule: Rule::PerUserRecord,
        name: "the KPL's rule per user record",
        what: "lost",
        broken: |tally| tally.lost,
    },
    Control {
        rule: Rule::AnyShard,
        name: "a producer that ignores shards",
        what: "lost",
        broken: |tally| tally.lost,
    },
    Control {
        rule: Rule::AnyShard,
        name: "aggregates on streams with service-managed distribution",
        what: "lost on them",
        broken: |tally| tally.auto_lost,
    },
    Control {
        rule: Rule::NeverDoubts,
        name: "a shard listing that is never questioned",
        what: "lost on recreated streams",
        broken: |tally| tally.recreated_lost,
    },
    Control {
        rule: Rule::TwoCallers,
        name: "two callers that are not synchronized",
        what: "out of order",
        broken: |tally| tally.order_violations,
    },
    Control {
        rule: Rule::NoOrder,
        name: "Kinesis records in flight that share hash keys",
        what: "out of order",
        broken: |tally| tally.out_of_order,
    },
    Control {
        rule: Rule::WakesLate,
        name: "a driver that wakes late",
        what: "ended late",
        broken: |tally| tally.late_end,
    },
];
