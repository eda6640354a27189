//! Watching a run.

use std::path::PathBuf;

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{Counts, WorkerId};

use crate::{BlockError, Notice, RunReport};

/// What there is to know about a task when a run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedTask {
    /// Its number in this run.
    pub id: TaskId,
    /// Its name.
    pub name: String,
    /// The blocks asked for.
    pub num_blocks: u64,
}

/// What became of a block, or of an attempt at it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockEvent {
    /// It is completed.
    Completed,
    /// It was found done before it was run.
    Skipped,
    /// It takes longer than its time limit; what becomes of it is told when its function returns.
    Overdue,
    /// The attempt failed; it will be tried again.
    Retry {
        /// Failed attempts so far.
        attempts: u32,
        /// Why this one failed.
        why: BlockError,
    },
    /// It failed for good.
    Failed {
        /// Failed attempts.
        attempts: u32,
        /// Why the last one failed.
        why: BlockError,
    },
    /// It was given back unbegun and is ready again.
    PutBack,
}

/// Something that a worker process wrote to its standard output or error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerLine {
    /// The task that it works for.
    pub task: TaskId,
    /// Its number in the run, by which its file is named.
    pub worker: WorkerId,
    /// What it wrote.
    pub said: Said,
}

/// What is shown of a worker's output.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A line, at most 1 KiB of it, without its end; what is not UTF-8 is replaced, and there are no
    /// control characters or escape sequences in it.
    Line(String),
    /// It wrote more than is shown.
    LeftOut {
        /// So much.
        bytes: u64,
        /// Where everything stands.
        log: PathBuf,
    },
}

/// Is told what happens in a run; every method does nothing by default.
///
/// The methods are called one after the other on a thread of their own, never on a worker, through
/// a queue of [`EVENT_QUEUE`] events. An observer that is slower than the run loses events, which
/// the report counts ([`RunReport::dropped_events`]); it never holds up the run. Counts told by
/// [`progress`](Self::progress) are always right. An observer that panics hears no more.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use daisy::{BlockEvent, BlockKey, Observer, Roi, RunOptions, Task};
///
/// #[derive(Default)]
/// struct Failures(Arc<Mutex<Vec<String>>>);
///
/// impl Observer for Failures {
///     fn block_settled(&mut self, block: BlockKey, event: &BlockEvent) {
///         if let BlockEvent::Failed { why, .. } = event {
///             self.0.lock().unwrap().push(format!("{block}: {why}"));
///         }
///     }
/// }
///
/// let block = Roi::new([0], [10])?;
/// let task = Task::builder("fails", Roi::new([0], [10])?, block.clone(), block)
///     .max_retries(0)
///     .process(|_| Err("no"))
///     .build()?;
/// let failures = Failures::default();
/// let seen = failures.0.clone();
/// let report = RunOptions::new().observer(failures).run(&[task])?;
/// assert!(!report.is_success());
/// assert_eq!(*seen.lock().unwrap(), ["#0/0: no"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[allow(unused_variables, reason = "the names of unused arguments are part of the documentation")]
pub trait Observer: Send {
    /// Whether [`block_granted`](Self::block_granted) and [`block_settled`](Self::block_settled)
    /// are wanted; asked once. Without them a run of very short blocks is faster.
    fn wants_blocks(&self) -> bool {
        true
    }

    /// Whether [`block_settled`](Self::block_settled) is wanted for attempts that fail
    /// ([`BlockEvent::Retry`], [`BlockEvent::Failed`]), also where nothing else of blocks is; asked once.
    fn wants_failures(&self) -> bool {
        self.wants_blocks()
    }

    /// Whether [`noticed`](Self::noticed) is wanted; if no observer wants it, notices are written to
    /// standard error.
    fn wants_notices(&self) -> bool {
        false
    }

    /// The run has something to say of itself; also before [`run_started`](Self::run_started).
    fn noticed(&mut self, notice: &Notice) {}

    /// The run begins with these tasks, upstream first.
    fn run_started(&mut self, tasks: &[ObservedTask]) {}

    /// The first block of a task was handed out.
    fn task_started(&mut self, task: TaskId) {}

    /// A block was handed out; `attempt` counts from 1.
    fn block_granted(&mut self, block: BlockKey, attempt: u32) {}

    /// Something became of a block.
    fn block_settled(&mut self, block: BlockKey, event: &BlockEvent) {}

    /// Whether [`worker_said`](Self::worker_said) is wanted; if nobody wants it, the files of the workers
    /// are not read.
    fn wants_output(&self) -> bool {
        false
    }

    /// A worker process that the run started has written something: a few times a second, at most twenty
    /// of its newest lines each time. Everything stands in its file ([`RunOptions::logs`]).
    ///
    /// [`RunOptions::logs`]: crate::RunOptions::logs
    fn worker_said(&mut self, line: &WorkerLine) {}

    /// Nothing more will happen in a task.
    fn task_ended(&mut self, task: TaskId) {}

    /// The counts of all tasks, by their numbers: about ten times a second, and once at the end.
    fn progress(&mut self, counts: &[Counts]) {}

    /// The run is over. Always told, and last.
    fn run_ended(&mut self, report: &RunReport) {}
}

/// How many events may wait for observers; more are dropped and counted.
pub const EVENT_QUEUE: usize = 8_192;

/// What goes through the queue.
pub(crate) enum Event {
    /// From now on there are tasks, and counts to be asked for.
    Started {
        tasks: Vec<ObservedTask>,
        counts: Box<dyn Fn() -> Vec<Counts> + Send>,
    },
    Noticed(Notice),
    TaskStarted {
        task: TaskId,
    },
    Granted {
        key: BlockKey,
        attempt: u32,
    },
    Completed {
        key: BlockKey,
    },
    Skipped {
        key: BlockKey,
    },
    Overdue {
        key: BlockKey,
    },
    Retry {
        key: BlockKey,
        attempts: u32,
        why: BlockError,
    },
    Failed {
        key: BlockKey,
        attempts: u32,
        why: BlockError,
    },
    PutBack {
        key: BlockKey,
    },
    #[cfg_attr(
        not(all(unix, feature = "workers")),
        allow(dead_code, reason = "there are no worker processes in this build")
    )]
    Said(WorkerLine),
    TaskEnded {
        task: TaskId,
    },
    Ended {
        report: Box<RunReport>,
        counts: Vec<Counts>,
    },
}
