//! What came of a run.

mod build;
mod json;
mod table;

use std::{fmt, ops::Range, time::Duration};

use daisy_block::{BlockKey, TaskId};
use daisy_geometry::Roi;
use daisy_sched::Counts;

pub(crate) use self::build::build;
#[cfg(feature = "progress")]
pub(crate) use self::table::short;
use crate::BlockError;

/// How a run ended as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunOutcome {
    /// Every block asked for is completed or skipped.
    Success,
    /// Some block is not.
    Failed,
    /// Ctrl-C ended the run before it was complete.
    Interrupted,
}

/// Everything there is to know about a run that is over.
///
/// `Display` gives a table; [`to_json`](Self::to_json) everything.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunReport {
    /// How it ended.
    pub outcome: RunOutcome,
    /// The tasks, upstream first.
    pub tasks: Vec<TaskSummary>,
    /// From the start of the run to its end.
    pub wall_time: Duration,
    /// Whether blocks that can never run were all found and counted as orphaned; else those not
    /// found are pending.
    pub has_all_orphans: bool,
    /// Connections that this side closed: of peers with a wrong key, or that talked nonsense, and of
    /// workers that were given up.
    pub closed_connections: u64,
    /// Whether SIGTERM or SIGHUP stopped it, not Ctrl-C.
    pub is_terminated: bool,
    /// Events that observers did not get because they were slower than the run.
    pub dropped_events: u64,
}

/// What came of one task.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskSummary {
    /// The number of the task in this run: the `task` of its blocks' keys.
    pub id: TaskId,
    /// Its name.
    pub name: String,
    /// Its blocks by state.
    pub counts: Counts,
    /// Why it ended.
    pub ending: Ending,
    /// Failed attempts, those of blocks that came through later included.
    pub failed_attempts: u64,
    /// Attempts that failed because they took too long.
    pub timeouts: u64,
    /// Checks before a block, or of a region, that failed or took too long; their blocks were run.
    pub failed_checks: u64,
    /// What the first of these said.
    pub first_check_error: Option<String>,
    /// Calls of the block function.
    pub num_calls: u64,
    /// The time that half of the calls did not exceed, to within 1.6 %.
    pub median_time: Option<Duration>,
    /// The time that 95 % of the calls did not exceed, to within 1.6 %.
    pub p95_time: Option<Duration>,
    /// All calls together.
    pub busy_time: Duration,
    /// The workers outside this process that took part; None where there could be none.
    pub workers: Option<WorkerSummary>,
    /// The version of the task's code: see [`TaskBuilder::version`](crate::TaskBuilder::version).
    pub version: Option<String>,
    /// Blocks that other versions finished in earlier starts of the run, oldest first.
    pub earlier: Vec<EarlierVersion>,
    /// Workers that outlived an earlier start with other code, and so were ended.
    pub outdated_workers: u64,
    /// The ten slowest calls, slowest first.
    pub slowest: Vec<SlowBlock>,
    /// Blocks that failed for good, as they came; the first 1,000 of the run.
    pub failures: Vec<FailedBlock>,
    /// The cells of all further blocks that failed for good, ascending.
    pub more_failures: Vec<Range<u64>>,
    /// The cells of the blocks that can never run because they wait for one that failed, ascending.
    pub orphans: Vec<Range<u64>>,
}

/// The workers of a task outside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerSummary {
    /// How many joined; one that came back after a broken connection is the same one.
    pub joined: u64,
    /// In how many processes: several clients may share one.
    pub processes: u64,
    /// The largest memory that the process of any of them used, as far as they told, in KiB.
    pub peak_memory_kb: u64,
    /// Processor time of all these processes, as their workers told last.
    pub cpu_time: Duration,
}

/// What another version of a task's code finished.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EarlierVersion {
    /// The version; None where nobody said.
    pub version: Option<String>,
    /// How many blocks.
    pub blocks: u64,
}

impl fmt::Display for EarlierVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks by {}", self.blocks, version_text(self.version.as_deref()))
    }
}

/// That not all was made by the version of now, as people read it, and what was not.
pub(crate) fn made_by_others(version: Option<&str>, earlier: &[EarlierVersion]) -> String {
    let all: Vec<String> = earlier.iter().map(ToString::to_string).collect();
    format!("made by {}: {}", version_text(version), all.join(", "))
}

fn version_text(version: Option<&str>) -> String {
    version.map_or_else(|| "code of no version".to_owned(), |text| format!("version '{text}'"))
}

/// Why nothing more happens in a task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Every block that can run has run.
    Finished,
    /// As many blocks failed for good as `max_failed_blocks` allows.
    TooManyFailedBlocks,
    /// The init callback failed; its error.
    InitFailed(String),
    /// No worker could be started for it, or too many in a row ended before they took a block; the last
    /// error.
    NoWorkers(String),
    /// Ctrl-C.
    Interrupted,
    /// The run could not go on.
    Abandoned,
}

/// A call that took long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowBlock {
    /// The block.
    pub block: BlockKey,
    /// What it reads.
    pub read_roi: Roi,
    /// What it writes.
    pub write_roi: Roi,
    /// How long the call took.
    pub time: Duration,
}

/// A block that failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedBlock {
    /// The block.
    pub block: BlockKey,
    /// Its Cantor number, where that fits.
    pub block_id: Option<u128>,
    /// What it reads.
    pub read_roi: Roi,
    /// What it writes.
    pub write_roi: Roi,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub why: BlockError,
}

impl RunReport {
    /// Whether every block asked for is completed or skipped.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.outcome == RunOutcome::Success
    }

    /// What a command that made this run should exit with: 0 after a success, 1 after a failure, 130
    /// after Ctrl-C, 143 after SIGTERM or SIGHUP.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self.outcome {
            RunOutcome::Success => 0,
            RunOutcome::Failed => 1,
            RunOutcome::Interrupted if self.is_terminated => 143,
            RunOutcome::Interrupted => 130,
        }
    }

    /// The summary of a task; None if it was not part of the run.
    #[must_use]
    pub fn task(&self, name: &str) -> Option<&TaskSummary> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// All calls of block functions together; over the wall time, that is how many threads worked.
    #[must_use]
    pub fn busy_time(&self) -> Duration {
        self.tasks.iter().map(|task| task.busy_time).sum()
    }
}
