//! Runs in process, from the outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests may; clippy only exempts test functions"
)]

#[cfg(feature = "arrays")]
mod arrays;
/// One way to be left out for the tests of all crates.
#[cfg(unix)]
#[path = "../../../tests/skipped.rs"]
mod skipped;
mod support;

mod checks;
#[cfg(unix)]
mod clients;
mod failures;
#[cfg(all(unix, feature = "workers"))]
mod files;
#[cfg(feature = "planted-faults")]
mod internal;
#[cfg(unix)]
mod interrupt;
#[cfg(all(unix, feature = "workers", feature = "graphs"))]
mod marks;
mod options;
#[cfg(unix)]
mod output;
#[cfg(unix)]
mod outside;
#[cfg(all(unix, feature = "workers"))]
mod ports;
#[cfg(unix)]
mod resume;
mod runs;
mod tasks;
mod wide;
