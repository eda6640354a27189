//! See `daisy_fuzz::graph`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::graph(bytes));

#[cfg(not(fuzzing))]
fn main() {}
