//! See `daisy_fuzz::scheduler`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::scheduler(bytes));

#[cfg(not(fuzzing))]
fn main() {}
