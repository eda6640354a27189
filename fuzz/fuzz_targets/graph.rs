//! See `daisy_fuzz::graph`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::graph(bytes));
