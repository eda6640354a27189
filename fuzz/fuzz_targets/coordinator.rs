//! See `daisy_fuzz::coordinator`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::coordinator(bytes));

#[cfg(not(fuzzing))]
fn main() {}
