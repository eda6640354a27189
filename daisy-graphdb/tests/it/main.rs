//! The contract of the crate, on every back end.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod memory;
mod questions;
