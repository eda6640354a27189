#![doc = include_str!("../README.md")]

#[cfg(all(unix, feature = "workers"))]
pub mod journal;
mod notice;
mod observer;
#[cfg(feature = "progress")]
mod progress;
#[cfg(feature = "arrays")]
mod pyramid;
mod report;
mod run;
mod task;
#[cfg(all(unix, feature = "workers"))]
mod workers;

pub use daisy_block::{
    Axis, Block, BlockKey, BlockStatus, CellBox, CellRuns, ChunkGrid, Coverage, Field, Fit, Layout,
    LayoutError, Missed, Order, Plan, SharedChunk, Stencil, StencilAxis, TaskId, Tiling,
    cantor_number, draw, shared_chunk,
};
pub use daisy_geometry::{Coordinate, GeometryError, Operand, Points, Roi, Scalar, Snap};
pub use daisy_graph::{DependencyGraph, Explanation, GraphError, TaskGraph, TaskNode};
pub use daisy_sched::{
    CoordinatorError, Counts, Failure, Question, Request, Scheduler, SchedulerError,
    SchedulerOptions, Verdict, WorkerId,
};

#[cfg(all(unix, feature = "workers"))]
pub use daisy_net::NetError;
#[cfg(all(unix, feature = "workers"))]
pub use journal::Durability;
pub use notice::Notice;
pub use observer::{BlockEvent, EVENT_QUEUE, ObservedTask, Observer, Said, WorkerLine};
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use report::{
    EarlierVersion, Ending, FailedBlock, RunOutcome, RunReport, SlowBlock, TaskSummary,
    WorkerSummary,
};
#[cfg(feature = "planted-faults")]
pub use run::PlantedFault;
#[cfg(all(unix, feature = "workers"))]
pub use run::Server;
#[cfg(unix)]
#[doc(hidden)]
pub use run::forked;
#[cfg(all(unix, feature = "workers"))]
#[doc(hidden)]
pub use run::log_path;
pub use run::{BlockError, Error, RunOptions, StopHandle, run_blockwise};
pub use task::{
    BlockOutcome, BlockResult, BoxError, CheckAnswer, Loan, Task, TaskBuilder, TaskError,
};
#[cfg(all(unix, feature = "workers"))]
pub use workers::{BlockGuard, Client, ClientError, Context, ContextError, worker};

/// Zarr arrays, read and written by regions of interest in world units.
#[cfg(feature = "arrays")]
pub use daisy_array as arrays;
/// Spatial graphs in a database, read and written by regions of interest.
#[cfg(feature = "graphs")]
pub use daisy_graphdb as graphs;
#[cfg(feature = "arrays")]
pub use pyramid::{PyramidError, Reduce, coarse_spec, downsample, downsample_roi, pyramid};

/// The examples of the repository's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct RepositoryReadme;
