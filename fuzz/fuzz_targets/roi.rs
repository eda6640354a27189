//! See `daisy_fuzz::roi`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::roi(bytes));
