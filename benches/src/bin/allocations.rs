//! Prints a Markdown table of the allocations of each contestant in one run of
//! each guarded scenario, with buffers reused.

use core::hint::black_box;

use kinesis_agg_benches::{Contestant, scenarios};
use kinesis_agg_tests::counting::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    println!("Allocations in one run, with buffers reused:\n");
    println!("| What | Ours | Peers |\n|---|---|---|");
    for scenario in scenarios().iter().filter(|it| it.guarded.is_some()) {
        let mut contestants = scenario.contest().contestants;
        let same_work = contestants.iter_mut().filter(|it| it.is_same_work);
        let mut counts = same_work.map(|it| (it.name, when_warm(it)));
        let Some((_, ours)) = counts.next() else {
            continue;
        };
        let peers: Vec<_> = counts
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        println!("| {} | {ours} | {} |", scenario.name, peers.join("; "));
    }
}

fn when_warm(contestant: &mut Contestant) -> u64 {
    black_box(contestant.run());
    allocations(|| {
        black_box(contestant.run());
    })
}
