//! See `daisy_fuzz::operations`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::operations(bytes));
