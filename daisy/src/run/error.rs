//! What can go wrong with a run as a whole.

use std::{error::Error as StdError, fmt, io, path::PathBuf};

use daisy_graph::GraphError;
use daisy_sched::{CoordinatorError, SchedulerError};

use crate::{RunReport, TaskError};

/// Why a run cannot be started, or could not go on. A block that fails is not an error of the run:
/// the [`RunReport`] has it.
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
    /// A store of graphs failed.
    #[cfg(feature = "graphs")]
    Graphs(daisy_graphdb::GraphError),
    /// What says which blocks of a task are done failed.
    BlocksDone {
        /// The name of the task.
        task: String,
        /// Its error.
        source: crate::BoxError,
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
    /// The handler for Ctrl-C, or that for the ends of children, could not be installed.
    Interrupt(io::Error),
    /// Tasks whose blocks run only outside this process cannot be run serially.
    SerialOutside {
        /// The name of the first of them.
        task: String,
    },
    /// It cannot be found out which array a task writes.
    #[cfg(feature = "arrays")]
    ArrayIdentity {
        /// The name of the task.
        task: String,
        /// What is wrong.
        source: Box<daisy_array::ArrayError>,
    },
    /// Blocks of a task that may run at the same time would share a chunk of an array that it writes.
    #[cfg(feature = "arrays")]
    SharedChunk {
        /// The name of the task.
        task: String,
        /// The array.
        array: String,
        /// Along which axis, and which write shapes are right.
        source: daisy_block::SharedChunk,
    },
    /// Blocks of two tasks that may run at the same time would share a chunk of an array, and one of them writes it.
    #[cfg(feature = "arrays")]
    UnorderedTasks {
        /// The names of the tasks.
        tasks: (String, String),
        /// The array.
        array: String,
        /// What they do with it, and along which axis chunks reach too far.
        source: daisy_graph::UnorderedTasks,
    },
    /// An array that a task declares has other axes than the task.
    #[cfg(feature = "arrays")]
    ChunkGrid {
        /// The name of the task.
        task: String,
        /// The array.
        array: String,
        /// What does not fit.
        source: daisy_block::LayoutError,
    },
    /// A panic inside daisy, a mistake in it, ended the run. What was finished stays so, also in the
    /// journal, from which the run can be made again; a program that aborts when it panics ends instead.
    Internal {
        /// The text of the panic.
        message: String,
        /// File, line and column, unless the program handles panics in its own way.
        at: Option<String>,
        /// How the run stood when everything was last written down: what was under way, or waited, is
        /// pending.
        report: Box<RunReport>,
    },
    /// The server cannot listen, or cannot go on.
    #[cfg(all(unix, feature = "workers"))]
    Network(daisy_net::NetError),
    /// Encryption is off on an address that other machines can reach.
    ClearText {
        /// The address.
        address: String,
    },
    /// The run listens at every address of this machine, and its name, by which workers would find it, does
    /// not lead there.
    HostName {
        /// The name.
        name: String,
        /// What the system says.
        error: io::Error,
    },
    /// A worker process is wanted for a task that its program does not have.
    WorkerTask {
        /// The name of the task.
        task: String,
    },
    /// The context in the environment is none.
    #[cfg(all(unix, feature = "workers"))]
    Context(crate::ContextError),
    /// Another run uses the journal.
    JournalInUse {
        /// The journal.
        path: PathBuf,
    },
    /// A file of the run cannot be read or written.
    JournalFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The journal cannot be used, or could not be written: the run was stopped.
    #[cfg(all(unix, feature = "workers"))]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong, and what to do.
        error: daisy_journal::JournalError<io::Error>,
    },
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
            Self::BlocksDone { task, source } => write!(
                f,
                "which blocks of task '{task}' are done cannot be found out: {source}; nothing was run"
            ),
            Self::BadDuration { option, problem } => write!(f, "{option}: {problem}"),
            #[cfg(feature = "graphs")]
            Self::Graphs(error) => error.fmt(f),
            Self::Thread(error) => write!(
                f,
                "a thread could not be started ({error}); use fewer workers or raise the limit of \
                 processes"
            ),
            Self::Interrupt(error) => write!(
                f,
                "a signal handler could not be installed ({error}); run with \
                 handle_interrupt(false)"
            ),
            Self::SerialOutside { task } => write!(
                f,
                "task '{task}' has no block function in this program, so it cannot be run serially; \
                 give it one with .process(|block| ...)"
            ),
            #[cfg(feature = "arrays")]
            Self::ArrayIdentity { .. }
            | Self::SharedChunk { .. }
            | Self::UnorderedTasks { .. }
            | Self::ChunkGrid { .. } => self.write_of_arrays(f),
            Self::Internal { message, at, report } => internal(f, message, at.as_deref(), report),
            #[cfg(all(unix, feature = "workers"))]
            Self::Network(error) => error.fmt(f),
            Self::ClearText { address } => write!(
                f,
                "encryption is off, but other machines can reach {address}; listen on 127.0.0.1 or a \
                 unix: address, or leave encryption on"
            ),
            Self::HostName { name, error } => host_name(f, name, error),
            Self::WorkerTask { task } => write!(
                f,
                "this worker process is for task '{task}', which worker::serve was not given with a \
                 block function; pass it all tasks of the run"
            ),
            #[cfg(all(unix, feature = "workers"))]
            Self::Context(error) => error.fmt(f),
            Self::JournalInUse { path } => write!(
                f,
                "another run uses the journal {}; wait for its end, or use another journal",
                path.display()
            ),
            Self::JournalFile { path, error } => write!(f, "{}: {error}", path.display()),
            #[cfg(all(unix, feature = "workers"))]
            Self::Journal { path, error } => write!(f, "journal {}: {error}", path.display()),
        }
    }
}

#[cfg(feature = "arrays")]
impl Error {
    /// What is wrong with the arrays of a task.
    fn write_of_arrays(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ArrayIdentity { task, source } => {
                write!(f, "task '{task}' writes an array that cannot be told from others: {source}")
            }
            Self::SharedChunk { task, array, source } => {
                write!(f, "task '{task}' writes array {array}: {source}")
            }
            Self::UnorderedTasks { tasks: (first, second), array, source } => {
                write!(f, "tasks '{first}' and '{second}', array {array}: {source}")
            }
            Self::ChunkGrid { task, array, source } => {
                write!(f, "task '{task}' declares array {array}: {source}")
            }
            _ => Ok(()),
        }
    }
}

fn host_name(f: &mut fmt::Formatter<'_>, name: &str, error: &io::Error) -> fmt::Result {
    write!(
        f,
        "this machine's name '{name}' does not lead back to this run ({error}); say by which address \
         workers find it, with advertise(\"host:0\")"
    )
}

fn internal(
    f: &mut fmt::Formatter<'_>,
    message: &str,
    at: Option<&str>,
    report: &RunReport,
) -> fmt::Result {
    let all = report.tasks.iter().map(|task| (task.counts.finished(), task.counts.total));
    let (done, total) = all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let at = at.unwrap_or("an unknown place");
    write!(
        f,
        "daisy panicked at {at}: {message}; that is a mistake in daisy, please report it. {done} of \
         {total} blocks had come to their end; with a journal the next run goes on from there"
    )
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            #[cfg(feature = "graphs")]
            Self::Graphs(error) => Some(error),
            Self::BlocksDone { source, .. } => Some(source.as_ref()),
            #[cfg(feature = "arrays")]
            Self::ArrayIdentity { source, .. } => Some(source.as_ref()),
            Self::Task(error) => Some(error),
            Self::Graph(error) => Some(error),
            Self::Scheduler(error) => Some(error),
            Self::Coordinator(error) => Some(error),
            Self::Thread(error) | Self::Interrupt(error) => Some(error),
            Self::JournalFile { error, .. } | Self::HostName { error, .. } => Some(error),
            #[cfg(all(unix, feature = "workers"))]
            Self::Context(error) => Some(error),
            #[cfg(all(unix, feature = "workers"))]
            Self::Network(error) => Some(error),
            #[cfg(all(unix, feature = "workers"))]
            Self::Journal { error, .. } => Some(error),
            _ => None,
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
