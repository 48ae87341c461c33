//! [`kinesis_agg_fuzz::multilang`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kinesis_agg_fuzz::multilang::check(input));
