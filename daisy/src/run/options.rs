//! How a run is made.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use daisy_block::Order;
use daisy_geometry::Roi;

use super::{Error, Hooks, Pipeline, execute, hooks::Leave, stop::Stopper};
use crate::{Observer, RunReport, StopHandle, Task};

/// How a run is made; [`RunOptions::run`] makes it.
///
/// Unlike [`run_blockwise`](crate::run_blockwise), a run with options is silent and leaves signals
/// alone unless it is asked.
///
/// ```
/// use daisy::{Order, Roi, RunOptions, Task};
///
/// let block = Roi::new([0], [10])?;
/// let task = Task::builder("double", Roi::new([0], [1_000])?, block.clone(), block)
///     .process(|block| println!("{}", block.write_roi))
///     .build()?;
/// let report = RunOptions::new()
///     .order(Order::Level)
///     .request(&task, Roi::new([495], [10])?) // the blocks at 490 and 500
///     .run(&[task])?;
/// assert!(report.is_success());
/// assert_eq!(report.tasks[0].counts.total, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "call .run(&tasks) to make the run"]
pub struct RunOptions {
    pub(crate) order: Order,
    pub(crate) requests: Vec<(Task, Roi)>,
    pub(crate) everything: bool,
    pub(crate) serial: bool,
    pub(crate) count_all_orphans: bool,
    pub(crate) resources: BTreeMap<String, u64>,
    pub(crate) backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) check_timeout: Duration,
    pub(crate) handle_interrupt: bool,
    /// What the second signal does; where there is nothing, it ends the process.
    pub(crate) leave: Option<Leave>,
    pub(crate) stop: Option<StopHandle>,
    /// Of the run, once it is being made.
    #[cfg_attr(
        not(all(unix, feature = "workers")),
        allow(dead_code, reason = "nothing waits before the first block in this build")
    )]
    pub(super) stopper: Option<Arc<Stopper>>,
    pub(crate) observers: Vec<Box<dyn Observer>>,
    #[cfg(all(unix, feature = "workers"))]
    pub(crate) outside: super::outside::OutsideOptions,
    #[cfg(feature = "planted-faults")]
    pub(crate) planted: Option<super::PlantedFault>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl RunOptions {
    /// A run of all blocks in the default order.
    pub const fn new() -> Self {
        Self {
            order: Order::Sweep,
            requests: Vec::new(),
            everything: false,
            serial: false,
            count_all_orphans: true,
            resources: BTreeMap::new(),
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
            check_timeout: Duration::from_secs(60),
            handle_interrupt: false,
            leave: None,
            stop: None,
            stopper: None,
            observers: Vec::new(),
            #[cfg(all(unix, feature = "workers"))]
            outside: super::outside::OutsideOptions::new(),
            #[cfg(feature = "planted-faults")]
            planted: None,
        }
    }

    /// In which order blocks that may run are handed out; [`Order::Sweep`] by default. The result
    /// never depends on it.
    pub const fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Wants the blocks of `task` that write into `roi`, and exactly the upstream blocks they need;
    /// may be called several times. Without any, all blocks of the last tasks are wanted.
    pub fn request(mut self, task: &Task, roi: Roi) -> Self {
        self.requests.push((task.clone(), roi));
        self
    }

    /// Wants all blocks of all tasks, also upstream blocks that nobody reads; off by default.
    pub const fn request_everything(mut self, everything: bool) -> Self {
        self.everything = everything;
        self
    }

    /// Runs all blocks on the calling thread, one after the other, for debugging; off by default.
    ///
    /// The same machine decides, so the counts and the result are the same. There are no time
    /// limits, so that you can stop in a debugger.
    pub const fn serial(mut self, serial: bool) -> Self {
        self.serial = serial;
        self
    }

    /// Whether all blocks that can never run are found and counted as orphaned; true by default.
    /// Else they stay pending, which saves the walk over everything downstream of a failed block.
    pub const fn count_all_orphans(mut self, count: bool) -> Self {
        self.count_all_orphans = count;
        self
    }

    /// There are `total` units of a named resource for the blocks that need it
    /// ([`TaskBuilder::resource`](crate::TaskBuilder::resource)).
    pub fn resource(mut self, name: impl Into<String>, total: u64) -> Self {
        self.resources.insert(name.into(), total);
        self
    }

    /// How long a block waits after its first failed attempt, doubled each time up to `longest`; 1 s
    /// and 60 s by default.
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = first;
        self.max_backoff = longest;
        self
    }

    /// How long a check may take; 60 s by default. Past it a check before a block counts as failed
    /// (the block is run), a check after it as a failed attempt.
    pub const fn check_timeout(mut self, limit: Duration) -> Self {
        self.check_timeout = limit;
        self
    }

    /// Whether Ctrl-C stops the run in good order; off by default, since a library should not take
    /// signals over by itself. SIGTERM, as batch systems send it, and SIGHUP are heard like it, but for a
    /// SIGHUP that `nohup` has ignored.
    ///
    /// The first hands out nothing more and says what is at work and for how long
    /// ([`Notice::Interrupted`](crate::Notice::Interrupted)): blocks in threads are finished, worker processes are ended,
    /// and what they were at is not counted as an attempt. `run` returns then, and the report's outcome is [`Interrupted`](crate::RunOutcome::Interrupted). The second leaves at once, exit
    /// code 130 after Ctrl-C, else 143. After the run signals do what they did before; a program that
    /// handles them by itself should leave this off. Has no effect on Windows.
    pub const fn handle_interrupt(mut self, handle: bool) -> Self {
        self.handle_interrupt = handle;
        self
    }

    /// Has the second signal call `leave`, once worker processes are ended, rather than end this process; from then on
    /// signals do what they do without a run, and the run waits for its observers no more. For bindings to
    /// languages in which Ctrl-C is an exception.
    #[doc(hidden)]
    pub fn leave_by(mut self, leave: impl FnOnce() + Send + 'static) -> Self {
        self.leave = Some(Box::new(leave));
        self
    }

    /// Lets another part of the program stop the run, as Ctrl-C does.
    pub fn stop_handle(mut self, stop: &StopHandle) -> Self {
        self.stop = Some(stop.clone());
        self
    }

    /// Tells `observer` what happens; may be called several times.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Shows a bar for each task on standard error, or plain lines where that is no terminal.
    #[cfg(feature = "progress")]
    pub fn progress(self, show: bool) -> Self {
        if show { self.observer(crate::Progress::new()) } else { self }
    }

    /// Has the machine of the run panic.
    #[cfg(feature = "planted-faults")]
    #[doc(hidden)]
    pub fn planted_fault(mut self, fault: &super::PlantedFault) -> Self {
        self.planted = Some(fault.clone());
        self
    }

    /// Runs the tasks and everything upstream of them.
    ///
    /// Returns when every block is in its final state (or, interrupted, when no block is at work
    /// any more). Failed blocks are no error: see [`RunReport::is_success`].
    ///
    /// # Errors
    /// [`Error`], before the first block is run: tasks that do not go together, a wrong request, a
    /// resource that a block needs and nobody named, threads or signal handlers that the system
    /// refuses. Later only if the run cannot go on: the journal cannot be written, or
    /// [`Error::Internal`].
    pub fn run(mut self, tasks: &[Task]) -> Result<RunReport, Error> {
        self.check()?;
        let pipeline = Pipeline::new(tasks);
        #[cfg(all(unix, feature = "workers"))]
        if !self.serial && pipeline.tasks().any(|(_, task)| task.needs_server()) {
            return crate::Server::bind(self)?.run(tasks);
        }
        #[cfg(all(unix, feature = "workers"))]
        let files = super::outside::lock_journal(&self)?;
        #[cfg(not(all(unix, feature = "workers")))]
        let files = None;
        let hooks = Hooks::new(&mut self)?;
        execute(Arc::new(pipeline), self, hooks, None, files)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.max_backoff < self.backoff {
            let problem = "the longest wait is shorter than the first; swap them";
            return Err(Error::BadDuration { option: "backoff", problem });
        }
        if self.check_timeout.is_zero() {
            let problem = "no check could ever end in time; give it some";
            return Err(Error::BadDuration { option: "check_timeout", problem });
        }
        Ok(())
    }
}
