//! The contract of the crate, on every back end.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[cfg(feature = "sqlite")]
mod funlib;
mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod processes;
mod questions;
#[cfg(feature = "sqlite")]
mod sqlite;
