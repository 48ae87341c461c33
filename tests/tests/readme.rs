//! Compares the numbers in the README and in the guides with those in the code. Protects
//! readers from a limit that was changed in only one place.

use kinesis_agg_codec::HashKey;
use kinesis_agg_codec::limits::{
    DEFAULT_MAX_SIZE, LARGEST_MAX_SIZE, MAX_NESTING, MAX_PARTITION_KEY_UTF16_LEN,
};

const README: &str = include_str!("../../README.md");
const OUTCOMES: &str = include_str!("../../codec-std/OUTCOMES.md");

#[test]
fn the_readme_states_the_codecs_limits() {
    let mib = |bytes: u32| {
        assert_eq!(bytes % (1 << 20), 0);
        bytes >> 20
    };
    let (default, largest) = (mib(DEFAULT_MAX_SIZE), mib(LARGEST_MAX_SIZE));
    let hash_key_bits = HashKey::MAX.to_u128().count_ones();
    let read_gib = (u64::from(u32::MAX) + 1) >> 30;
    let rows = [
        format!(
            "| Kinesis record that is written: blob plus outer partition key | {default} MiB, settable up to {largest} MiB |"
        ),
        format!(
            "| partition key that is written | 1 to {MAX_PARTITION_KEY_UTF16_LEN} UTF-16 units |"
        ),
        format!("| explicit hash key | 0 to 2^{hash_key_bits} - 1 |"),
        format!("| blob that is read | {read_gib} GiB; any number of keys and user records |"),
        format!("| groups in unknown fields | nested {MAX_NESTING} deep |"),
    ];
    let (_, section) = OUTCOMES.split_once("\n## Limits\n").unwrap();
    let stated: Vec<_> = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    assert_eq!(stated[2..], rows);
}

#[test]
fn the_readme_states_the_manifests_rust_version() {
    let version = concat!("\nRust ", env!("CARGO_PKG_RUST_VERSION"), " or newer");
    assert!(README.contains(version));
}
