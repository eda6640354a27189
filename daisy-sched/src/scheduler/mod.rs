//! Which block may run next: no time, no workers.

mod closed;
mod conflict;
mod frontier;
mod mask;
mod orphans;
mod pages;
mod request;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::ops::Range;

use daisy_block::{Block, BlockKey, CellBox, Order, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{DependencyGraph, TaskGraph};
use roaring::RoaringTreemap;

use self::{
    frontier::{Frontier, Taken},
    pages::{PageState, Slot, page_of, place_of},
};
use crate::{Counts, SchedulerError, counts::Out};

pub use self::{mask::Verdict, request::Request};

/// How a [`Scheduler`] works; the default is what most runs want.
#[derive(Clone, Debug)]
pub struct SchedulerOptions {
    /// The hand-out order among blocks that may run.
    pub order: Order,
    /// Which blocks are wanted.
    pub request: Request,
    /// Whether blocks that can never run are found and counted as orphaned. Else they stay pending,
    /// which saves the walk over everything downstream of a failed block.
    pub count_all_orphans: bool,
    /// How often a block of each task may be tried again after its first failure; tasks beyond the
    /// end of the list have the default of 2.
    pub max_retries: Vec<u32>,
    /// The tasks of which blocks may be masked: [`Scheduler::question`] asks.
    pub masked: BTreeSet<TaskId>,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            order: Order::Sweep,
            request: Request::LastTasks,
            count_all_orphans: true,
            max_retries: Vec::new(),
            masked: BTreeSet::new(),
        }
    }
}

/// What has become of a block that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It will be tried again after so many failed attempts.
    Retry {
        /// Failed attempts so far.
        attempts: u32,
    },
    /// It has failed for good after so many attempts.
    Final {
        /// Failed attempts.
        attempts: u32,
    },
}

/// A box of blocks of which somebody must say what is masked before one of them can be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The task.
    pub task: TaskId,
    /// The box, in grid indices of the task.
    pub cells: CellBox,
    /// What the blocks of the box write together.
    pub roi: Roi,
}

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
/// frontier has its size. The first block costs O(tasks + edges), however many blocks there are.
/// [`Order::Morton`], and blocks taken over or masked together with an order other than
/// [`Order::Sweep`], look at every cell first: 1.4 bytes each.
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
    question: Option<Question>,
    options: SchedulerOptions,
    has_begun: bool,
    waits: Vec<u32>,
}

impl Scheduler {
    /// The largest number of blocks of one task.
    pub const MAX_BLOCKS: u64 = 1 << 48;

    /// A scheduler for all blocks that `options` request.
    ///
    /// # Errors
    /// [`SchedulerError::TooManyBlocks`], [`SchedulerError::TooManyInputs`], and what is wrong with
    /// the request.
    pub fn new(tasks: TaskGraph, options: SchedulerOptions) -> Result<Self, SchedulerError> {
        let graph = DependencyGraph::new(tasks);
        let frontiers = request::frontiers(graph.tasks(), &options)?;
        let mut by_rank: Vec<usize> =
            graph.tasks().topological_order().into_iter().map(TaskId::index).collect();
        by_rank.reverse();
        let mut rank = alloc::vec![0; by_rank.len()];
        for (place, &task) in by_rank.iter().enumerate() {
            rank[task] = place;
        }
        let dead = frontiers.iter().map(|_| RoaringTreemap::new()).collect();
        let open = alloc::vec![0; by_rank.len().div_ceil(64)];
        let mut scheduler = Self {
            graph,
            tasks: frontiers,
            by_rank,
            rank,
            open,
            elsewhere: BTreeMap::new(),
            attempts: BTreeMap::new(),
            dead,
            orphans: Vec::new(),
            question: None,
            options,
            has_begun: false,
            waits: Vec::new(),
        };
        scheduler.refresh_all();
        Ok(scheduler)
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

    /// Takes over blocks that were finished in an earlier run: they count as skipped.
    ///
    /// `cells` are numbers of the task's whole grid, half-open; blocks not requested are left out.
    /// Returns how many were not known as finished before. About 0.1 us a stretch for whole tasks.
    ///
    /// # Errors
    /// [`SchedulerError::AlreadyStarted`], [`SchedulerError::UnknownTask`].
    pub fn take_over(&mut self, task: TaskId, cells: Range<u64>) -> Result<u64, SchedulerError> {
        if self.has_begun {
            return Err(SchedulerError::AlreadyStarted);
        }
        self.check_task(task)?;
        let frontier = &mut self.tasks[task.index()];
        let cells = cells.start..cells.end.min(frontier.whole.num_cells());
        let mut taken = 0;
        if frontier.is_whole {
            taken = frontier.closed.insert_range(cells);
        } else {
            for cell in cells {
                if let Some(cell) = frontier.local(cell) {
                    taken += u64::from(frontier.closed.insert(cell));
                }
            }
        }
        frontier.tally.skip_untouched(taken);
        self.refresh_all();
        Ok(taken)
    }

    /// A block of any task that may run: of the task furthest downstream that has one.
    #[inline]
    pub fn acquire(&mut self) -> Option<BlockKey> {
        self.begin();
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
        self.begin();
        let key = self.take_if_open(task)?;
        self.tasks[task.index()].tally.acquire();
        Some(key)
    }

    /// Takes a block of one task to find out whether it is done already: it still counts as ready
    /// until [`Scheduler::start`], [`Scheduler::skip`] or [`Scheduler::put_back`].
    pub fn hold_from(&mut self, task: TaskId) -> Option<BlockKey> {
        self.begin();
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

    /// What must be answered before a task of which `acquire` gave nothing can go on.
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
        let cells = request::shifted(cells, &frontier.origin, -1);
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
        let page = frontier.pages.page_mut(slot);
        page.clear_out(place_of(cell));
        page.set_ready(place_of(cell));
        frontier.tally.let_go(state);
        frontier.tally.ready += 1;
        frontier.enqueue_again(slot, place_of(cell));
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
        self.open.iter().all(|&bits| bits == 0)
            && self.tasks.iter().all(|frontier| !frontier.tally.is_busy())
    }

    /// Whether nothing more can happen in one task. O(tasks + edges) at most.
    ///
    /// # Errors
    /// [`SchedulerError::UnknownTask`].
    pub fn is_task_done(&self, task: TaskId) -> Result<bool, SchedulerError> {
        self.check_task(task)?;
        let is_idle = |task: usize| !self.is_open(task) && !self.tasks[task].tally.is_busy();
        if !is_idle(task.index()) {
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

    // ---- hand-out ----

    /// Decides once, before the first hand-out, how each task finds the blocks that wait for nothing.
    #[inline]
    fn begin(&mut self) {
        if !self.has_begun {
            self.begin_now();
        }
    }

    #[cold]
    fn begin_now(&mut self) {
        self.has_begun = true;
        for task in 0..self.tasks.len() {
            let is_special = |other: usize| {
                self.tasks[other].mask.is_some() || !self.tasks[other].closed.is_empty()
            };
            let scans = is_special(task)
                || self.tasks[task].inputs.iter().any(|edge| is_special(edge.task));
            self.tasks[task].begin(scans);
        }
        self.refresh_all();
    }

    fn take_if_open(&mut self, task: TaskId) -> Option<BlockKey> {
        if self.tasks.len() <= task.index() || !self.is_open(task.index()) {
            return None;
        }
        self.take(task.index())
    }

    /// Takes the next ready block of an open task out of its queue; the caller counts it.
    #[inline]
    fn take(&mut self, task: usize) -> Option<BlockKey> {
        loop {
            let frontier = &mut self.tasks[task];
            match frontier.take() {
                Taken::Block(cell) => {
                    let key = BlockKey::new(id(task), frontier.global(cell));
                    if frontier.tally.ready == 1 {
                        // The caller takes the last one off the count.
                        self.close_if_empty(task);
                    }
                    return Some(key);
                }
                Taken::Open(page) => self.look_at(task, page),
                Taken::Ask(cells) => {
                    self.ask(task, &cells);
                    return None;
                }
                Taken::None => {
                    self.refresh(task);
                    return None;
                }
            }
        }
    }

    fn look_at(&mut self, task: usize, page: u64) {
        if self.tasks[task].pages.state(page) == PageState::Absent {
            self.open_page(task, page);
        }
    }

    /// Notes that the mask must be asked for a box.
    fn ask(&mut self, task: usize, cells: &CellBox) {
        let frontier = &self.tasks[task];
        let roi = frontier.grid.written_by(cells);
        let cells = request::shifted(cells, &frontier.origin, 1);
        self.question = roi.map(|roi| Question { task: id(task), cells, roi });
    }

    // ---- outcomes ----

    fn fail_attempt(&mut self, key: BlockKey) -> Result<Failure, SchedulerError> {
        let (cell, slot) = self.expect(key, Out::Processing, "at work")?;
        let attempts = self.attempts.entry(key).or_insert(0);
        *attempts += 1;
        let attempts = *attempts;
        let max_retries = self.options.max_retries.get(key.task.index()).copied().unwrap_or(2);
        if attempts <= max_retries {
            return Ok(Failure::Retry { attempts });
        }
        self.bury(key, cell, slot);
        Ok(Failure::Final { attempts })
    }

    /// A block has failed for good; what waits for it will never run.
    fn bury(&mut self, key: BlockKey, cell: u64, slot: Slot) {
        let task = key.task.index();
        self.attempts.remove(&key);
        self.tasks[task].tally.fail();
        self.dead[task].insert(cell);
        self.finish(task, cell, slot);
        if self.options.count_all_orphans {
            self.orphan_downstream(task, cell);
        }
    }

    /// A block that is out is finished, whatever the outcome.
    #[inline]
    fn finish(&mut self, task: usize, cell: u64, slot: Slot) {
        self.tasks[task].finish(cell, slot);
        if !self.attempts.is_empty() {
            self.attempts.remove(&BlockKey::new(id(task), self.tasks[task].global(cell)));
        }
    }

    /// Everything that waits for a completed or skipped block waits for one block less.
    #[inline]
    fn propagate(&mut self, task: usize, cell: u64) {
        if !self.tasks[task].is_unwatched() {
            let Some(index) = self.tasks[task].grid.index(cell) else { return };
            self.push_in_task(task, cell, index.as_slice());
            for output in 0..self.tasks[task].outputs.len() {
                let edge = &self.tasks[task].outputs[output];
                let reader = edge.task;
                for run in edge.runs(index.as_slice()) {
                    self.push(reader, run);
                }
                self.refresh(reader);
            }
        }
        if self.tasks[task].tally.unfinished() == 0 {
            self.refresh_around(task);
        }
    }

    /// What conflicts with a finished cell and has a higher level waits for one block less.
    #[inline]
    fn push_in_task(&mut self, task: usize, cell: u64, index: &[i64]) {
        let frontier = &mut self.tasks[task];
        let Some(conflict) = &mut frontier.conflict else { return };
        for place in conflict.downstream(&frontier.grid, index) {
            let frontier = &mut self.tasks[task];
            let Some(conflict) = &frontier.conflict else { return };
            let mut run = conflict.run(place).at(cell);
            while let Some(page) = self.tasks[task].push(&mut run, &mut self.waits) {
                self.open_page(task, page);
            }
        }
        self.refresh(task);
    }

    /// Each cell of a run waits for one block less.
    #[inline]
    fn push(&mut self, task: usize, mut run: Range<u64>) {
        while let Some(page) = self.tasks[task].push(&mut run, &mut self.waits) {
            self.open_page(task, page);
        }
    }

    /// Makes an absent page live, or done if all of its cells are closed.
    fn open_page(&mut self, task: usize, page: u64) -> Option<Slot> {
        let cells = self.tasks[task].pages.cells_of(page);
        let num_closed = self.num_closed(task, &cells);
        if num_closed == cells.end - cells.start {
            self.tasks[task].pages.close(page);
            return None;
        }
        let mut waits = core::mem::take(&mut self.waits);
        self.tasks[task].count_waits(page, &mut waits);
        if self.tasks[task].scans() {
            self.subtract_closed(task, page, &mut waits);
        }
        let frontier = &mut self.tasks[task];
        let slot = frontier.pages.open(page, &waits);
        let opened = frontier.pages.page_mut(slot);
        if num_closed > 0 {
            for cell in cells.clone().filter(|&cell| frontier.closed.contains(cell)) {
                opened.finish(place_of(cell));
            }
        }
        if frontier.scans() {
            let opened = frontier.pages.page_mut(slot);
            let places = 0..(cells.end - cells.start) as usize;
            for place in places.clone() {
                let is_free = waits.get(place).is_none_or(|&count| count == 0);
                if is_free && !opened.is_finished(place) {
                    opened.set_ready(place);
                }
            }
            frontier.tally.ready += u64::from(opened.num_ready);
            frontier.enqueue(slot, places);
        }
        self.waits = waits;
        Some(slot)
    }

    // ---- state ----

    /// The place of a block that is out, and where it is.
    #[inline]
    fn locate(&self, key: BlockKey) -> Result<(u64, Slot, Out), SchedulerError> {
        let unknown = SchedulerError::UnknownBlock { block: key };
        let Some(frontier) = self.tasks.get(key.task.index()) else { return Err(unknown) };
        let Some(cell) = frontier.local(key.cell) else { return Err(unknown) };
        let wrong = SchedulerError::WrongState { block: key, expected: "acquired" };
        let Some(slot) = frontier.find_out(cell) else { return Err(wrong) };
        let state = if self.elsewhere.is_empty() { None } else { self.elsewhere.get(&key) };
        Ok((cell, slot, state.copied().unwrap_or(Out::Processing)))
    }

    #[inline]
    fn expect(
        &self,
        key: BlockKey,
        expected: Out,
        name: &'static str,
    ) -> Result<(u64, Slot), SchedulerError> {
        let (cell, slot, state) = self.locate(key)?;
        if state != expected {
            return Err(SchedulerError::WrongState { block: key, expected: name });
        }
        Ok((cell, slot))
    }

    fn check_task(&self, task: TaskId) -> Result<(), SchedulerError> {
        if task.index() < self.tasks.len() {
            return Ok(());
        }
        Err(SchedulerError::UnknownTask { task, num_tasks: self.tasks.len() })
    }

    fn gates_are_open(&self, task: usize) -> bool {
        self.tasks[task].gates.iter().all(|&gate| self.tasks[gate].tally.unfinished() == 0)
    }

    #[inline]
    fn is_open(&self, task: usize) -> bool {
        let rank = self.rank[task];
        self.open[rank / 64] >> (rank % 64) & 1 == 1
    }

    /// Notes whether a task may have a block to hand out.
    #[inline]
    fn refresh(&mut self, task: usize) {
        let rank = self.rank[task];
        let bit = 1 << (rank % 64);
        if self.tasks[task].has_ready() && self.gates_are_open(task) {
            self.open[rank / 64] |= bit;
        } else {
            self.open[rank / 64] &= !bit;
        }
    }

    fn close_if_empty(&mut self, task: usize) {
        // `has_ready` still counts the block being taken; only pages to be looked at keep it open.
        let rank = self.rank[task];
        if !self.tasks[task].has_unseen_pages() {
            self.open[rank / 64] &= !(1 << (rank % 64));
        }
    }

    fn refresh_around(&mut self, task: usize) {
        self.refresh(task);
        for place in 0..self.tasks[task].gated.len() {
            self.refresh(self.tasks[task].gated[place]);
        }
        for place in 0..self.tasks[task].outputs.len() {
            self.refresh(self.tasks[task].outputs[place].task);
        }
    }

    fn refresh_all(&mut self) {
        for task in 0..self.tasks.len() {
            self.refresh(task);
        }
    }
}

fn id(task: usize) -> TaskId {
    // Task numbers come from a graph, whose ids are 32 bits.
    TaskId::new(task as u32)
}
