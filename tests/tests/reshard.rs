//! Runs the simulation of resharding with a few seeds; `reshard-sim` runs it with many.
//! Protects the main guarantee of the producer: every user record that it reports as
//! delivered reaches the consumer, even if the stream splits, merges or is recreated.

use kinesis_agg_tests::simulation::{Rule, Tally, run};

fn runs(rule: Rule) -> Tally {
    let mut sum = Tally::default();
    for seed in 0..150 {
        let tally = run(seed, rule);
        assert!(
            rule != Rule::WholeAggregate || !tally.is_bad(),
            "seed {seed}: {tally:?}"
        );
        sum.add(&tally);
    }
    sum
}

#[test]
fn no_user_record_is_lost_out_of_order_late_or_unaccounted_for() {
    let tally = runs(Rule::WholeAggregate);
    // Each kind of trouble occurred.
    assert!(tally.reshards > 0 && tally.dropped_aggregates > 0);
    assert!(tally.failed > 0 && tally.duplicates > 0);
    assert!(tally.switches > 0 && tally.raw > 0 && tally.recreations > 0);
    assert_eq!(tally.delivered + tally.failed, tally.user_records);
}

#[test]
fn the_delivery_rules_of_other_producers_lose_user_records() {
    assert!(runs(Rule::PerUserRecord).lost > 0);
    let any_shard = runs(Rule::AnyShard);
    assert!(any_shard.lost > any_shard.auto_lost && any_shard.auto_lost > 0);
}

#[test]
fn each_broken_guarantee_is_detected() {
    assert!(runs(Rule::NeverDoubts).recreated_lost > 0);
    assert!(runs(Rule::TwoCallers).order_violations > 0);
    assert!(runs(Rule::WakesLate).late_end > 0);
}
