//! Runs in process, from the outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests may; clippy only exempts test functions"
)]

#[cfg(feature = "arrays")]
mod arrays;
mod support;

mod checks;
#[cfg(unix)]
mod clients;
mod failures;
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
#[cfg(unix)]
mod resume;
mod runs;
mod tasks;
mod wide;
