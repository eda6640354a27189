//! What can be wrong with a call to a scheduler; no call ever panics or changes a count by mistake.

use core::fmt;

use daisy_block::{BlockKey, TaskId};

/// Why a scheduler refuses a call.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchedulerError {
    /// A task that the scheduler does not have.
    UnknownTask {
        /// The id that came.
        task: TaskId,
        /// How many tasks there are.
        num_tasks: usize,
    },
    /// A block that does not exist, or that was not asked for.
    UnknownBlock {
        /// The key that came.
        block: BlockKey,
    },
    /// A block that is not in the state that the call needs: a block that nobody acquired, a second
    /// release, a second start.
    WrongState {
        /// The block.
        block: BlockKey,
        /// The state that the call needs.
        expected: &'static str,
    },
    /// More blocks in one task than a scheduler can hold.
    TooManyBlocks {
        /// The task.
        task: TaskId,
        /// The largest number of blocks.
        limit: u64,
    },
    /// A block that reads more upstream blocks than can be counted.
    TooManyInputs {
        /// The task of that block.
        task: TaskId,
        /// The largest number of inputs of one block.
        limit: u64,
    },
    /// A requested ROI with another number of axes than its task.
    RequestDims {
        /// The task.
        task: TaskId,
        /// Axes of the task.
        expected: usize,
        /// Axes of the ROI.
        found: usize,
    },
    /// Requested ROIs that cut each other into millions of parts.
    RequestTooFine {
        /// The task.
        task: TaskId,
    },
    /// An answer to a question that is not open.
    NoSuchQuestion {
        /// The task that the answer is about.
        task: TaskId,
    },
}

impl fmt::Display for SchedulerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTask { task, num_tasks } => {
                write!(f, "there is no task {task}; the scheduler has {num_tasks} tasks")
            }
            Self::UnknownBlock { block } => {
                write!(f, "there is no block {block} in this run; pass back what acquire gave")
            }
            Self::WrongState { block, expected } => {
                write!(
                    f,
                    "block {block} is not {expected}: it is finished, waits for others, or nobody has it"
                )
            }
            Self::TooManyBlocks { task, limit } => {
                write!(f, "task {task} has more than {limit} blocks; use a larger write_roi")
            }
            Self::TooManyInputs { task, limit } => write!(
                f,
                "a block of task {task} waits for more than {limit} blocks; use larger upstream blocks"
            ),
            Self::RequestDims { task, expected, found } => write!(
                f,
                "the requested ROI of task {task} has {found} axes; its blocks have {expected}"
            ),
            Self::RequestTooFine { task } => write!(
                f,
                "the requested ROIs of task {task} cut each other into millions of parts; request fewer, or one \
                 that holds them"
            ),
            Self::NoSuchQuestion { task } => {
                write!(
                    f,
                    "task {task} has no such open question; answer each question once, as asked"
                )
            }
        }
    }
}

impl core::error::Error for SchedulerError {}
