//! Checks the claims in PEERS.md about other libraries. Protects readers from claims
//! that no fixture supports.

use std::collections::HashSet;

use serde_json::Value;

const PEERS: &str = include_str!("../../codec-std/PEERS.md");
const FIXTURES: [(&str, &str); 4] = [
    ("decode", include_str!("../fixtures/decode.jsonl")),
    ("encode", include_str!("../fixtures/encode.jsonl")),
    ("limits", include_str!("../fixtures/limits.jsonl")),
    ("range", include_str!("../fixtures/range.jsonl")),
];

/// Returns the texts between backticks.
fn quoted() -> impl Iterator<Item = &'static str> {
    PEERS
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_fixture_cited_in_peers_md_exists() {
    let mut looked_up = 0;
    for (name, lines) in FIXTURES {
        let ids: HashSet<String> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string())
            .collect();
        for id in quoted().filter_map(|text| text.strip_prefix(name)?.strip_prefix(": ")) {
            assert!(
                ids.contains(&format!("\"{id}\"")),
                "{name}.jsonl has no {id}"
            );
            looked_up += 1;
        }
    }
    assert!(looked_up > 20, "{looked_up}");
}

#[test]
fn peers_md_states_how_often_peers_write_the_kpls_bytes() {
    let said = |peer: usize| -> Option<u64> {
        let row = PEERS
            .lines()
            .find(|line| line.starts_with("| the KPL's bytes"))?;
        row.split('|').nth(peer)?.trim().parse().ok()
    };
    let (_, encode) = FIXTURES[1];
    let cases: Vec<Value> = encode
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (peer, column) in [("java", 3), ("python", 4), ("node", 5)] {
        let same = cases
            .iter()
            .filter_map(|case| case["same_as_kpl"][peer].as_bool());
        assert_eq!(
            said(column),
            Some(same.filter(|same| *same).count().try_into().unwrap())
        );
    }
}
