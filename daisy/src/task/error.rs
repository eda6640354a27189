//! What can be wrong with a task.

use std::{error::Error, fmt, time::Duration};

use daisy_block::LayoutError;

/// Why a task cannot be built: the field, what came, and what to do.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskError {
    /// The name is empty.
    EmptyName,
    /// The name is longer than [`TaskBuilder::MAX_NAME_BYTES`](crate::TaskBuilder::MAX_NAME_BYTES).
    LongName {
        /// How long it is, in bytes.
        bytes: usize,
    },
    /// The ROIs do not make blocks.
    Layout {
        /// The name of the task.
        task: String,
        /// What is wrong with which ROI.
        source: LayoutError,
    },
    /// There is no function to call for the blocks.
    NoProcess {
        /// The name of the task.
        task: String,
    },
    /// `num_workers` is 0, and this build has no server that workers could come to.
    NoWorkers {
        /// The name of the task.
        task: String,
    },
    /// A worker command without a program.
    EmptyCommand {
        /// The name of the task.
        task: String,
    },
    /// More workers than one task can have.
    TooManyWorkers {
        /// The name of the task.
        task: String,
        /// The number that came.
        found: u32,
        /// The largest number.
        limit: u32,
    },
    /// A time limit that every block would exceed.
    ZeroTimeout {
        /// The name of the task.
        task: String,
    },
    /// A time limit beyond what can be measured.
    TimeoutTooLong {
        /// The name of the task.
        task: String,
        /// The limit that came.
        found: Duration,
    },
    /// `max_failed_blocks` is zero: the task would be over before its first block.
    ZeroMaxFailedBlocks {
        /// The name of the task.
        task: String,
    },
    /// A version of its code that is empty or too long.
    VersionLength {
        /// The name of the task.
        task: String,
        /// The length that came, in bytes.
        found: usize,
        /// The largest length.
        limit: usize,
    },
    /// A resource without a name, or of which nothing is needed.
    Resource {
        /// The name of the task.
        task: String,
        /// The name of the resource.
        resource: String,
        /// The amount that came.
        amount: u64,
    },
    /// An upstream task whose ROIs have another number of axes.
    UpstreamDims {
        /// The name of the task.
        task: String,
        /// Its number of axes.
        dims: usize,
        /// The name of the upstream task.
        upstream: String,
        /// Its number of axes.
        upstream_dims: usize,
    },
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyName => f.write_str("name is empty; give every task a unique name"),
            Self::LongName { bytes } => write!(
                f,
                "a name has {bytes} bytes; give the task one of at most {}",
                crate::TaskBuilder::MAX_NAME_BYTES
            ),
            Self::Layout { task, source } => write!(f, "task '{task}': {source}"),
            Self::NoProcess { task } => write!(
                f,
                "task '{task}' has no process function; call .process(|block| ...) before .build()"
            ),
            Self::NoWorkers { task } => write!(
                f,
                "task '{task}': num_workers is 0, but workers can only come by themselves on Unix and \
                 with the feature `workers`; use at least 1"
            ),
            Self::EmptyCommand { task } => write!(
                f,
                "task '{task}': worker_command is empty; name a program and its arguments"
            ),
            Self::TooManyWorkers { task, found, limit } => write!(
                f,
                "task '{task}': num_workers is {found}, at most {limit} are possible; use about as \
                 many as there are cores"
            ),
            Self::ZeroTimeout { task } => write!(
                f,
                "task '{task}': timeout is zero; give blocks some time or leave it out for no limit"
            ),
            Self::TimeoutTooLong { task, found } => write!(
                f,
                "task '{task}': timeout is {found:?}, beyond what can be measured; leave it out for \
                 no limit"
            ),
            Self::ZeroMaxFailedBlocks { task } => write!(
                f,
                "task '{task}': max_failed_blocks is 0; use 1 to end the task with the first block \
                 that fails for good, or leave it out for no limit"
            ),
            Self::VersionLength { task, found, limit } => write!(
                f,
                "task '{task}': version has {found} bytes; give it 1 to {limit}, a hash if need be, or \
                 leave it out"
            ),
            Self::Resource { task, resource, amount } => write!(
                f,
                "task '{task}': a block needs {amount} of resource {resource:?}; give the resource a \
                 name and an amount of at least 1, or leave it out"
            ),
            Self::UpstreamDims { task, dims, upstream, upstream_dims } => write!(
                f,
                "task '{task}' has {dims} axes but upstream_tasks has '{upstream}' with \
                 {upstream_dims}; give both the same number"
            ),
        }
    }
}

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Layout { source, .. } => Some(source),
            _ => None,
        }
    }
}
