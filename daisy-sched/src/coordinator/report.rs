//! What a coordinator remembers about a task besides its counts.

use super::{Cause, TaskEnding};
use crate::Counts;

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskReport {
    /// Its blocks by state.
    pub counts: Counts,
    /// Why nothing more of it is handed out although there may be more; what is out may finish.
    pub stop: Option<TaskEnding>,
    /// Why it ended; None while it runs.
    pub ending: Option<TaskEnding>,
    /// Failed attempts, those of blocks that came through later included.
    pub failed_attempts: u64,
    /// Attempts that failed because they took too long.
    pub timeouts: u64,
    /// Checks before a block that failed or took too long; their blocks were run.
    pub failed_checks: u64,
    /// What the first check that failed said.
    pub first_check_error: Option<Cause>,
    /// Workers that joined and have not ended.
    pub workers: u32,
    /// Started workers that ended before they took a block, since one got that far.
    pub early_ends: u32,
}
