//! [`kinesis_agg_fuzz::decode`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kinesis_agg_fuzz::decode::check(input));
