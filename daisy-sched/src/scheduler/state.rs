//! Where a block is, and which tasks have something to hand out.

use daisy_block::{BlockKey, TaskId};

use super::{Paths, Scheduler, pages::Slot};
use crate::{SchedulerError, counts::Out};

impl Scheduler {
    /// The place of a block that is out, and where it is.
    #[inline]
    pub(super) fn locate(&self, key: BlockKey) -> Result<(u64, Slot, Out), SchedulerError> {
        let unknown = SchedulerError::UnknownBlock { block: key };
        let Some(frontier) = self.tasks.get(key.task.index()) else { return Err(unknown) };
        let Some(cell) = frontier.local(key.cell) else { return Err(unknown) };
        let wrong = SchedulerError::WrongState { block: key, expected: "acquired" };
        let Some(slot) = frontier.find_out(cell) else { return Err(wrong) };
        let state = if self.elsewhere.is_empty() { None } else { self.elsewhere.get(&key) };
        Ok((cell, slot, state.copied().unwrap_or(Out::Processing)))
    }

    #[inline]
    pub(super) fn expect(
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

    /// Whether a block is acquired, and not set aside.
    pub(crate) fn is_at_work(&self, key: BlockKey) -> bool {
        matches!(self.locate(key), Ok((_, _, Out::Processing)))
    }

    /// How many blocks of a task are acquired, those set aside included.
    pub(crate) fn num_out(&self, task: TaskId) -> u64 {
        self.tasks.get(task.index()).map_or(0, |frontier| frontier.tally.num_out())
    }

    /// All calls of a turn do no more than a bounded amount of work together; what is left,
    /// [`Scheduler::work`] goes on with. Outside turns each call does all of its work.
    pub(crate) fn begin_turn(&mut self) {
        // A turn in which nothing may be done would leave the same for ever.
        self.steps = self.options.tuning.max_steps.max(2);
    }

    pub(crate) const fn end_turn(&mut self) {
        self.steps = u64::MAX;
    }

    /// Whether something was left for the next call.
    pub(crate) const fn has_backlog(&self) -> bool {
        self.has_backlog
    }

    /// Goes on with what was left, a bounded amount of it: half of the turn is for those that want blocks.
    pub(crate) fn work(&mut self) {
        self.has_backlog = false;
        let mut steps = self.steps / 2;
        self.steps -= steps;
        self.orphan_on(&mut steps);
        for task in 0..self.tasks.len() {
            let frontier = &self.tasks[task];
            if frontier.watch.is_idle() {
                continue;
            }
            let is_fed = frontier.tally.ready > self.options.tuning.max_found_ahead;
            if is_fed && !frontier.watch.is_closing() {
                self.paths.well_fed += 1;
            } else {
                self.work_off(task, &mut steps);
                self.has_backlog |= !self.tasks[task].watch.is_idle();
            }
        }
    }

    /// How often each way was taken so far.
    #[must_use]
    pub fn paths(&self) -> Paths {
        let mut paths = self.paths;
        for frontier in &self.tasks {
            paths.long_waits += frontier.pages.num_long();
            paths.shed += frontier.pages.num_shed();
        }
        paths
    }

    pub(super) fn check_task(&self, task: TaskId) -> Result<(), SchedulerError> {
        if task.index() < self.tasks.len() {
            return Ok(());
        }
        Err(SchedulerError::UnknownTask { task, num_tasks: self.tasks.len() })
    }

    pub(super) fn gates_are_open(&self, task: usize) -> bool {
        self.tasks[task].gates.iter().all(|&gate| self.tasks[gate].tally.unfinished() == 0)
    }

    #[inline]
    pub(super) fn is_open(&self, task: usize) -> bool {
        let rank = self.rank[task];
        self.open[rank / 64] >> (rank % 64) & 1 == 1
    }

    /// Notes whether a task may have a block to hand out.
    #[inline]
    pub(super) fn refresh(&mut self, task: usize) {
        let rank = self.rank[task];
        let bit = 1 << (rank % 64);
        if self.tasks[task].has_ready() && self.gates_are_open(task) {
            self.open[rank / 64] |= bit;
        } else {
            self.open[rank / 64] &= !bit;
        }
    }

    pub(super) fn close_if_empty(&mut self, task: usize) {
        // `has_ready` still counts the block being taken; only what is to be looked at keeps it open. Nothing
        // would open it again where the block fails.
        let (rank, frontier) = (self.rank[task], &self.tasks[task]);
        if frontier.watch.is_idle() && !frontier.has_unseen_pages() {
            self.open[rank / 64] &= !(1 << (rank % 64));
        }
    }

    pub(super) fn refresh_around(&mut self, task: usize) {
        self.refresh(task);
        for place in 0..self.tasks[task].gated.len() {
            self.refresh(self.tasks[task].gated[place]);
        }
        for place in 0..self.tasks[task].outputs.len() {
            self.refresh(self.tasks[task].outputs[place].task);
        }
    }

    pub(super) fn refresh_all(&mut self) {
        for task in 0..self.tasks.len() {
            self.refresh(task);
        }
    }
}
