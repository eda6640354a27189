//! How a task is put together.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use daisy_block::{Block, Fit, Layout};
use daisy_geometry::Roi;
use daisy_graph::TaskNode;
use daisy_sched::Verdict;

use super::{
    Checks, Inner, Task, TaskError, WorkerCommand,
    functions::{
        BlockOutcome, BoxError, CheckAnswer, DoneFn, InitFn, Loan, MaskFn, ProcessFn, check_fn,
        mask_fn,
    },
};

/// The parts of a [`Task`]; each method sets one and says what holds without it.
#[must_use = "call .build() to get the task"]
pub struct TaskBuilder {
    name: String,
    total_roi: Roi,
    read_roi: Roi,
    write_roi: Roi,
    fit: Fit,
    process: Option<ProcessFn>,
    worker: Option<WorkerCommand>,
    checks: Checks,
    init: Option<InitFn>,
    #[cfg(all(unix, feature = "workers"))]
    wants_context: bool,
    masks: Vec<MaskFn>,
    done: Vec<DoneFn>,
    read_write_conflict: bool,
    num_workers: u32,
    max_retries: u32,
    timeout: Option<Duration>,
    max_failed_blocks: Option<u64>,
    needs: BTreeMap<String, u64>,
    version: Option<String>,
    #[cfg(feature = "arrays")]
    pub(super) arrays: Vec<super::DeclaredArray>,
    upstream: Vec<Task>,
}

impl TaskBuilder {
    /// The longest name: workers say it when they join.
    pub const MAX_NAME_BYTES: usize = 1_024;

    /// The largest number of workers of one task.
    pub const MAX_WORKERS: u32 = 4_096;

    /// The longest time limit of a block, about thirty years.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(1_000_000_000);

    pub(super) const fn new(name: String, total_roi: Roi, read_roi: Roi, write_roi: Roi) -> Self {
        Self {
            name,
            total_roi,
            read_roi,
            write_roi,
            fit: Fit::Valid,
            process: None,
            worker: None,
            checks: Checks { before: None, after: None },
            init: None,
            #[cfg(all(unix, feature = "workers"))]
            wants_context: false,
            masks: Vec::new(),
            done: Vec::new(),
            read_write_conflict: true,
            num_workers: 1,
            max_retries: 2,
            timeout: None,
            max_failed_blocks: None,
            needs: BTreeMap::new(),
            version: None,
            #[cfg(feature = "arrays")]
            arrays: Vec::new(),
            upstream: Vec::new(),
        }
    }

    /// The longest version of a task's code, in bytes.
    pub const MAX_VERSION: usize = 255;

    /// Which version of its code the task has: any text that changes whenever the results do. None by default.
    ///
    /// It matters to a run with a journal that is started again with another one. Blocks that were finished by the
    /// code before stay finished, and the report says how many they are; [`forget`](crate::journal::forget) does them
    /// again. Workers that outlived the last start and have that code are ended when they come back; what they were at is
    /// done again, which costs no attempt.
    ///
    /// ```
    /// # use daisy::{Roi, Task, TaskError};
    /// # let (total, block) = (Roi::new([0], [100])?, Roi::new([0], [10])?);
    /// let task = Task::builder("segment", total, block.clone(), block).process(|_| ());
    /// let task = task.version(concat!(env!("CARGO_PKG_VERSION"), "+threshold=0.5")).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// The function to call for each block, on one of the task's threads or in its worker processes;
    /// required unless only other programs run the blocks.
    ///
    /// It returns nothing or a `Result`; an error or a panic is a failed attempt. It may be called
    /// more than once for a block and must give the same result again.
    ///
    /// ```
    /// # use daisy::{BlockResult, Roi, Task};
    /// # let (total, block) = (Roi::new([0], [100])?, Roi::new([0], [10])?);
    /// let task = Task::builder("count", total, block.clone(), block)
    ///     .process(|block| -> BlockResult {
    ///         let voxels = block.read_roi.size().ok_or("unbounded")?;
    ///         u32::try_from(voxels)?;
    ///         Ok(())
    ///     })
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process<F, R>(mut self, process: F) -> Self
    where
        F: Fn(&Block) -> R + Send + Sync + 'static,
        R: BlockOutcome,
    {
        self.process = Some(Arc::new(move |block: &Block, _| process(block).into_result()));
        self
    }

    /// As [`process`](Self::process), for a function that wants to know which [`Loan`] of the block it works on:
    /// to store its lease with what it writes.
    ///
    /// ```
    /// # use daisy::{Roi, Task};
    /// # let (total, block) = (Roi::new([0], [100])?, Roi::new([0], [10])?);
    /// let task = Task::builder("count", total, block.clone(), block)
    ///     .process_loan(|block, loan| println!("{}: lease {}", block.key, loan.lease))
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process_loan<F, R>(mut self, process: F) -> Self
    where
        F: Fn(&Block, Loan) -> R + Send + Sync + 'static,
        R: BlockOutcome,
    {
        let process = move |block: &Block, loan: Loan| process(block, loan).into_result();
        self.process = Some(Arc::new(process));
        self
    }

    /// Asked before a block is run: a block found done is skipped. None by default.
    ///
    /// A check that fails is counted, its first error is reported, and the block is run. Checks
    /// run on threads of their own, as many as the task has workers, with a time limit
    /// ([`RunOptions::check_timeout`](crate::RunOptions::check_timeout)).
    pub fn check<F, R>(mut self, before: F) -> Self
    where
        F: Fn(&Block) -> R + Send + Sync + 'static,
        R: CheckAnswer<bool>,
    {
        self.checks = Checks { before: Some(check_fn(before)), after: None };
        self
    }

    /// Asked before a block is run, and asked after: a block that is not done after it was run is
    /// a failed attempt, and so is an error of `after`.
    pub fn check_pair<F, R, G, S>(mut self, before: F, after: G) -> Self
    where
        F: Fn(&Block) -> R + Send + Sync + 'static,
        R: CheckAnswer<bool>,
        G: Fn(&Block) -> S + Send + Sync + 'static,
        S: CheckAnswer<bool>,
    {
        self.checks = Checks { before: Some(check_fn(before)), after: Some(check_fn(after)) };
        self
    }

    /// Called once when the task starts, before its first block and its first check.
    ///
    /// If it fails, the task is over: no block of it is run.
    pub fn init<F, R>(mut self, init: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: BlockOutcome,
    {
        self.init = Some(Arc::new(move |_: &str| init().into_result()));
        self
    }

    /// As [`init`](Self::init), with the text of the [`Context`](crate::Context) by which workers of
    /// the task find the run; the run then listens for them. For those who start workers themselves.
    #[cfg(all(unix, feature = "workers"))]
    pub fn init_with_context<F, R>(mut self, init: F) -> Self
    where
        F: Fn(&str) -> R + Send + Sync + 'static,
        R: BlockOutcome,
    {
        self.init = Some(Arc::new(move |context: &str| init(context).into_result()));
        self.wants_context = true;
        self
    }

    /// Blocks run in processes: `num_workers` times this program with its arguments, which must come
    /// to [`worker::serve`](crate::worker::serve) with a task of the same name.
    ///
    /// A process that dies, leaks or is killed takes nothing else with it, and a block past its
    /// [`timeout`](Self::timeout) is really ended. What a worker prints goes to a file of its own
    /// ([`RunOptions::logs`](crate::RunOptions::logs)).
    #[cfg(all(unix, feature = "workers"))]
    pub fn in_processes(mut self) -> Self {
        self.worker = Some(WorkerCommand::Itself);
        self
    }

    /// Blocks run in processes of another program, started `num_workers` times: `command` is the
    /// program and its arguments. It finds the run by `DAISY_CONTEXT` in its environment, with
    /// [`Client`](crate::Client) or anything else that speaks the protocol.
    #[cfg(all(unix, feature = "workers"))]
    pub fn worker_command<I, W>(mut self, command: I) -> Self
    where
        I: IntoIterator<Item = W>,
        W: Into<std::ffi::OsString>,
    {
        let words = command.into_iter().map(Into::into).collect();
        self.worker = Some(WorkerCommand::Program(Arc::new(words)));
        self
    }

    /// Which regions need not be processed: asked of the whole write area, and where the answer is
    /// [`Verdict::Part`] of its halves, cut on the block grid. Blocks in a box answered
    /// [`Verdict::All`] are skipped as a box. None by default.
    pub fn mask<F, R>(mut self, mask: F) -> Self
    where
        F: Fn(&Roi) -> R + Send + Sync + 'static,
        R: CheckAnswer<Verdict>,
    {
        self.masks.push(mask_fn(mask));
        self
    }

    /// Which regions are done already: asked like [`mask`](Self::mask), blocks found done are
    /// skipped. One call can answer for a million blocks, unlike [`check`](Self::check).
    pub fn check_region<F, R>(mut self, check: F) -> Self
    where
        F: Fn(&Roi) -> R + Send + Sync + 'static,
        R: CheckAnswer<Verdict>,
    {
        self.masks.push(mask_fn(check));
        self
    }

    /// Which blocks are done already, by their cells, half-open: asked once, when a run is started; they are
    /// skipped. None by default. A run is refused where the function fails.
    ///
    /// The way to take up what a store of graphs knows: `commit_block` keeps a mark for each block whose result it
    /// has.
    #[cfg_attr(
        feature = "graphs",
        doc = r#"
```
use daisy::{Roi, Task, graphs::{BlockLease, GraphStore, MemoryDatabase, MemoryStore, Open, Schema, Write}, run_blockwise};
use std::sync::Arc;

let database = MemoryDatabase::new();
let store = Arc::new(MemoryStore::open(&database, Open::Create(Schema::new([10].into())?))?);
let (total, block) = (Roi::new([0], [100])?, Roi::new([0], [10])?);
let task = |run: &'static str| {
    let (marks, results) = (Arc::clone(&store), Arc::clone(&store));
    Task::builder("find", total.clone(), block.clone(), block.clone())
        .blocks_done(move || marks.blocks_done("find", Some(run)))
        .process_loan(move |block, loan| {
            let mark = BlockLease { run, task: "find", block: block.key.cell, lease: loan.lease };
            let graph = results.schema().sub_graph();
            let write = Write::replace(block.write_roi.clone());
            results.commit_block(&mark, &graph, &write).map(|_| ())
        })
        .build()
};
let first = run_blockwise(&[task("monday")?])?;
assert_eq!(first.tasks[0].counts.completed, 10);
let again = run_blockwise(&[task("monday")?])?;
assert_eq!(again.tasks[0].counts.skipped, 10);
# Ok::<(), Box<dyn std::error::Error>>(())
```
"#
    )]
    pub fn blocks_done<F, E>(mut self, done: F) -> Self
    where
        F: Fn() -> Result<Vec<Range<u64>>, E> + Send + Sync + 'static,
        E: Into<BoxError>,
    {
        self.done.push(Arc::new(move || done().map_err(Into::into)));
        self
    }

    /// Whether blocks that would touch each other's data wait for one another; true by default.
    pub const fn read_write_conflict(mut self, conflict: bool) -> Self {
        self.read_write_conflict = conflict;
        self
    }

    /// Threads of its own that the task gets, or processes; 1 by default. With 0 all workers come by
    /// themselves ([`Server`](crate::Server)).
    pub const fn num_workers(mut self, workers: u32) -> Self {
        self.num_workers = workers;
        self
    }

    /// How often a block is tried again after its first failure; 2 by default.
    pub const fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// What happens where blocks do not tile the total ROI. With [`Fit::Valid`], the default, what fills no whole
    /// block is not written, and the run is a success all the same; [`Fit::Shrink`] writes all.
    pub const fn fit(mut self, fit: Fit) -> Self {
        self.fit = fit;
        self
    }

    /// How long one block may take; no limit by default.
    ///
    /// A block past its limit is reported at once and is a failed attempt. A worker process is killed
    /// and replaced. A thread cannot be
    /// killed, so it counts as processing, and nothing that conflicts with it starts, until its
    /// function returns.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Ends the task once so many blocks have failed for good; no limit by default.
    pub const fn max_failed_blocks(mut self, blocks: u64) -> Self {
        self.max_failed_blocks = Some(blocks);
        self
    }

    /// What each block holds while it is processed: `amount` units of a named resource, of which
    /// [`RunOptions::resource`](crate::RunOptions::resource) says how much there is.
    pub fn resource(mut self, name: impl Into<String>, amount: u64) -> Self {
        self.needs.insert(name.into(), amount);
        self
    }

    /// One more task whose blocks must be done before those that read them start.
    pub fn upstream(mut self, task: &Task) -> Self {
        self.upstream.push(task.clone());
        self
    }

    /// More tasks whose blocks must be done before those that read them start.
    pub fn upstream_tasks<'a>(mut self, tasks: impl IntoIterator<Item = &'a Task>) -> Self {
        self.upstream.extend(tasks.into_iter().cloned());
        self
    }

    /// The task.
    ///
    /// # Errors
    /// [`TaskError`]: the field that is wrong, what came, and what to do. A total ROI too small for
    /// one block is no error: such a task has no blocks and is done at once.
    pub fn build(self) -> Result<Task, TaskError> {
        self.check_fields()?;
        let task = || self.name.clone();
        let layout = Layout::new(self.total_roi, self.read_roi, self.write_roi, self.fit)
            .map_err(|source| TaskError::Layout { task: task(), source })?;
        for up in &self.upstream {
            let (dims, upstream_dims) = (layout.dims(), up.layout().dims());
            if dims != upstream_dims {
                let upstream = up.name().to_owned();
                return Err(TaskError::UpstreamDims {
                    task: task(),
                    dims,
                    upstream,
                    upstream_dims,
                });
            }
        }
        let needs_function = self.num_workers > 0 && self.worker.is_none()
            || matches!(self.worker, Some(WorkerCommand::Itself));
        if self.process.is_none() && needs_function {
            return Err(TaskError::NoProcess { task: task() });
        }
        let node = TaskNode::new(self.name, layout, self.read_write_conflict)
            .map_err(|_| TaskError::EmptyName)?;
        Ok(Task(Arc::new(Inner {
            node,
            process: self.process,
            worker: self.worker,
            #[cfg(all(unix, feature = "workers"))]
            wants_context: self.wants_context,
            checks: self.checks,
            init: self.init,
            masks: self.masks,
            done: self.done,
            num_workers: self.num_workers,
            max_retries: self.max_retries,
            timeout: self.timeout,
            max_failed_blocks: self.max_failed_blocks,
            needs: self.needs,
            version: self.version,
            #[cfg(feature = "arrays")]
            arrays: self.arrays,
            upstream: self.upstream,
        })))
    }

    /// Everything but the ROIs.
    fn check_fields(&self) -> Result<(), TaskError> {
        let task = || self.name.clone();
        if self.name.is_empty() {
            return Err(TaskError::EmptyName);
        }
        if self.name.len() > Self::MAX_NAME_BYTES {
            return Err(TaskError::LongName { bytes: self.name.len() });
        }
        #[cfg(not(all(unix, feature = "workers")))]
        if self.num_workers == 0 {
            return Err(TaskError::NoWorkers { task: task() });
        }
        if matches!(&self.worker, Some(WorkerCommand::Program(words)) if words.is_empty()) {
            return Err(TaskError::EmptyCommand { task: task() });
        }
        if self.num_workers > Self::MAX_WORKERS {
            let (found, limit) = (self.num_workers, Self::MAX_WORKERS);
            return Err(TaskError::TooManyWorkers { task: task(), found, limit });
        }
        match self.timeout {
            Some(Duration::ZERO) => return Err(TaskError::ZeroTimeout { task: task() }),
            Some(found) if found > Self::MAX_TIMEOUT => {
                return Err(TaskError::TimeoutTooLong { task: task(), found });
            }
            _ => {}
        }
        if self.max_failed_blocks == Some(0) {
            return Err(TaskError::ZeroMaxFailedBlocks { task: task() });
        }
        if let Some(version) = &self.version
            && !(1..=Self::MAX_VERSION).contains(&version.len())
        {
            let (found, limit) = (version.len(), Self::MAX_VERSION);
            return Err(TaskError::VersionLength { task: task(), found, limit });
        }
        match self.needs.iter().find(|(name, amount)| name.is_empty() || **amount == 0) {
            Some((name, &amount)) => {
                Err(TaskError::Resource { task: task(), resource: name.clone(), amount })
            }
            None => Ok(()),
        }
    }
}
