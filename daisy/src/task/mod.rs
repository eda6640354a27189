//! A task: what is done to every block of a volume.

#[cfg(feature = "arrays")]
mod arrays;
mod builder;
mod error;
mod functions;

use std::{collections::BTreeMap, fmt, mem, sync::Arc, time::Duration};

use daisy_block::Layout;
use daisy_geometry::Roi;
use daisy_graph::TaskNode;

#[cfg(feature = "arrays")]
pub(crate) use self::arrays::DeclaredArray;
pub(crate) use self::functions::{Checks, DoneFn, InitFn, MaskFn, ProcessFn, WorkerCommand};
pub use self::{
    builder::TaskBuilder,
    error::TaskError,
    functions::{BlockOutcome, BlockResult, BoxError, CheckAnswer, Loan},
};

/// A block-wise task: ROIs, a function to call for each block, and how to go about it.
///
/// A handle: clones are cheap and mean the same task, also where a task is upstream of several
/// others. Tasks are made by [`Task::builder`] and run by [`run_blockwise`](crate::run_blockwise).
///
/// **A block function may be called more than once for a block** (after a failed attempt, say, or
/// after a crash of the machine) **and must give the same result again.** Write whole regions
/// rather than adding to what is there.
///
/// ```
/// use daisy::{Fit, Roi, Task, TaskError};
///
/// let total = Roi::new([0, 0], [100, 120])?;
/// let (read, write) = (Roi::new([0, 0], [20, 20])?, Roi::new([4, 4], [12, 12])?);
/// let smooth = Task::builder("smooth", total.clone(), read.clone(), write.clone())
///     .fit(Fit::Shrink)
///     .num_workers(4)
///     .process(|block| println!("read {}, write {}", block.read_roi, block.write_roi))
///     .build()?;
/// assert_eq!(smooth.num_blocks(), 8 * 10);
///
/// // What is read must contain what is written.
/// let swapped = Task::builder("swapped", total, write, read).process(|_| ()).build();
/// assert!(matches!(swapped, Err(TaskError::Layout { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Task(pub(crate) Arc<Inner>);

/// What a task handle points to.
pub(crate) struct Inner {
    pub(crate) node: TaskNode,
    /// None if only workers outside this process have one.
    pub(crate) process: Option<ProcessFn>,
    /// How worker processes are started; None if blocks run in threads.
    pub(crate) worker: Option<WorkerCommand>,
    #[cfg(all(unix, feature = "workers"))]
    pub(crate) wants_context: bool,
    pub(crate) checks: Checks,
    pub(crate) init: Option<InitFn>,
    pub(crate) masks: Vec<MaskFn>,
    pub(crate) done: Vec<DoneFn>,
    pub(crate) num_workers: u32,
    pub(crate) max_retries: u32,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_failed_blocks: Option<u64>,
    pub(crate) needs: BTreeMap<String, u64>,
    #[cfg_attr(
        not(all(unix, feature = "workers")),
        allow(dead_code, reason = "there are no journals in this build")
    )]
    pub(crate) version: Option<String>,
    #[cfg(feature = "arrays")]
    pub(crate) arrays: Vec<DeclaredArray>,
    pub(crate) upstream: Vec<Task>,
}

impl Task {
    /// Begins a task called `name` that shifts `read_roi` and `write_roi` over `total_roi`.
    ///
    /// All ROIs are half-open boxes in one unit. `total_roi` is everything that is *read*: what is written is
    /// `total_roi` less the context. To write a whole volume, pass `volume.grow(context, context)`; blocks at its
    /// border then read beyond it. Nothing is checked before [`TaskBuilder::build`].
    pub fn builder(
        name: impl Into<String>,
        total_roi: Roi,
        read_roi: Roi,
        write_roi: Roi,
    ) -> TaskBuilder {
        TaskBuilder::new(name.into(), total_roi, read_roi, write_roi)
    }

    /// The unique name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.node.name()
    }

    /// Total, read and write ROI and the fit.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        self.0.node.layout()
    }

    /// How many blocks there are in the whole task.
    #[must_use]
    pub fn num_blocks(&self) -> u64 {
        self.0.node.tiling().num_cells()
    }

    /// The tasks that this one waits for, as given to the builder.
    #[must_use]
    pub fn upstream_tasks(&self) -> &[Self] {
        &self.0.upstream
    }

    /// Whether two handles mean the same task.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether workers outside this process can run its blocks, or nobody else could.
    #[cfg(all(unix, feature = "workers"))]
    pub(crate) fn needs_server(&self) -> bool {
        self.0.num_workers == 0 || self.0.worker.is_some() || self.0.wants_context
    }

    /// Threads or processes of its own that the task gets; 0 if all workers come by themselves.
    #[must_use]
    pub fn num_workers(&self) -> u32 {
        self.0.num_workers
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        let upstream: Vec<&str> = inner.upstream.iter().map(Self::name).collect();
        f.debug_struct("Task")
            .field("name", &self.name())
            .field("layout", inner.node.layout())
            .field("num_workers", &inner.num_workers)
            .field("max_retries", &inner.max_retries)
            .field("upstream", &upstream)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    /// Lets go of a long chain of tasks one by one: dropping them inside each other would need as
    /// many stack frames as there are tasks.
    fn drop(&mut self) {
        let mut tasks = mem::take(&mut self.upstream);
        while let Some(task) = tasks.pop() {
            if let Some(mut inner) = Arc::into_inner(task.0) {
                tasks.append(&mut inner.upstream);
            }
        }
    }
}
