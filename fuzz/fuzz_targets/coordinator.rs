//! See `daisy_fuzz::coordinator`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::coordinator(bytes));
