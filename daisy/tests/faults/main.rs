//! Faults on real processes: servers and workers that are killed, stopped, cut off and lied to.
//!
//! This program is also its own server and its own worker: [`roles`] is what it does when it is entered
//! again. A [`stage::Stage`] is one run with all its processes, of which none outlives it. Whatever
//! happens on it is a line of one file, which only grows ([`history`]): so the order of the lines is the
//! order of what happened, whoever wrote them.

#![cfg(all(unix, feature = "workers"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests may; clippy only exempts test functions"
)]

mod chance;
mod history;
mod plan;
mod records;
mod roles;
/// One way to be left out for the tests of all crates.
#[path = "../../../tests/skipped.rs"]
mod skipped;
mod stage;

mod full_disk;
mod hostile;
mod hosts;
mod interrupt;
mod mayhem;
mod netns;
mod poison;
mod relay;
mod restarts;
mod workers;
