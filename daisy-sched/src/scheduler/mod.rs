//! Which block may run next: no time, no workers.

mod around;
mod builder;
mod closed;
mod conflict;
mod countdown;
mod edge;
mod frontier;
mod mask;
mod opening;
mod options;
mod orphans;
mod page;
mod pages;
mod queue;
mod request;
mod resolved;
mod scan;
mod state;
mod steps;
mod wanted;
mod watch;

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::Range;

use daisy_block::{Block, BlockKey, CellBox, TaskId};
use daisy_graph::{DependencyGraph, TaskGraph};
use roaring::RoaringTreemap;

use self::{frontier::Frontier, orphans::Doomed};
use crate::{Counts, SchedulerError, counts::Out};

pub use self::{
    builder::{SchedulerBuilder, TakenUp},
    mask::Verdict,
    options::{Failure, Paths, Question, SchedulerOptions, Tuning},
    request::Request,
};

/// Hands out blocks that may run, and keeps count of every block of every task.
///
/// A block may run once all conflicting blocks of a lower level and all upstream blocks that it
/// reads are completed or skipped. State is held for the frontier only: pages of cells that are
/// neither untouched nor finished.
///
/// ```
/// use daisy_block::{Fit, Layout};
/// use daisy_geometry::Roi;
/// use daisy_graph::{TaskGraph, TaskNode};
/// use daisy_sched::{Scheduler, SchedulerOptions};
///
/// let layout = Layout::new(Roi::new([0], [34])?, Roi::new([0], [14])?, Roi::new([2], [10])?, Fit::Valid)?;
/// let mut tasks = TaskGraph::new();
/// let task = tasks.add_task(TaskNode::new("smooth", layout, true)?)?;
/// let mut scheduler = Scheduler::new(tasks, SchedulerOptions::default())?;
///
/// let middle = scheduler.acquire().ok_or("nothing to do")?;
/// assert_eq!(scheduler.acquire(), None); // both neighbours wait for it
/// scheduler.complete(middle)?;
/// assert!(scheduler.complete(middle).is_err());
/// while let Some(block) = scheduler.acquire() {
///     scheduler.complete(block)?;
/// }
/// assert!(scheduler.is_done() && scheduler.counts(task)?.is_success());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
/// `acquire`, `complete`, `fail` and `skip` take O(neighbours) time and allocate nothing once the
/// frontier has its size. The first block costs O(tasks + edges), however many blocks there are; where blocks are
/// taken over or masked, the pages up to it are looked at (0.2 s where half of 10^9 are finished).
/// [`Order::Morton`](daisy_block::Order::Morton), and blocks taken over or masked together with an order other than
/// [`Order::Sweep`](daisy_block::Order::Sweep), look at all pages of blocks first and keep those that may have one to
/// run: 1.4 bytes for each block of such a page, and 33 bytes for each block that may run.
#[derive(Clone, Debug)]
pub struct Scheduler {
    graph: DependencyGraph,
    tasks: Vec<Frontier>,
    /// The tasks from the most downstream to the most upstream, and the place of each in that list.
    by_rank: Vec<usize>,
    rank: Vec<usize>,
    /// One bit for each rank: whether the task may have a block to hand out.
    open: Vec<u64>,
    /// Blocks that are out but not at work.
    elsewhere: BTreeMap<BlockKey, Out>,
    attempts: BTreeMap<BlockKey, u32>,
    /// Cells of each task that failed or are orphaned, in the numbers of its frontier.
    dead: Vec<RoaringTreemap>,
    orphans: Vec<(TaskId, Range<u64>)>,
    /// What is left of the walk downstream of blocks that failed for good.
    doomed: Vec<Doomed>,
    question: Option<Question>,
    options: SchedulerOptions,
    /// How many rows of cells may still be looked at in this turn.
    steps: u64,
    /// Something was left for the next call.
    has_backlog: bool,
    paths: Paths,
    /// Memory for the counters of a fresh page, and for runs of cells.
    waits: Vec<u32>,
    later: Vec<Range<u64>>,
}

impl Scheduler {
    /// The largest number of blocks of one task.
    pub const MAX_BLOCKS: u64 = 1 << 48;

    /// A scheduler for all blocks that `options` request; [`Scheduler::builder`] takes up an earlier run.
    ///
    /// # Errors
    /// [`SchedulerError::TooManyBlocks`], [`SchedulerError::TooManyInputs`], and what is wrong with
    /// the request.
    pub fn new(tasks: TaskGraph, options: SchedulerOptions) -> Result<Self, SchedulerError> {
        Ok(Self::builder(tasks, options)?.build())
    }

    /// The tasks and their dependencies.
    #[must_use]
    pub const fn graph(&self) -> &DependencyGraph {
        &self.graph
    }

    /// The options the scheduler was made with.
    #[must_use]
    pub const fn options(&self) -> &SchedulerOptions {
        &self.options
    }

    /// A block of any task that may run: of the task furthest downstream that has one.
    ///
    /// None: nothing may run now, or a [`Scheduler::question`] must be answered first where tasks are masked.
    #[inline]
    pub fn acquire(&mut self) -> Option<BlockKey> {
        self.orphan_on_if_left();
        for word in 0..self.open.len() {
            let mut bits = self.open[word];
            while bits != 0 {
                let task = self.by_rank[word * 64 + bits.trailing_zeros() as usize];
                bits &= bits - 1;
                if let Some(key) = self.take(task) {
                    self.tasks[task].tally.acquire();
                    return Some(key);
                }
            }
        }
        None
    }

    /// A block of one task that may run; none for an unknown task.
    pub fn acquire_from(&mut self, task: TaskId) -> Option<BlockKey> {
        let key = self.take_if_open(task)?;
        self.tasks[task.index()].tally.acquire();
        Some(key)
    }

    /// Takes a block of one task to find out whether it is done already: it still counts as ready
    /// until [`Scheduler::start`], [`Scheduler::skip`] or [`Scheduler::put_back`].
    pub fn hold_from(&mut self, task: TaskId) -> Option<BlockKey> {
        let key = self.take_if_open(task)?;
        self.tasks[task.index()].tally.hold();
        self.elsewhere.insert(key, Out::Held);
        Some(key)
    }

    /// Whether a block of the task may be handed out now, as far as is known without a question.
    #[must_use]
    pub fn has_ready(&self, task: TaskId) -> bool {
        self.tasks.len() > task.index() && self.is_open(task.index())
    }

    /// What must be answered before a task of which `acquire` gave nothing can go on. It is given once; the next
    /// `acquire` puts it again.
    ///
    /// ```
    /// use daisy_block::{Fit, Layout};
    /// use daisy_geometry::Roi;
    /// use daisy_graph::{TaskGraph, TaskNode};
    /// use daisy_sched::{Scheduler, SchedulerOptions, Verdict};
    ///
    /// let [total, block] = [Roi::new([0], [100])?, Roi::new([0], [10])?];
    /// let layout = Layout::new(total, block.clone(), block, Fit::Valid)?;
    /// let mut tasks = TaskGraph::new();
    /// let task = tasks.add_task(TaskNode::new("label", layout, true)?)?;
    /// let options = SchedulerOptions { masked: [task].into(), ..SchedulerOptions::default() };
    /// let mut scheduler = Scheduler::new(tasks, options)?;
    /// let inside = Roi::new([0], [50])?; // nothing is to be done in there
    /// loop {
    ///     if let Some(block) = scheduler.acquire() {
    ///         scheduler.complete(block)?;
    ///     } else if let Some(asked) = scheduler.question() {
    ///         let both = asked.roi.intersect(&inside)?;
    ///         let verdict = if both == asked.roi {
    ///             Verdict::All
    ///         } else if both.is_empty() {
    ///             Verdict::None
    ///         } else {
    ///             Verdict::Part
    ///         };
    ///         scheduler.answer(asked.task, &asked.cells, verdict)?;
    ///     } else {
    ///         break;
    ///     }
    /// }
    /// let counts = scheduler.counts(task)?;
    /// assert_eq!((counts.completed, counts.skipped), (5, 5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn question(&mut self) -> Option<Question> {
        self.question.take()
    }

    /// Answers a question; blocks of a box answered [`Verdict::All`] are skipped as a box.
    ///
    /// # Errors
    /// [`SchedulerError::NoSuchQuestion`] unless exactly that box is open.
    pub fn answer(
        &mut self,
        task: TaskId,
        cells: &CellBox,
        verdict: Verdict,
    ) -> Result<(), SchedulerError> {
        self.check_task(task)?;
        let frontier = &mut self.tasks[task.index()];
        let Some(cells) = request::shifted(cells, &frontier.origin, -1) else {
            return Err(SchedulerError::NoSuchQuestion { task });
        };
        if !frontier.mask.as_mut().is_some_and(|mask| mask.answer(&cells, verdict)) {
            return Err(SchedulerError::NoSuchQuestion { task });
        }
        if verdict == Verdict::All {
            self.skip_box(task.index(), &cells);
        }
        self.refresh_around(task.index());
        Ok(())
    }

    /// A held block goes to work.
    ///
    /// # Errors
    /// [`SchedulerError::WrongState`], [`SchedulerError::UnknownBlock`].
    pub fn start(&mut self, key: BlockKey) -> Result<(), SchedulerError> {
        self.expect(key, Out::Held, "held")?;
        self.elsewhere.remove(&key);
        self.tasks[key.task.index()].tally.start();
        Ok(())
    }

    /// A block at work is completed.
    ///
    /// # Errors
    /// [`SchedulerError::WrongState`], [`SchedulerError::UnknownBlock`].
    #[inline]
    pub fn complete(&mut self, key: BlockKey) -> Result<(), SchedulerError> {
        let (cell, slot) = self.expect(key, Out::Processing, "at work")?;
        let task = key.task.index();
        self.tasks[task].tally.complete();
        self.finish(task, cell, slot);
        self.propagate(task, cell);
        Ok(())
    }

    /// A held block, or one at work, turned out to be done already.
    ///
    /// # Errors
    /// [`SchedulerError::WrongState`], [`SchedulerError::UnknownBlock`].
    pub fn skip(&mut self, key: BlockKey) -> Result<(), SchedulerError> {
        let (cell, slot, state) = self.locate(key)?;
        if state == Out::Parked {
            return Err(SchedulerError::WrongState { block: key, expected: "held or at work" });
        }
        self.elsewhere.remove(&key);
        let task = key.task.index();
        self.tasks[task].tally.skip(state);
        self.finish(task, cell, slot);
        self.propagate(task, cell);
        Ok(())
    }

    /// A block that is out becomes ready again; that costs no attempt.
    ///
    /// # Errors
    /// [`SchedulerError::WrongState`], [`SchedulerError::UnknownBlock`].
    pub fn put_back(&mut self, key: BlockKey) -> Result<(), SchedulerError> {
        let (cell, slot, state) = self.locate(key)?;
        self.elsewhere.remove(&key);
        let task = key.task.index();
        let frontier = &mut self.tasks[task];
        let place = frontier.pages.size().place_of(cell);
        let page = frontier.pages.page_mut(slot);
        page.clear_out(place);
        page.set_ready(place);
        frontier.tally.let_go(state);
        frontier.tally.ready += 1;
        frontier.queue.push_again(&mut frontier.pages, slot, place);
        self.refresh(task);
        Ok(())
    }

    /// A block at work failed: it is ready again at once, or has failed for good.
    ///
    /// # Errors
    /// [`SchedulerError::WrongState`], [`SchedulerError::UnknownBlock`].
    pub fn fail(&mut self, key: BlockKey) -> Result<Failure, SchedulerError> {
        let failure = self.fail_attempt(key)?;
        if let Failure::Retry { .. } = failure {
            self.put_back(key)?;
        }
        Ok(failure)
    }

    /// A block at work failed: it waits for [`Scheduler::put_back`], or has failed for good.
    ///
    /// # Errors
    /// [`SchedulerError::WrongState`], [`SchedulerError::UnknownBlock`].
    pub fn fail_and_park(&mut self, key: BlockKey) -> Result<Failure, SchedulerError> {
        let failure = self.fail_attempt(key)?;
        if let Failure::Retry { .. } = failure {
            self.elsewhere.insert(key, Out::Parked);
            self.tasks[key.task.index()].tally.park();
        }
        Ok(failure)
    }

    /// A block at work has failed and is not to be tried again.
    ///
    /// # Errors
    /// [`SchedulerError::WrongState`], [`SchedulerError::UnknownBlock`].
    pub fn fail_for_good(&mut self, key: BlockKey) -> Result<(), SchedulerError> {
        let (cell, slot) = self.expect(key, Out::Processing, "at work")?;
        self.bury(key, cell, slot);
        Ok(())
    }

    /// How often a block has failed so far.
    #[must_use]
    pub fn attempts(&self, key: BlockKey) -> u32 {
        self.attempts.get(&key).copied().unwrap_or(0)
    }

    /// The blocks orphaned since the last call, as runs of cells of each task.
    pub fn take_orphans(&mut self) -> Vec<(TaskId, Range<u64>)> {
        core::mem::take(&mut self.orphans)
    }

    /// The block of that name with its ROIs.
    #[inline]
    #[must_use]
    pub fn block(&self, key: BlockKey) -> Option<Block> {
        self.tasks.get(key.task.index())?.whole.block(key.task, key.cell)
    }

    /// The counts of one task.
    ///
    /// # Errors
    /// [`SchedulerError::UnknownTask`].
    pub fn counts(&self, task: TaskId) -> Result<Counts, SchedulerError> {
        self.check_task(task)?;
        Ok(self.tasks[task.index()].tally.counts(self.gates_are_open(task.index())))
    }

    /// Whether nothing more can happen in any task: nothing is ready, out or waiting for a back-off.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.doomed.is_empty()
            && self.open.iter().all(|&bits| bits == 0)
            && self.tasks.iter().all(|frontier| !frontier.tally.is_busy())
    }

    /// Whether nothing more can happen in one task. O(tasks + edges) at most.
    ///
    /// # Errors
    /// [`SchedulerError::UnknownTask`].
    pub fn is_task_done(&self, task: TaskId) -> Result<bool, SchedulerError> {
        self.check_task(task)?;
        let is_idle = |task: usize| !self.is_open(task) && !self.tasks[task].tally.is_busy();
        if !is_idle(task.index()) || !self.doomed.is_empty() {
            return Ok(false);
        }
        // From upstream to downstream; only the tasks upstream of `task` matter.
        let mut is_done = alloc::vec![false; self.tasks.len()];
        for &other in self.by_rank.iter().rev() {
            let upstream = self.graph.tasks().upstream(id(other));
            is_done[other] = is_idle(other) && upstream.iter().all(|up| is_done[up.index()]);
            if other == task.index() {
                break;
            }
        }
        Ok(is_done[task.index()])
    }
}

fn id(task: usize) -> TaskId {
    // Task numbers come from a graph, whose ids are 32 bits.
    TaskId::new(task as u32)
}
