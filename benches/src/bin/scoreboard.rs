//! Prints the times of all contestants and their targets in one table. `--json`
//! prints one object per line. Words select the scenarios whose names contain all
//! of them.
//!
//! The word `grid` selects from the grid instead of the table: data of 0 to
//! 100,000 bytes, 1 to 30,000 keys, with and without explicit hash keys. Only the
//! worst and the median cells are printed, unless `--all` or `--json` is given.
//!
//! A time is the median over rounds in which each contestant takes one sample, so
//! that a temporary slowdown of the machine affects all of them. Times are
//! processor time, because on a busy machine a run may be suspended while other
//! processes run.

use core::fmt::Write as _;
use core::hint::black_box;
use core::time::Duration;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use kinesis_agg_benches::{Cell, Contestant, Scenario, Shape, Target, grid, scenarios};

/// Time to measure the whole table, divided evenly among the scenarios.
const BUDGET: Duration = Duration::from_secs(42);
/// The same for the whole grid.
const GRID_BUDGET: Duration = Duration::from_secs(180);
/// The minimum time of a sample, which repeats the work until it takes this long.
const SAMPLE: Duration = Duration::from_micros(200);
const MIN_ROUNDS: usize = 5;
const MAX_ROUNDS: usize = 101;

/// Limits how much our time per user record differs between cells of the grid with
/// neighbouring data sizes of at most [`STEP_MAX_DATA_LEN`] bytes: the longer time
/// divided by the shorter.
const STEP_TARGET: Target = Target::AtMost(1.6);
const STEP_MAX_DATA_LEN: usize = 200;

const USAGE: &str = "\
usage: scoreboard [--json | --all] [WORD]...

Measures the scenarios whose names contain all of the words. The word `grid`
measures cells of the grid (`grid walk`, `grid check`, `grid encode`) instead,
which takes minutes.

  --json  prints one object per scenario and peer
  --all   prints all cells of the grid instead of the worst and the median";

/// The times of our contestant and of one peer in a scenario.
struct Score<'a> {
    scenario: &'a Scenario,
    peer: &'static str,
    target: Option<Target>,
    /// Nanoseconds per unit.
    ours: f64,
    theirs: f64,
}

impl Score<'_> {
    fn ratio(&self) -> f64 {
        self.theirs / self.ours
    }

    fn is_missed(&self) -> bool {
        self.target
            .is_some_and(|target| !target.is_met(self.ratio()))
    }

    /// Returns the verdict as text, which is empty without a target.
    fn verdict(&self) -> String {
        self.target
            .map_or_else(String::new, |target| verdict(target, self.ratio()))
    }

    fn print(&self, name: &str, remark: &str) {
        let (ours, theirs) = (self.ours, self.theirs);
        let line = format!(
            "  {name:<32} {ours:>12.2} {theirs:>12.2} {:>6.2}x  {}{remark}",
            self.ratio(),
            self.verdict()
        );
        println!("{}", line.trim_end());
    }

    fn print_json(&self) {
        let metric = match self.scenario.cell() {
            Some(cell) => cell.metric.to_owned(),
            None => format!("ns per {}", self.scenario.unit),
        };
        let mut line = String::from("{");
        for (name, value) in [
            ("scenario", &*self.scenario.name),
            ("metric", &metric),
            ("peer_name", self.peer),
        ] {
            write!(line, "\"{name}\":\"{value}\",").unwrap();
        }
        println!(
            "{line}\"ours\":{:.3},\"peer\":{:.3},\"ratio\":{:.3}}}",
            self.ours,
            self.theirs,
            self.ratio()
        );
    }
}

fn main() {
    let (options, words): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|arg| arg.starts_with("--"));
    let has = |name: &str| options.iter().any(|option| option == name);
    let (as_json, all) = (has("--json"), has("--all"));
    if options.len() != usize::from(as_json) + usize::from(all) {
        eprintln!("{USAGE}");
        std::process::exit(2);
    }
    let (candidates, budget) = match words.iter().any(|word| word == "grid") {
        true => (grid(), GRID_BUDGET),
        false => (scenarios().to_vec(), BUDGET),
    };
    let wanted = |scenario: &&Scenario| words.iter().all(|word| scenario.name.contains(word));
    let chosen: Vec<_> = candidates.iter().filter(wanted).collect();
    let budget = budget.div_f64(f64::from(u32::try_from(chosen.len().max(1)).unwrap()));
    if !as_json {
        println!(
            "{:<34} {:>12} {:>12} {:>7}  target",
            "", "ours ns", "peer ns", "ratio"
        );
    }
    let mut scores = Vec::new();
    for scenario in chosen {
        let measured = measure(scenario, budget);
        if as_json {
            measured.iter().for_each(Score::print_json);
        } else if all || scenario.cell().is_none() {
            println!("\n{} (per {})", scenario.name, scenario.unit);
            for score in &measured {
                score.print(score.peer, "");
            }
        }
        scores.extend(measured);
    }
    if !as_json {
        let steps_missed = print_grid(&scores);
        let missed = scores.iter().filter(|score| score.is_missed()).count();
        println!("\n{} missed", missed + steps_missed);
    }
}

fn measure<'a>(scenario: &'a Scenario, budget: Duration) -> Vec<Score<'a>> {
    let mut contestants = scenario.contest().contestants;
    let times = medians(&mut contestants, budget);
    let ours = times[0];
    let peers = contestants.iter().zip(times).skip(1);
    let scores = peers.map(|(peer, theirs)| Score {
        scenario,
        peer: peer.name,
        target: peer.target,
        ours,
        theirs,
    });
    scores.collect()
}

/// Prints the worst and the median cell of each metric and peer, and the largest
/// step of each metric. Returns the number of steps that miss their target.
fn print_grid(scores: &[Score<'_>]) -> usize {
    let of_cells: Vec<_> = scores
        .iter()
        .filter_map(|score| Some((score.scenario.cell()?, score)))
        .collect();
    let mut steps_missed = 0;
    for of_metric in of_cells.chunk_by(|(a, _), (b, _)| a.metric == b.metric) {
        println!("\n{} (per user record)", of_metric[0].0.metric);
        let mut peers: Vec<_> = of_metric.iter().map(|(_, score)| score.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        for peer in peers {
            let of_peer = of_metric.iter().filter(|(_, score)| score.peer == peer);
            let mut of_peer: Vec<_> = of_peer.map(|&(_, score)| score).collect();
            of_peer.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
            let missed = of_peer.iter().filter(|score| score.is_missed()).count();
            println!(
                "  {peer}: {missed} of {} cells miss their target",
                of_peer.len()
            );
            for (name, score) in [
                ("worst", of_peer[0]),
                ("median", of_peer[of_peer.len() / 2]),
            ] {
                score.print(&format!("  {name}"), &format!("  {}", score.scenario.name));
            }
        }
        if let Some((ratio, name)) = largest_step(of_metric) {
            println!(
                "  largest step between neighbouring data sizes up to {STEP_MAX_DATA_LEN} B: \
                 {ratio:.2}x  {}  {name}",
                verdict(STEP_TARGET, ratio)
            );
            steps_missed += usize::from(!STEP_TARGET.is_met(ratio));
        }
    }
    steps_missed
}

/// Returns the largest ratio of our times in two neighbouring cells that differ
/// only in the size of their data, with the name of the cell with more data.
fn largest_step<'a>(scores: &[(Cell, &'a Score<'_>)]) -> Option<(f64, &'a str)> {
    let same_but_data = |a: Shape, b: Shape| {
        a.key_count == b.key_count
            && a.explicit_hash_keys == b.explicit_hash_keys
            && a.data_len < b.data_len
    };
    // A cell has one score per peer, and our time is the same in all of them.
    let mut cells = scores.to_vec();
    cells.dedup_by(|(_, a), (_, b)| a.scenario.name == b.scenario.name);
    cells.retain(|(cell, _)| cell.shape.data_len <= STEP_MAX_DATA_LEN);
    let steps = cells.windows(2).filter_map(|pair| {
        let [(before, smaller), (after, larger)] = *pair else {
            return None;
        };
        let ratio = larger.ours / smaller.ours;
        same_but_data(before.shape, after.shape)
            .then(|| (ratio.max(ratio.recip()), &*larger.scenario.name))
    });
    steps.max_by(|(a, _), (b, _)| a.total_cmp(b))
}

fn verdict(target: Target, ratio: f64) -> String {
    let (Target::AtLeast(bound) | Target::AtMost(bound)) = target;
    match target.is_met(ratio) {
        true => format!("{target} met"),
        false => format!(
            "{target} MISSED by {:.0} %",
            (ratio / bound - 1.0).abs() * 100.0
        ),
    }
}

/// Returns the median time of each contestant, in nanoseconds per unit.
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

/// Returns the processor time of this thread.
fn on_processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Warms the contestant up and returns the number of runs in a sample.
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
