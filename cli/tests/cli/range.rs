//! The hash key range filter.

use serde_json::{Value, json};

use crate::{fixture, json, run};

/// Lines of `range.jsonl` for which the rules differ from the KCL: the exit status, and how
/// many objects are printed.
const RULED_OTHERWISE: [(&str, i32, usize); 3] = [
    // One hash key cannot be computed, so the aggregate is left out.
    ("bad-ehk-text", 0, 0),
    // Malformed: passed through.
    ("pk-2^32-index", 0, 1),
    // The range is reversed.
    ("three-ehk-12", 2, 0),
];

#[test]
fn whole_aggregates_outside_the_range_are_dropped_as_in_the_kcl_and_reported() {
    let lines = fixture("range.jsonl");
    assert_eq!(lines.lines().count(), 29);
    for case in lines.lines().map(json) {
        let id = case["id"].as_str().unwrap();
        let text = |name: &str| case[name].as_str().unwrap().to_owned();
        let range = text("starting_hash_key") + ":" + &text("ending_hash_key");
        let blobs = case["inputs_hex"].as_array().unwrap();
        let input: Vec<_> = blobs.iter().map(|blob| blob.as_str().unwrap()).collect();
        let args = [
            "deaggregate",
            "--from",
            "hex",
            "--filter",
            "whole-aggregate",
            "--range",
        ];
        let ended = run(&[&args[..], &[&range]].concat(), input.join("\n"));
        let printed: Vec<_> = ended.stdout.lines().map(json).collect();
        if let Some((_, status, count)) = RULED_OTHERWISE.iter().find(|other| other.0 == id) {
            assert_eq!((ended.status, printed.len()), (*status, *count), "{id}");
            continue;
        }
        assert_eq!(ended.status, 0, "{id}");
        let kcl = case["kcl"]["records"].as_array().unwrap();
        let same = |line: &Value| {
            let place = (&line["record"], &line["subSequenceNumber"]);
            kcl.iter()
                .any(|kcl| place == (&kcl["input"], &kcl["sub_sequence"]))
        };
        assert_eq!(printed.len(), kcl.len(), "{id}");
        assert!(printed.iter().all(same), "{id}");
        // There is a message for each aggregate that was left out.
        let inputs = kcl.iter().map(|kcl| kcl["input"].as_u64().unwrap());
        let mut there: Vec<_> = inputs.collect();
        there.dedup();
        assert_eq!(
            ended.stderr.lines().count(),
            blobs.len() - there.len(),
            "{id}"
        );
    }
}

#[test]
fn single_user_records_outside_the_range_are_dropped_on_request_and_reported() {
    let first = fixture("range.jsonl");
    let three = json(first.lines().next().unwrap())["inputs_hex"][0].clone();
    let args = [
        "deaggregate",
        "--filter",
        "per-user-record",
        "--range",
        "200:200",
    ];
    for to in ["ndjson", "event"] {
        let ended = run(
            &[&args[..], &["--to", to]].concat(),
            three.as_str().unwrap(),
        );
        let line = json(ended.stdout.lines().next().unwrap());
        let printed = if to == "event" {
            &line["kinesis"]
        } else {
            &line
        };
        assert_eq!(printed["explicitHashKey"], json!("200"));
        assert_eq!((ended.status, ended.stdout.lines().count()), (0, 1));
        assert_eq!(
            ended.stderr,
            "kinesis-agg: <stdin>, line 1: record 0: dropped 2 user records outside 200:200; partition keys: \"a\", \"c\"\n"
        );
    }
}
