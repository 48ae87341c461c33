//! Everybody in a contest touches the same bytes. Protects the scoreboard from
//! a peer that is slow because it does more, or fast because it does less.

use kinesis_agg_benches::{Scenario, grid, scenarios};

fn assert_same_work(scenario: &Scenario) {
    let mut contestants = scenario.contest().contestants;
    let expected = contestants[0].run();
    for contestant in &mut contestants {
        if contestant.is_same_work {
            let name = (&*scenario.name, contestant.name);
            // Twice: memory that is used again does not change it.
            assert_eq!(contestant.run(), expected, "{name:?}");
            assert_eq!(contestant.run(), expected, "{name:?}");
        }
    }
}

#[test]
fn all_contestants_do_the_same_work() {
    scenarios().iter().for_each(assert_same_work);
}

/// Without data, on both sides of where lengths take another byte, and large; few
/// keys and as many as there can be.
#[test]
fn all_contestants_do_the_same_work_in_the_grid() {
    let mut count = 0;
    for scenario in grid() {
        let shape = scenario.cell().unwrap().shape;
        if matches!(
            (shape.data_len, shape.key_count),
            (0 | 17_000, 1) | (124, 1_000) | (128, 30_000)
        ) {
            assert_same_work(&scenario);
            count += 1;
        }
    }
    // Of each, three metrics without and with explicit hash keys.
    assert_eq!(count, 4 * 3 * 2);
}

#[test]
fn grid_names_are_unique() {
    let mut names: Vec<_> = grid().into_iter().map(|cell| cell.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
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
