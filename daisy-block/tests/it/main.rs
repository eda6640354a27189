//! Layouts and tilings against brute force, and every refusal with its text.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod extremes;
mod layouts;
mod misuse;
mod proofs;
mod refusals;
mod tilings;
