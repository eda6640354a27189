//! Taking up an earlier run, in an order that cannot be wrong: what is resolved, then what is still out.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::{ControlFlow, Range};

use daisy_block::{BlockKey, TaskId};
use daisy_graph::{DependencyGraph, TaskGraph};
use roaring::RoaringTreemap;

use super::{Paths, Scheduler, SchedulerOptions, around::Side, id, request};
use crate::SchedulerError;

/// A scheduler in the making, that learns what an earlier run has resolved.
///
/// ```text
///  Scheduler::builder --> SchedulerBuilder --take_up--> TakenUp --build--> Scheduler
///                          take_over, note_attempts      acquire_block
///                                  '-------------build------------------------^
/// ```
///
/// ```
/// # use daisy_block::{BlockKey, Fit, Layout};
/// # use daisy_geometry::Roi;
/// # use daisy_graph::{TaskGraph, TaskNode};
/// use daisy_sched::{Scheduler, SchedulerOptions};
/// # let block = Roi::new([0], [10])?;
/// # let layout = Layout::new(Roi::new([0], [50])?, block.clone(), block, Fit::Valid)?;
/// # let mut tasks = TaskGraph::new();
/// # let task = tasks.add_task(TaskNode::new("smooth", layout, true)?)?;
///
/// let mut earlier = Scheduler::builder(tasks, SchedulerOptions::default())?;
/// assert_eq!(earlier.take_over(task, 0..3)?, 3);
/// let mut taken_up = earlier.take_up();
/// taken_up.acquire_block(BlockKey::new(task, 4))?; // still with a worker
/// assert!(taken_up.acquire_block(BlockKey::new(task, 2)).is_err()); // finished
/// let mut scheduler = taken_up.build();
/// assert_eq!(scheduler.acquire(), Some(BlockKey::new(task, 3)));
/// assert_eq!(scheduler.acquire(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SchedulerBuilder(Scheduler);

/// A scheduler in the making, that learns which blocks of an earlier run are still with a worker.
#[derive(Clone, Debug)]
pub struct TakenUp(Scheduler);

impl Scheduler {
    /// Begins to take up an earlier run of all blocks that `options` request.
    ///
    /// # Errors
    /// As [`Scheduler::new`].
    pub fn builder(
        tasks: TaskGraph,
        options: SchedulerOptions,
    ) -> Result<SchedulerBuilder, SchedulerError> {
        let graph = DependencyGraph::new(tasks);
        let num_tasks = graph.tasks().num_tasks();
        if let Some(&task) = options.masked.iter().find(|task| task.index() >= num_tasks) {
            return Err(SchedulerError::UnknownTask { task, num_tasks });
        }
        let frontiers = request::frontiers(graph.tasks(), &options)?;
        let mut by_rank: Vec<usize> =
            graph.tasks().topological_order().into_iter().map(TaskId::index).collect();
        by_rank.reverse();
        let mut rank = alloc::vec![0; by_rank.len()];
        for (place, &task) in by_rank.iter().enumerate() {
            rank[task] = place;
        }
        Ok(SchedulerBuilder(Self {
            graph,
            open: alloc::vec![0; by_rank.len().div_ceil(64)],
            by_rank,
            rank,
            elsewhere: BTreeMap::new(),
            attempts: BTreeMap::new(),
            dead: frontiers.iter().map(|_| RoaringTreemap::new()).collect(),
            tasks: frontiers,
            orphans: Vec::new(),
            doomed: Vec::new(),
            question: None,
            options,
            steps: u64::MAX,
            has_backlog: false,
            paths: Paths::default(),
            waits: Vec::new(),
            later: Vec::new(),
        }))
    }
}

impl SchedulerBuilder {
    /// The tasks and their dependencies.
    #[must_use]
    pub const fn graph(&self) -> &DependencyGraph {
        self.0.graph()
    }

    /// Takes over blocks that were finished in an earlier run: they count as skipped.
    ///
    /// `cells` are numbers of the task's whole grid, half-open; blocks not requested, and numbers beyond the grid,
    /// are left out.
    /// Returns how many were not known as finished before. About 0.1 us a stretch for whole tasks; where
    /// only a part is requested, by the rows of that part in the stretch.
    ///
    /// # Errors
    /// [`SchedulerError::UnknownTask`].
    pub fn take_over(&mut self, task: TaskId, cells: Range<u64>) -> Result<u64, SchedulerError> {
        self.0.check_task(task)?;
        let frontier = &mut self.0.tasks[task.index()];
        let taken = frontier.close_global(cells);
        frontier.tally.skip_untouched(taken);
        Ok(taken)
    }

    /// A block failed so often in an earlier run that goes on in this one: that counts towards its retries.
    ///
    /// # Errors
    /// [`SchedulerError::UnknownTask`], [`SchedulerError::UnknownBlock`] (also if it was not requested).
    pub fn note_attempts(&mut self, key: BlockKey, attempts: u32) -> Result<(), SchedulerError> {
        self.0.check_task(key.task)?;
        self.0.tasks[key.task.index()].requested(key)?;
        self.0.attempts.insert(key, attempts);
        Ok(())
    }

    /// What a block waits for that is not known as finished: where it was lent in an earlier run, that was
    /// found done or masked then, and not written down. Ascending for each task.
    ///
    /// None if there are more than `limit`. O(runs of cells that the block waits for + what is found).
    ///
    /// # Errors
    /// [`SchedulerError::UnknownTask`], [`SchedulerError::UnknownBlock`], and
    /// [`SchedulerError::WrongState`] if it is finished itself or was not requested.
    pub fn unfinished_inputs(
        &mut self,
        key: BlockKey,
        limit: usize,
    ) -> Result<Option<Vec<BlockKey>>, SchedulerError> {
        let runs = self.awaited(key)?;
        let mut found: Vec<BlockKey> = Vec::new();
        let mut last = (usize::MAX, 0);
        for (task, mut run) in runs {
            let frontier = &self.0.tasks[task];
            // Boxes around a block may overlap.
            if last.0 == task {
                run.start = run.start.max(last.1).min(run.end);
            }
            last = (task, run.end.max(if last.0 == task { last.1 } else { 0 }));
            while let Some(cell) = frontier.closed.first_not_in(run.clone()) {
                if found.len() == limit {
                    return Ok(None);
                }
                found.push(BlockKey::new(id(task), frontier.global(cell)));
                run.start = cell + 1;
            }
        }
        // By their numbers in the whole grids.
        found.sort_unstable();
        Ok(Some(found))
    }

    /// The runs of cells of each task that a block waits for, by task and number.
    fn awaited(&mut self, key: BlockKey) -> Result<Vec<(usize, Range<u64>)>, SchedulerError> {
        self.0.check_task(key.task)?;
        let task = key.task.index();
        let frontier = &mut self.0.tasks[task];
        let cell = frontier.requested(key)?;
        let Some(index) = frontier.grid.index(cell) else { return Ok(Vec::new()) };
        if frontier.closed.contains(cell) {
            return Err(SchedulerError::WrongState { block: key, expected: "not finished" });
        }
        let mut runs: Vec<(usize, Range<u64>)> = Vec::new();
        if let Some(conflict) = &mut frontier.conflict {
            let class = conflict.class_of(&frontier.grid, index.as_slice());
            runs.extend(conflict.upstream(class).iter().map(|run| (task, run.at(cell))));
        }
        if let Some(around) = &frontier.around {
            let _done = around.boxes(index.as_slice(), Side::Upstream, |ranges| {
                let along = frontier.grid.runs_along_unchecked(|axis| ranges[axis].clone());
                runs.extend(along.map(|run| (task, run)));
                ControlFlow::Continue(())
            });
        }
        for edge in &frontier.inputs {
            runs.extend(edge.runs(index.as_slice()).map(|run| (edge.task, run)));
        }
        let all = |&gate: &usize| (gate, 0..self.0.tasks[gate].grid.num_cells());
        runs.extend(self.0.tasks[task].gates.iter().map(all));
        runs.sort_unstable_by_key(|(task, run)| (*task, run.start));
        Ok(runs)
    }

    /// Everything that was finished is known now.
    #[must_use]
    pub fn take_up(mut self) -> TakenUp {
        self.0.find_sources();
        TakenUp(self.0)
    }

    /// The scheduler, where no block is still with a worker.
    #[must_use]
    pub fn build(self) -> Scheduler {
        self.take_up().build()
    }
}

impl TakenUp {
    /// Acquires exactly this block, if it may run: one that was out when an earlier run ended and is
    /// still with a worker.
    ///
    /// Masks are not asked; a block that is out is never masked.
    ///
    /// # Errors
    /// [`SchedulerError::UnknownTask`], [`SchedulerError::UnknownBlock`] (also if it was not
    /// requested), and [`SchedulerError::WrongState`] if it waits for others or is finished. Nothing has
    /// changed then.
    pub fn acquire_block(&mut self, key: BlockKey) -> Result<(), SchedulerError> {
        let Self(scheduler) = self;
        scheduler.check_task(key.task)?;
        let task = key.task.index();
        let cell = scheduler.tasks[task].requested(key)?;
        let wrong = SchedulerError::WrongState { block: key, expected: "ready" };
        if !scheduler.gates_are_open(task) {
            return Err(wrong);
        }
        if !scheduler.tasks[task].scans() {
            if !scheduler.tasks[task].is_root(cell) {
                return Err(wrong);
            }
            // Which of its roots were not touched can no longer be told by arithmetic.
            scheduler.tasks[task].begin(true);
            scheduler.refresh(task);
        }
        scheduler.look_at(task, scheduler.tasks[task].pages.size().page_of(cell));
        scheduler.work_off(task, &mut { u64::MAX });
        if !scheduler.tasks[task].take_named(cell) {
            return Err(wrong);
        }
        scheduler.paths.named += 1;
        scheduler.tasks[task].tally.acquire();
        scheduler.refresh_around(task);
        Ok(())
    }

    /// The tasks and their dependencies.
    #[must_use]
    pub const fn graph(&self) -> &DependencyGraph {
        self.0.graph()
    }

    /// The scheduler, from which blocks can be acquired.
    #[must_use]
    pub fn build(self) -> Scheduler {
        self.0
    }
}
