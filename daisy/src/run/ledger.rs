//! What is written down during a run for its report.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{Cause, FailureCause, Stage, TaskEnding, WorkerId};

use super::{call::BlockError, history::History, plain::plain_text, runs::Runs, stats::BlockTimes};

/// How many failures of a run are kept with their causes.
pub(crate) const MAX_FAILURES: usize = 1_000;

/// How many errors are kept on their way through the machine; of more the oldest goes.
const MAX_CAUSES: usize = 100_000;

/// A block that failed for good.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) cell: u64,
    pub(crate) attempts: u32,
    pub(crate) why: BlockError,
}

/// What is written down of one task.
#[derive(Clone, Debug)]
pub(crate) struct TaskLedger {
    pub(crate) failures: Vec<Failed>,
    pub(crate) more_failures: Runs,
    pub(crate) orphans: Runs,
    pub(crate) times: BlockTimes,
    pub(crate) first_check_error: Option<String>,
    pub(crate) mask_errors: u64,
    pub(crate) init_error: Option<String>,
    pub(crate) worker_error: Option<String>,
    pub(crate) workers: Workers,
    pub(crate) history: History,
    pub(crate) ending: Option<TaskEnding>,
    pub(crate) has_started: bool,
}

/// What is written down of the workers of one task outside this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers {
    /// By worker: the place of its process in `cpu_ms`.
    process_of: BTreeMap<WorkerId, usize>,
    /// The places of processes, by host and process id.
    #[cfg_attr(
        not(all(unix, feature = "workers")),
        allow(dead_code, reason = "there are no worker processes in this build")
    )]
    processes: BTreeMap<(String, u32), usize>,
    /// Processor time of each process, as its workers said last.
    cpu_ms: Vec<u64>,
    /// The largest memory of any of them.
    pub(crate) peak_memory_kb: u64,
}

impl Workers {
    /// How many joined.
    pub(crate) fn joined(&self) -> u64 {
        self.process_of.len() as u64
    }

    /// Processor time of all of them.
    pub(crate) fn cpu_time(&self) -> Duration {
        Duration::from_millis(self.cpu_ms.iter().fold(0, |sum, &cpu| sum.saturating_add(cpu)))
    }

    /// In how many processes they were.
    pub(crate) fn num_processes(&self) -> u64 {
        self.cpu_ms.len() as u64
    }
}

/// What is written down of all tasks, and the errors on their way through the machine. What a terminal
/// would obey in a text does not come further than here.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) tasks: Vec<TaskLedger>,
    causes: BTreeMap<u64, BlockError>,
    next_cause: u64,
    num_failures: usize,
    /// Connections that this side closed: wrong keys, nonsense, workers given up.
    pub(crate) closed_lines: u64,
}

impl Ledger {
    pub(crate) fn new(num_tasks: usize) -> Self {
        let task = TaskLedger {
            failures: Vec::new(),
            more_failures: Runs::default(),
            orphans: Runs::default(),
            times: BlockTimes::new(),
            first_check_error: None,
            mask_errors: 0,
            init_error: None,
            worker_error: None,
            workers: Workers::default(),
            history: History::default(),
            ending: None,
            has_started: false,
        };
        // Number 0 stands for "no text".
        let causes = BTreeMap::new();
        Self {
            tasks: vec![task; num_tasks],
            causes,
            next_cause: 1,
            num_failures: 0,
            closed_lines: 0,
        }
    }

    pub(crate) fn task(&mut self, task: TaskId) -> &mut TaskLedger {
        &mut self.tasks[task.index()]
    }

    /// Keeps an error until the machine says what became of its block.
    pub(crate) fn keep(&mut self, error: BlockError) -> Cause {
        let error = error.map_text(plain_text);
        let cause = Cause(self.next_cause);
        self.next_cause += 1;
        if self.causes.len() >= MAX_CAUSES {
            // Of deaths that cost no block anything: nobody asks for those.
            self.causes.pop_first();
        }
        self.causes.insert(cause.0, error);
        cause
    }

    /// Keeps the error of a check: one after a block until the machine says what became of the block,
    /// of those before a block the first.
    pub(crate) fn keep_check_error(&mut self, key: BlockKey, stage: Stage, error: String) -> Cause {
        if stage == Stage::After {
            return self.keep(BlockError::CheckFailed(error));
        }
        self.note_check_error(key.task, error);
        Cause::default()
    }

    /// Keeps the first error of the checks before blocks, and masks, of a task.
    pub(crate) fn note_check_error(&mut self, task: TaskId, error: String) {
        self.task(task).first_check_error.get_or_insert_with(|| plain_text(error));
    }

    /// Why no worker of a task could be started, or how the last one ended.
    pub(crate) fn note_worker_error(&mut self, task: TaskId, error: String) {
        self.task(task).worker_error = Some(plain_text(error));
    }

    /// The error behind what the machine says, which is not needed any more.
    pub(crate) fn take(&mut self, why: FailureCause) -> BlockError {
        match why {
            FailureCause::Reported(cause) | FailureCause::CheckRaised(cause) => {
                self.causes.remove(&cause.0).unwrap_or(BlockError::WorkerLost)
            }
            FailureCause::TimedOut => BlockError::TimedOut,
            FailureCause::NotDone => BlockError::NotDone,
            FailureCause::CheckTimedOut => BlockError::CheckTimedOut,
            FailureCause::WorkerDied(cause) => {
                self.causes.remove(&cause.0).unwrap_or(BlockError::WorkerLost)
            }
            FailureCause::WorkerVanished => BlockError::WorkerLost,
        }
    }

    /// Writes down a block that failed for good.
    pub(crate) fn fail(&mut self, key: BlockKey, attempts: u32, why: BlockError) {
        let task = &mut self.tasks[key.task.index()];
        if self.num_failures < MAX_FAILURES {
            self.num_failures += 1;
            task.failures.push(Failed { cell: key.cell, attempts, why });
        } else {
            task.more_failures.insert(key.cell..key.cell + 1);
        }
    }

    pub(crate) fn orphan(&mut self, task: TaskId, cells: Range<u64>) {
        self.task(task).orphans.insert(cells);
    }

    /// A worker outside this process joined, or is back.
    #[cfg(all(unix, feature = "workers"))]
    pub(crate) fn note_joined(&mut self, task: TaskId, worker: WorkerId, process: (String, u32)) {
        let Workers { process_of, processes, cpu_ms, .. } = &mut self.task(task).workers;
        let place = *processes.entry(process).or_insert_with(|| {
            cpu_ms.push(0);
            cpu_ms.len() - 1
        });
        process_of.insert(worker, place);
    }

    /// What a worker's process has used so far.
    #[cfg(all(unix, feature = "workers"))]
    pub(crate) fn note_used(&mut self, task: TaskId, worker: WorkerId, peak_kb: u64, cpu_ms: u64) {
        let workers = &mut self.task(task).workers;
        workers.peak_memory_kb = workers.peak_memory_kb.max(peak_kb);
        let place = workers.process_of.get(&worker);
        if let Some(known) = place.and_then(|&place| workers.cpu_ms.get_mut(place)) {
            *known = cpu_ms.max(*known);
        }
    }

    /// A connection was closed by this side.
    #[cfg(all(unix, feature = "workers"))]
    pub(crate) const fn note_closed(&mut self) {
        self.closed_lines += 1;
    }
}
