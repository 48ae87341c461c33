//! Runs the table of scenarios under criterion: `cargo bench -p kinesis-agg-benches`.
//! Pass part of a scenario's name to run only the scenarios that contain it.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use kinesis_agg_benches::{Contestant, scenarios};

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, contestant: &mut Contestant) {
    let unit_count = u64::try_from(contestant.unit_count).unwrap();
    group.throughput(Throughput::Elements(unit_count));
    group.bench_function(contestant.name, |bencher| bencher.iter(|| contestant.run()));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for scenario in scenarios() {
        let mut group = criterion.benchmark_group(&*scenario.name);
        for contestant in &mut scenario.contest().contestants {
            bench(&mut group, contestant);
        }
        group.finish();
    }
    criterion.final_summary();
}
