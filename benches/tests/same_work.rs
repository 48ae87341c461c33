//! Everybody in a contest touches the same bytes. Protects the scoreboard from
//! a peer that is slow because it does more, or fast because it does less.

use kinesis_agg_benches::scenarios;

#[test]
fn all_contestants_do_the_same_work() {
    for scenario in scenarios() {
        let mut contestants = scenario.contest().contestants;
        let expected = contestants[0].run();
        for contestant in &mut contestants {
            if contestant.is_same_work {
                let name = (scenario.name, contestant.name);
                // Twice: memory that is used again does not change it.
                assert_eq!(contestant.run(), expected, "{name:?}");
                assert_eq!(contestant.run(), expected, "{name:?}");
            }
        }
    }
}

#[test]
fn guarded_names_are_unique() {
    let mut names: Vec<_> = scenarios().iter().filter_map(|s| s.guarded).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 8);
}
