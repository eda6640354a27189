//! See `daisy_fuzz::session`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::session(bytes));

#[cfg(not(fuzzing))]
fn main() {}
