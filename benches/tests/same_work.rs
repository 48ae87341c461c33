//! Checks that all contestants of a scenario process the same bytes. Protects the scoreboard
//! from comparing us with a peer that does more or less work than we do.

use kinesis_agg_benches::{Scenario, grid, scenarios};

fn assert_same_work(scenario: &Scenario) {
    let mut contestants = scenario.contest().contestants;
    let expected = contestants[0].run();
    for contestant in &mut contestants {
        if contestant.is_same_work {
            let name = (&*scenario.name, contestant.name);
            // Run twice, because reused buffers must not change the result.
            assert_eq!(contestant.run(), expected, "{name:?}");
            assert_eq!(contestant.run(), expected, "{name:?}");
        }
    }
}

#[test]
fn all_contestants_do_the_same_work() {
    scenarios().iter().for_each(assert_same_work);
}

/// Samples the grid: empty data, data on both sides of the size where lengths take
/// another byte, and large data, with few keys and with the most keys.
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
    // Four shapes, three metrics, with and without explicit hash keys.
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
