//! See `daisy_fuzz::api`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daisy_fuzz::api(bytes));

#[cfg(not(fuzzing))]
fn main() {}
