//! See `daisy_fuzz::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::frame(bytes));
