//! Everybody's time in one table, with the targets beside it; `--json` for one
//! object a line, and words of scenario names to run only those.
//!
//! Times are medians of rounds in which each contestant runs once: what slows
//! the machine down for a while slows down all of them. They are processor
//! time: a run longer than a time slice waits for others on a busy machine.

use core::fmt::Write as _;
use core::hint::black_box;
use core::time::Duration;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use kinesis_agg_benches::{Contestant, Scenario, Target, scenarios};

/// Time that the whole table may take; a part of it for each scenario.
const BUDGET: Duration = Duration::from_secs(42);
/// A sample is of as many runs as take this long.
const SAMPLE: Duration = Duration::from_micros(200);
const MIN_ROUNDS: usize = 5;
const MAX_ROUNDS: usize = 101;

fn main() {
    let (options, words): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|arg| arg.starts_with("--"));
    let as_json = options.iter().any(|option| option == "--json");
    if options.iter().any(|option| option != "--json") {
        eprintln!("usage: scoreboard [--json] [words of scenario names]");
        std::process::exit(2);
    }
    let wanted = |scenario: &&Scenario| words.iter().all(|word| scenario.name.contains(word));
    let chosen: Vec<_> = scenarios().iter().filter(wanted).collect();
    let budget = BUDGET.div_f64(f64::from(u32::try_from(chosen.len().max(1)).unwrap()));
    if !as_json {
        println!(
            "{:<34} {:>12} {:>12} {:>7}  target",
            "", "ours ns", "peer ns", "ratio"
        );
    }
    let mut missed = 0;
    for scenario in chosen {
        let mut contest = scenario.contest();
        let times = medians(&mut contest.contestants, budget);
        let ours = times[0];
        if !as_json {
            println!(
                "\n{}: {} (per {})",
                scenario.name, contest.contestants[0].name, scenario.unit
            );
        }
        for (peer, time) in contest.contestants.iter().zip(times).skip(1) {
            let ratio = time / ours;
            if as_json {
                println!("{}", json_line(scenario, peer.name, ours, time, ratio));
                continue;
            }
            let verdict = match peer.target {
                Some(target) if target.is_met(ratio) => format!("{target} met"),
                Some(target) => {
                    missed += 1;
                    format!("{target} MISSED{}", by_how_much(target, ratio))
                }
                None => String::new(),
            };
            println!(
                "  {:<32} {ours:>12.2} {time:>12.2} {ratio:>6.2}x  {verdict}",
                peer.name
            );
        }
    }
    if !as_json {
        println!("\n{missed} missed");
    }
}

fn by_how_much(target: Target, ratio: f64) -> String {
    let (Target::AtLeast(bound) | Target::AtMost(bound)) = target;
    format!(" by {:.0} %", (ratio / bound - 1.0).abs() * 100.0)
}

fn json_line(scenario: &Scenario, peer_name: &str, ours: f64, peer: f64, ratio: f64) -> String {
    let mut line = String::from("{");
    for (name, value) in [
        ("scenario", scenario.name),
        ("metric", &*format!("ns per {}", scenario.unit)),
        ("peer_name", peer_name),
    ] {
        write!(line, "\"{name}\":\"{value}\",").unwrap();
    }
    write!(
        line,
        "\"ours\":{ours:.3},\"peer\":{peer:.3},\"ratio\":{ratio:.3}}}"
    )
    .unwrap();
    line
}

/// Nanoseconds a unit of each contestant.
fn medians(contestants: &mut [Contestant], budget: Duration) -> Vec<f64> {
    let runs: Vec<_> = contestants.iter_mut().map(runs_per_sample).collect();
    let started = Instant::now();
    let mut samples = vec![Vec::new(); contestants.len()];
    for round in 0..MAX_ROUNDS {
        if round >= MIN_ROUNDS && started.elapsed() > budget {
            break;
        }
        for ((contestant, &runs), samples) in contestants.iter_mut().zip(&runs).zip(&mut samples) {
            let before = on_processor();
            for _ in 0..runs {
                black_box(contestant.run());
            }
            let nanos = (on_processor() - before).as_secs_f64() * 1e9;
            let units = f64::from(runs) * f64::from(u32::try_from(contestant.unit_count).unwrap());
            samples.push(nanos / units);
        }
    }
    let median = |mut samples: Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    };
    samples.into_iter().map(median).collect()
}

/// How long this thread was on a processor.
fn on_processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Runs it warm, and finds how many runs are a sample.
fn runs_per_sample(contestant: &mut Contestant) -> u32 {
    black_box(contestant.run());
    let mut runs = 1;
    loop {
        let started = Instant::now();
        for _ in 0..runs {
            black_box(contestant.run());
        }
        if started.elapsed() >= SAMPLE {
            return runs;
        }
        runs *= 2;
    }
}
