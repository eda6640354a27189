//! The dependencies against brute force.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod dependencies;
mod misuse;
mod oracle;
mod sharing;
mod task_graph;
