//! From what was written down to the report.

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{TaskEnding, TaskReport};

use super::{Ending, FailedBlock, RunOutcome, RunReport, SlowBlock, TaskSummary, WorkerSummary};
use crate::run::{Failed, Machine, Pipeline, TaskLedger, Workers};

/// The report of a run that is over.
pub(crate) fn build(
    pipeline: &Pipeline,
    machine: &Machine,
    dropped_events: u64,
    has_all_orphans: bool,
) -> RunReport {
    let standing = machine.standing();
    let tasks = pipeline.tasks().zip(&machine.ledger.tasks).zip(standing.tasks());
    let tasks: Vec<TaskSummary> =
        tasks.map(|(((id, _), ledger), report)| summary(pipeline, id, report, ledger)).collect();
    let is_complete = tasks.iter().all(|task| task.counts.is_success());
    let outcome = if is_complete {
        RunOutcome::Success
    } else if standing.is_draining() {
        RunOutcome::Interrupted
    } else {
        RunOutcome::Failed
    };
    let wall_time = machine.wall_time();
    let closed_connections = machine.ledger.closed_lines;
    RunReport {
        outcome,
        tasks,
        wall_time,
        has_all_orphans,
        closed_connections,
        is_terminated: false,
        dropped_events,
    }
}

fn summary(
    pipeline: &Pipeline,
    id: TaskId,
    report: &TaskReport,
    ledger: &TaskLedger,
) -> TaskSummary {
    let times = &ledger.times;
    let slow = |&(time, block): &_| {
        let at = pipeline.block(block)?;
        Some(SlowBlock { block, read_roi: at.read_roi, write_roi: at.write_roi, time })
    };
    TaskSummary {
        id,
        name: pipeline.task(id).name().to_owned(),
        counts: report.counts,
        ending: ending(ledger),
        failed_attempts: report.failed_attempts,
        timeouts: report.timeouts,
        failed_checks: report.failed_checks + ledger.mask_errors,
        first_check_error: ledger.first_check_error.clone(),
        num_calls: times.count(),
        median_time: times.quantile(50),
        p95_time: times.quantile(95),
        busy_time: times.total(),
        workers: workers(&ledger.workers),
        version: pipeline.task(id).0.version.clone(),
        earlier: ledger.history.earlier.clone(),
        outdated_workers: ledger.history.outdated_workers,
        slowest: times.slowest().iter().filter_map(slow).collect(),
        failures: ledger
            .failures
            .iter()
            .filter_map(|failed| failure(pipeline, id, failed))
            .collect(),
        more_failures: ledger.more_failures.to_vec(),
        orphans: ledger.orphans.to_vec(),
    }
}

fn workers(workers: &Workers) -> Option<WorkerSummary> {
    (workers.joined() > 0).then(|| WorkerSummary {
        joined: workers.joined(),
        processes: workers.num_processes(),
        peak_memory_kb: workers.peak_memory_kb,
        cpu_time: workers.cpu_time(),
    })
}

fn failure(pipeline: &Pipeline, task: TaskId, failed: &Failed) -> Option<FailedBlock> {
    let block = BlockKey::new(task, failed.cell);
    let at = pipeline.block(block)?;
    Some(FailedBlock {
        block,
        block_id: at.block_id().ok(),
        read_roi: at.read_roi,
        write_roi: at.write_roi,
        attempts: failed.attempts,
        why: failed.why.clone(),
    })
}

fn ending(ledger: &TaskLedger) -> Ending {
    match ledger.ending {
        Some(TaskEnding::Finished) => Ending::Finished,
        Some(TaskEnding::TooManyFailedBlocks) => Ending::TooManyFailedBlocks,
        Some(TaskEnding::WorkersFail(_)) => {
            Ending::NoWorkers(ledger.worker_error.clone().unwrap_or_default())
        }
        Some(TaskEnding::Drained) => Ending::Interrupted,
        Some(TaskEnding::Abandoned) | None => match &ledger.init_error {
            Some(error) => Ending::InitFailed(error.clone()),
            None => Ending::Abandoned,
        },
    }
}
