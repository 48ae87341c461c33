//! The fuzz targets, as plain functions of the fuzzer's bytes. A target panics if a
//! guarantee is broken.
//!
//! `fuzz_targets/` passes them to libFuzzer. The tests here run them over the kept
//! corpus, without libFuzzer.

extern crate alloc;

#[cfg(feature = "std")]
pub mod aggregator;
#[cfg(feature = "std")]
pub mod consumer;
pub mod decode;
#[cfg(feature = "std")]
mod delivered;
pub mod differential;
pub mod explained;
pub mod hash_key;
pub mod kpl_model;
#[cfg(feature = "std")]
pub mod multilang;
pub mod peers;
#[cfg(feature = "std")]
pub mod producer;
pub mod reference;
pub mod round_trip;
pub mod streamed;

/// The messages of `kinesis_agg::arbitrary`, included here so that they are also
/// available without that crate.
#[path = "../../codec-std/src/arbitrary/message.rs"]
#[expect(dead_code, reason = "only `kinesis_agg` uses all of it")]
mod message;

/// A target: its name, which is also the name of its corpus, and the function that
/// checks an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. Without the feature `std`, only those that need nothing but the codec.
pub const TARGETS: &[Target] = &[
    ("decode", decode::check),
    ("round_trip", round_trip::check),
    ("differential", differential::check),
    ("hash_key", hash_key::check),
    #[cfg(feature = "std")]
    ("aggregator", aggregator::check),
    #[cfg(feature = "std")]
    ("consumer", consumer::check),
    #[cfg(feature = "std")]
    ("multilang", multilang::check),
    #[cfg(feature = "std")]
    ("producer", producer::check),
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Returns the kept corpus of a target, sorted by file name.
    fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target);
        let files = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let mut corpus: Vec<_> = files
            .map(|file| {
                let path = file.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, fs::read(path).unwrap())
            })
            .collect();
        corpus.sort();
        assert!(!corpus.is_empty(), "{target} has no corpus");
        corpus
    }

    #[test]
    fn every_fuzz_target_passes_on_its_kept_corpus() {
        for &(target, check) in TARGETS {
            for (name, input) in corpus(target) {
                println!("{target}/{name}");
                check(&input);
            }
        }
    }

    /// Reads shards made from random bytes, without a fuzzer.
    #[cfg(feature = "std")]
    #[test]
    fn the_consumer_target_passes_on_random_bytes() {
        let mut random = kinesis_agg_tests::fixtures::SplitMix64(7);
        for len in 0..1_500_usize {
            let input: Vec<u8> = (0..len).map(|_| random.next().to_le_bytes()[0]).collect();
            consumer::check(&input);
        }
    }

    /// Protects the differential target: an explanation that no input needs could
    /// hide a bug.
    #[test]
    fn every_explained_peer_difference_occurs_in_the_kept_corpus() {
        let mut needed: Vec<_> = corpus("differential")
            .iter()
            .flat_map(|(_, input)| differential::explanations(input))
            .collect();
        needed.sort();
        needed.dedup();
        let mut all: Vec<_> = peers::PEERS
            .iter()
            .flat_map(|peer| peer.explanations.iter().map(|&rule| (peer.name, rule)))
            .collect();
        all.sort();
        assert_eq!(needed, all);
    }
}
