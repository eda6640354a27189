//! Watching a run.

use std::{fmt, path::PathBuf, time::Duration};

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{Counts, WorkerId};

use crate::{BlockError, RunReport};

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

/// Something that a run says of itself as a whole; its `Display` is a sentence for people.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The first Ctrl-C, or what is heard like it: nothing more is started.
    Interrupted {
        /// The blocks that are at work.
        blocks: usize,
        /// For how long the longest of them has been.
        longest: Duration,
    },
    /// Blocks of an earlier start of the run do not fit into this one, and may still be at work: nothing
    /// is lent until their workers must have ended.
    WaitsForBlocks {
        /// The number of the blocks.
        blocks: u64,
        /// How long that is.
        wait: Duration,
    },
    /// The machine was restarted while an earlier start of the run was at work: nothing is lent until
    /// workers at blocks that the journal may lack must have ended.
    WaitsAfterRestart {
        /// How long that is.
        wait: Duration,
    },
    /// The address of an earlier start of the run, which did not come to its end, is taken: it is waited
    /// for as long as that start's workers look for it.
    WaitsForAddress {
        /// Why the run cannot listen there.
        why: String,
        /// How long that is.
        wait: Duration,
    },
    /// The address of an earlier start of the run is taken, so that none of its workers finds this one.
    NewAddress {
        /// Why the run cannot listen there.
        why: String,
        /// Where it listens now.
        addresses: Vec<String>,
    },
    /// The journal is damaged; what comes before the damage is used.
    JournalDamaged {
        /// The journal.
        journal: PathBuf,
        /// Where the damage begins, in bytes.
        offset: u64,
    },
    /// The journal could not be made shorter; that is tried again later.
    JournalStaysLong {
        /// The journal.
        journal: PathBuf,
        /// What the system says.
        why: String,
    },
    /// No more workers can connect for now.
    NoConnections {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |wait: &Duration| wait.as_millis().div_ceil(1_000);
        match self {
            Self::Interrupted { blocks, longest } => {
                let s = if *blocks == 1 { "" } else { "s" };
                let longest = longest.as_secs_f64();
                write!(
                    f,
                    "interrupted: nothing more is started; waiting for {blocks} block{s} at work, the \
                     longest for {longest:.1} s so far. Press Ctrl-C again to leave at once."
                )
            }
            Self::WaitsForBlocks { blocks, wait } => write!(
                f,
                "{blocks} blocks of an earlier start of this run, which do not fit into this one, may \
                 still be at work; waiting {} s until their workers must have ended",
                seconds(wait)
            ),
            Self::WaitsAfterRestart { wait } => write!(
                f,
                "this machine was restarted, perhaps for want of power, while an earlier start of this \
                 run was at work; blocks that it lent last may still be at work elsewhere without being \
                 in the journal; waiting {} s until their workers must have ended",
                seconds(wait)
            ),
            Self::WaitsForAddress { why, wait } => write!(
                f,
                "{why}; an earlier start of this run listened there and did not come to its end; \
                 trying again for {} s, as long as its workers look for it",
                seconds(wait)
            ),
            Self::NewAddress { why, addresses } => write!(
                f,
                "{why}; this run listens at {} now, where no worker of an earlier start finds it",
                addresses.join(", ")
            ),
            Self::JournalDamaged { journal, offset } => write!(
                f,
                "the journal {} is damaged at byte {offset}; what comes before is used",
                journal.display()
            ),
            Self::JournalStaysLong { journal, why } => write!(
                f,
                "the journal {} could not be made shorter ({why}); nothing is lost, and it is tried \
                 again when it has grown",
                journal.display()
            ),
            Self::NoConnections { why } => {
                write!(f, "no more workers can connect for now: {why}")
            }
        }
    }
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
