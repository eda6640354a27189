//! See `daisy_fuzz::roi`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::roi(bytes));

#[cfg(not(fuzzing))]
fn main() {}
