//! The scheduler against brute force and against a naive model of itself.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod coordinator;
mod misuse;
mod operations;
#[path = "../../../daisy-graph/tests/it/oracle.rs"]
mod oracle;
mod runs;
mod wide;
