//! [`kinesis_agg_fuzz::hash_key`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kinesis_agg_fuzz::hash_key::check(input));
