//! [`kinesis_agg_fuzz::consumer`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kinesis_agg_fuzz::consumer::check(input));
