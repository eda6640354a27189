//! The contract of the crate, on every back end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests are tests")]

#[cfg(feature = "postgres")]
mod cluster;
#[cfg(feature = "sqlite")]
mod funlib;
#[cfg(feature = "sqlite")]
mod interop;
mod memory;
#[cfg(feature = "mongodb")]
mod mongo;
#[cfg(feature = "mongodb")]
mod mongo_aside;
#[cfg(feature = "mongodb")]
mod mongo_fake;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mongodb"))]
mod processes;
/// One environment for the tests of all crates.
#[cfg(feature = "sqlite")]
#[path = "../../../daisy-array/tests/it/python.rs"]
mod python;
mod questions;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
/// One way to be left out for the tests of all crates.
#[path = "../../../tests/skipped.rs"]
mod skipped;
#[cfg(feature = "sqlite")]
mod sqlite;
