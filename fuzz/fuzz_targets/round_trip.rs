//! [`kinesis_agg_fuzz::round_trip`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kinesis_agg_fuzz::round_trip::check(input));
