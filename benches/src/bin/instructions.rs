//! `instructions NAME RUNS` runs our contestant of one guarded scenario RUNS times,
//! for `instructions.sh`, which counts the instructions. Without arguments, lists
//! the guarded scenarios and the number of units in one run of each.

use core::hint::black_box;

use kinesis_agg_benches::scenarios;

fn main() {
    let mut args = std::env::args().skip(1);
    let Some(wanted) = args.next() else {
        for scenario in scenarios() {
            if let Some(name) = scenario.guarded {
                println!("{name} {}", scenario.contest().contestants[0].unit_count);
            }
        }
        return;
    };
    let runs: u32 = args.next().unwrap().parse().unwrap();
    let scenario = scenarios()
        .iter()
        .find(|scenario| scenario.guarded == Some(&*wanted));
    let mut contest = scenario.expect("a guarded scenario").contest();
    for _ in 0..runs {
        black_box(contest.contestants[0].run());
    }
}
