//! Journals against a naive model, against every cut and every flipped bit, and against their own past.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod damage;
mod files;
mod forgetting;
mod golden;
mod limits;
mod misuse;
mod model;
#[path = "../../../daisy-graph/tests/it/oracle.rs"]
#[allow(dead_code, reason = "levels and conflicts are for the graph's own tests")]
mod oracle;
mod origins;
mod random;
mod refused;
mod tasks;
