//! What can be wrong with a graph of tasks.

use alloc::{string::String, vec::Vec};
use core::fmt;

use daisy_block::{BlockKey, LayoutError, TaskId};

/// Why a graph, or a question about one, is refused.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphError {
    /// An edge would close a cycle.
    Cycle {
        /// The names of the tasks along the cycle; the first one would wait for the last.
        tasks: Vec<String>,
    },
    /// Two different tasks have one name.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A task without a name.
    EmptyName,
    /// An edge between tasks whose ROIs have different numbers of axes.
    DimsMismatch {
        /// The name of the upstream task.
        upstream: String,
        /// Its number of axes.
        upstream_dims: usize,
        /// The name of the downstream task.
        downstream: String,
        /// Its number of axes.
        downstream_dims: usize,
    },
    /// A task that is not in the graph.
    UnknownTask {
        /// The id that came.
        task: TaskId,
        /// How many tasks there are.
        num_tasks: usize,
    },
    /// A block that is not in the graph.
    UnknownBlock {
        /// The key that came.
        block: BlockKey,
        /// How many blocks its task has; `None` where there is no such task.
        num_blocks: Option<u64>,
    },
    /// More tasks than can be numbered.
    TooManyTasks,
    /// Something about a grid: numbers of axes that differ, a cell that it does not have, chunks that do not
    /// fit it.
    Layout(LayoutError),
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycle { tasks } => {
                write!(f, "tasks would wait for each other in a cycle: ")?;
                for name in tasks {
                    write!(f, "'{name}' -> ")?;
                }
                match tasks.first() {
                    Some(first) => write!(f, "'{first}'; remove one of these upstream tasks"),
                    None => Ok(()),
                }
            }
            Self::DuplicateName { name } => write!(
                f,
                "two different tasks are called '{name}'; rename one, or pass the same task handle twice"
            ),
            Self::EmptyName => write!(f, "a task has no name; give every task a unique name"),
            Self::DimsMismatch { upstream, upstream_dims, downstream, downstream_dims } => write!(
                f,
                "task '{downstream}' has {downstream_dims} axes but its upstream task '{upstream}' has \
                 {upstream_dims}; give both the same number"
            ),
            Self::UnknownTask { task, num_tasks } => {
                write!(f, "there is no task {task}; the graph has {num_tasks} tasks")
            }
            Self::UnknownBlock { block, num_blocks: Some(blocks) } => {
                write!(f, "there is no block {block}; its task has {blocks} blocks")
            }
            Self::UnknownBlock { block, num_blocks: None } => {
                write!(f, "there is no block {block}, nor its task")
            }
            Self::TooManyTasks => write!(f, "a graph holds at most {} tasks", u32::MAX),
            Self::Layout(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for GraphError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Layout(error) => error.source(),
            _ => None,
        }
    }
}

impl From<LayoutError> for GraphError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}
