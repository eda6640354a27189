//! The report as JSON.

use std::{ops::Range, time::Duration};

use daisy_geometry::{Coordinate, Roi};
use daisy_sched::Counts;
use serde_json::{Value, json};

use super::{
    EarlierVersion, Ending, FailedBlock, RunOutcome, RunReport, SlowBlock, TaskSummary,
    WorkerSummary,
};

impl RunReport {
    /// Everything in the report as one JSON object.
    ///
    /// Times are seconds, ROIs are `{"offset": [...], "shape": [...]}`, stretches of cells are pairs
    /// `[begin, end)`, and block ids are texts since they may be larger than numbers in JSON.
    ///
    /// ```
    /// use daisy::{Roi, RunOptions, Task};
    /// let block = Roi::new([0], [10])?;
    /// let task = Task::builder("fill", Roi::new([0], [30])?, block.clone(), block)
    ///     .process(|_| ())
    ///     .build()?;
    /// let json = RunOptions::new().run(&[task])?.to_json();
    /// assert!(json.contains(r#""completed":3"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let outcome = match self.outcome {
            RunOutcome::Success => "success",
            RunOutcome::Failed => "failed",
            RunOutcome::Interrupted => "interrupted",
        };
        json!({
            "outcome": outcome,
            "exit_code": self.exit_code(),
            "wall_s": self.wall_time.as_secs_f64(),
            "busy_s": self.busy_time().as_secs_f64(),
            "has_all_orphans": self.has_all_orphans,
            "closed_connections": self.closed_connections,
            "dropped_events": self.dropped_events,
            "tasks": self.tasks.iter().map(task).collect::<Vec<_>>(),
        })
        .to_string()
    }
}

fn task(task: &TaskSummary) -> Value {
    json!({
        "name": task.name,
        "counts": counts(&task.counts),
        "ending": ending(&task.ending),
        "failed_attempts": task.failed_attempts,
        "timeouts": task.timeouts,
        "failed_checks": task.failed_checks,
        "first_check_error": task.first_check_error,
        "num_calls": task.num_calls,
        "median_s": task.median_time.map(|time| time.as_secs_f64()),
        "p95_s": task.p95_time.map(|time| time.as_secs_f64()),
        "busy_s": task.busy_time.as_secs_f64(),
        "workers": task.workers.as_ref().map(workers),
        "version": task.version,
        "earlier": task.earlier.iter().map(earlier).collect::<Vec<_>>(),
        "outdated_workers": task.outdated_workers,
        "slowest": task.slowest.iter().map(slow_block).collect::<Vec<_>>(),
        "failures": task.failures.iter().map(failed_block).collect::<Vec<_>>(),
        "more_failures": stretches(&task.more_failures),
        "orphans": stretches(&task.orphans),
    })
}

fn workers(workers: &WorkerSummary) -> Value {
    json!({
        "joined": workers.joined,
        "processes": workers.processes,
        "peak_memory_kb": workers.peak_memory_kb,
        "cpu_s": workers.cpu_time.as_secs_f64(),
    })
}

fn earlier(earlier: &EarlierVersion) -> Value {
    json!({ "version": earlier.version, "blocks": earlier.blocks })
}

fn counts(counts: &Counts) -> Value {
    json!({
        "total": counts.total,
        "ready": counts.ready,
        "processing": counts.processing,
        "completed": counts.completed,
        "skipped": counts.skipped,
        "failed": counts.failed,
        "orphaned": counts.orphaned,
        "pending": counts.pending,
    })
}

fn ending(ending: &Ending) -> Value {
    let (kind, error) = match ending {
        Ending::Finished => ("finished", None),
        Ending::TooManyFailedBlocks => ("too_many_failed_blocks", None),
        Ending::InitFailed(error) => ("init_failed", Some(error)),
        Ending::NoWorkers(error) => ("no_workers", Some(error)),
        Ending::Interrupted => ("interrupted", None),
        Ending::Abandoned => ("abandoned", None),
    };
    json!({ "kind": kind, "error": error })
}

fn slow_block(slow: &SlowBlock) -> Value {
    json!({
        "cell": slow.block.cell,
        "read_roi": roi(&slow.read_roi),
        "write_roi": roi(&slow.write_roi),
        "time_s": seconds(slow.time),
    })
}

fn failed_block(failed: &FailedBlock) -> Value {
    json!({
        "cell": failed.block.cell,
        "block_id": failed.block_id.map(|id| id.to_string()),
        "read_roi": roi(&failed.read_roi),
        "write_roi": roi(&failed.write_roi),
        "attempts": failed.attempts,
        "why": failed.why.to_string(),
    })
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn stretches(cells: &[Range<u64>]) -> Value {
    cells.iter().map(|cells| json!([cells.start, cells.end])).collect()
}

fn roi(roi: &Roi) -> Value {
    let axes = |of: Option<Coordinate>| of.map(|axes| axes.to_vec());
    json!({ "offset": axes(roi.offset()), "shape": axes(roi.shape()) })
}
