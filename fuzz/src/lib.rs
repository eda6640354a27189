//! What must hold whatever the bytes are: one function for each fuzz target.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a finding is a panic")]

mod api;
mod coordinator;
#[path = "../../daisy-graph/tests/it/dependencies.rs"]
#[allow(dead_code, unused_imports, reason = "the strategies are for the property tests")]
mod dependencies;
mod frame;
mod journal;
#[path = "../../daisy-sched/tests/it/operations.rs"]
#[allow(dead_code, unused_imports, reason = "the strategies are for the property tests")]
mod operations_test;
#[path = "../../daisy-graph/tests/it/oracle.rs"]
#[allow(dead_code, unused_imports, reason = "the strategies are for the property tests")]
mod oracle;
mod pipelines;
mod roi;
#[path = "../../daisy-sched/tests/it/runs.rs"]
#[allow(dead_code, unused_imports, reason = "the strategies are for the property tests")]
mod runs;
mod session;

pub use api::{api, api_calls};
pub use coordinator::coordinator;
pub use frame::frame;
pub use journal::journal;
pub use pipelines::{graph, operations, scheduler};
pub use roi::roi;
pub use session::session;
