//! What can go wrong with a run as a whole.

use std::{error::Error as StdError, fmt, io};

use daisy_graph::GraphError;
use daisy_sched::{CoordinatorError, SchedulerError};

use crate::TaskError;

/// Why a run cannot be started, or could not go on. A block that fails is not an error of the run:
/// the [`RunReport`](crate::RunReport) has it.
#[non_exhaustive]
#[derive(Debug)]
pub enum Error {
    /// A task cannot be built; for programs that build and run in one function.
    Task(TaskError),
    /// The tasks do not go together: two of one name, for example.
    Graph(GraphError),
    /// The blocks cannot be scheduled: too many, or a wrong request.
    Scheduler(SchedulerError),
    /// What the tasks need and what there is do not go together.
    Coordinator(CoordinatorError),
    /// A request for a task that is neither among the tasks to run nor upstream of one.
    RequestedTask {
        /// The name of the task.
        task: String,
    },
    /// A span of time that makes no sense.
    BadDuration {
        /// The option.
        option: &'static str,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// A thread of the pool could not be started.
    Thread(io::Error),
    /// The handler for Ctrl-C could not be installed.
    Interrupt(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(error) => error.fmt(f),
            Self::Graph(error) => error.fmt(f),
            Self::Scheduler(error) => error.fmt(f),
            Self::Coordinator(error) => error.fmt(f),
            Self::RequestedTask { task } => write!(
                f,
                "blocks of task '{task}' are requested, but it is neither among the tasks to run nor \
                 upstream of one of them; pass it to the run"
            ),
            Self::BadDuration { option, problem } => write!(f, "{option}: {problem}"),
            Self::Thread(error) => write!(
                f,
                "a thread could not be started ({error}); use fewer workers or raise the limit of \
                 processes"
            ),
            Self::Interrupt(error) => write!(
                f,
                "the handler for Ctrl-C could not be installed ({error}); run with \
                 handle_interrupt(false)"
            ),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Task(error) => Some(error),
            Self::Graph(error) => Some(error),
            Self::Scheduler(error) => Some(error),
            Self::Coordinator(error) => Some(error),
            Self::Thread(error) | Self::Interrupt(error) => Some(error),
            Self::RequestedTask { .. } | Self::BadDuration { .. } => None,
        }
    }
}

impl From<TaskError> for Error {
    fn from(error: TaskError) -> Self {
        Self::Task(error)
    }
}

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Self {
        Self::Graph(error)
    }
}

impl From<SchedulerError> for Error {
    fn from(error: SchedulerError) -> Self {
        Self::Scheduler(error)
    }
}

impl From<CoordinatorError> for Error {
    fn from(error: CoordinatorError) -> Self {
        Self::Coordinator(error)
    }
}
