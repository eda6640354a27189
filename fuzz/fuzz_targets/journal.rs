//! See `daisy_fuzz::journal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::journal(bytes));
