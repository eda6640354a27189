//! See `daisy_fuzz::scheduler`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::scheduler(bytes));
