//! What can be wrong with an input or a configuration; nothing is changed by an input that is refused.

use alloc::string::String;
use core::fmt;

use daisy_block::TaskId;

use super::{CheckId, LeaseId, Misfit, WorkerId};
use crate::SchedulerError;

/// Why a coordinator refuses an input or a configuration.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorError {
    /// A task that there is not.
    UnknownTask {
        /// The id that came.
        task: TaskId,
        /// How many tasks there are.
        num_tasks: usize,
    },
    /// A worker that was never named, or has ended.
    UnknownWorker {
        /// The id that came.
        worker: WorkerId,
    },
    /// A worker that is not in the state that the input needs.
    WorkerState {
        /// The worker.
        worker: WorkerId,
        /// The state that the input needs.
        expected: &'static str,
    },
    /// A worker that was started for one task joins another.
    WrongTask {
        /// The worker.
        worker: WorkerId,
        /// The task it was started for.
        expected: TaskId,
        /// The task it joins.
        found: TaskId,
    },
    /// A lease that was never granted.
    UnknownLease {
        /// The id that came.
        lease: LeaseId,
    },
    /// A lease that belongs to another worker.
    NotYourLease {
        /// The lease.
        lease: LeaseId,
        /// Whose it is.
        holder: WorkerId,
        /// Who spoke of it.
        worker: WorkerId,
    },
    /// A check that was never asked for.
    UnknownCheck {
        /// The id that came.
        check: CheckId,
    },
    /// An epoch that does not fit into 24 bits.
    EpochTooLarge {
        /// The epoch.
        epoch: u32,
    },
    /// More task configurations than tasks.
    TooManyTasks {
        /// How many tasks there are.
        num_tasks: usize,
        /// How many configurations came.
        found: usize,
    },
    /// A task needs a resource that the configuration does not name.
    UnknownResource {
        /// The task.
        task: TaskId,
        /// The resource.
        resource: String,
    },
    /// A block needs more of a resource than there is, so that none could ever run.
    NeedTooLarge {
        /// The task.
        task: TaskId,
        /// The resource.
        resource: String,
        /// What one block needs.
        needed: u64,
        /// What there is in all.
        total: u64,
    },
    /// A lease of an earlier epoch that cannot be taken up.
    BadAdoption {
        /// The lease.
        lease: LeaseId,
        /// What is wrong with it.
        why: Misfit,
    },
    /// A scheduler of which blocks were acquired already, other than those adopted.
    BlocksOut {
        /// Their task.
        task: TaskId,
    },
    /// What the scheduler refuses.
    Scheduler(SchedulerError),
}

impl fmt::Display for CoordinatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTask { task, num_tasks } => {
                write!(f, "there is no task {task}; this run has {num_tasks} tasks")
            }
            Self::UnknownWorker { worker } => {
                write!(f, "there is no worker {worker} any more; let it end")
            }
            Self::WorkerState { worker, expected } => {
                write!(f, "worker {worker} is not {expected}")
            }
            Self::WrongTask { worker, expected, found } => {
                write!(f, "worker {worker} was started for task {expected}, not for task {found}")
            }
            Self::UnknownLease { lease } => {
                write!(f, "lease {lease} was never granted; pass back what the grant said")
            }
            Self::NotYourLease { lease, holder, worker } => {
                write!(f, "lease {lease} belongs to worker {holder}, not to {worker}")
            }
            Self::UnknownCheck { check } => {
                write!(f, "check {check} was never asked for; answer with the number that came")
            }
            Self::BadAdoption { lease, why } => {
                write!(f, "lease {lease} cannot be taken over from an earlier epoch: {why}")
            }
            Self::EpochTooLarge { epoch } => {
                write!(f, "epoch {epoch} does not fit into 24 bits; start a new run")
            }
            Self::TooManyTasks { num_tasks, found } => {
                write!(f, "{found} tasks are configured but the scheduler has {num_tasks}")
            }
            Self::UnknownResource { task, resource } => write!(
                f,
                "task {task} needs {resource:?}; say in `resources` how much of it there is"
            ),
            Self::NeedTooLarge { task, resource, needed, total } => write!(
                f,
                "a block of task {task} needs {needed} of {resource:?} but there are only {total}"
            ),
            Self::BlocksOut { task } => write!(
                f,
                "blocks of task {task} were acquired already; hand over a scheduler nobody took from"
            ),
            Self::Scheduler(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CoordinatorError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Scheduler(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SchedulerError> for CoordinatorError {
    fn from(error: SchedulerError) -> Self {
        Self::Scheduler(error)
    }
}
