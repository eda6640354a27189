//! What happens inside the scheduler when a block is handed out or has an outcome.

use core::ops::Range;

use daisy_block::{BlockKey, CellBox, TaskId};

use super::{
    Failure, Question, Scheduler,
    frontier::Taken,
    id,
    pages::{PageState, Slot},
    request,
};
use crate::{SchedulerError, counts::Out};

impl Scheduler {
    /// Decides how each task finds the blocks that wait for nothing.
    pub(super) fn find_sources(&mut self) {
        for task in 0..self.tasks.len() {
            let is_special = |other: usize| {
                self.tasks[other].mask.is_some() || !self.tasks[other].closed.is_empty()
            };
            let inputs = &self.tasks[task].inputs;
            let scans = is_special(task) || inputs.iter().any(|edge| is_special(edge.task));
            self.tasks[task].begin(scans);
        }
        self.refresh_all();
    }

    pub(super) fn take_if_open(&mut self, task: TaskId) -> Option<BlockKey> {
        self.orphan_on_if_left();
        if self.tasks.len() <= task.index() || !self.is_open(task.index()) {
            return None;
        }
        self.take(task.index())
    }

    /// Takes the next ready block of an open task out of its queue; the caller counts it.
    ///
    /// A scheduler that is to be quick gives up after some steps; [`Scheduler::has_backlog`] says so then.
    #[inline]
    pub(super) fn take(&mut self, task: usize) -> Option<BlockKey> {
        let frontier = &mut self.tasks[task];
        if !frontier.watch.is_idle() {
            return self.take_slowly(task, None);
        }
        match frontier.take() {
            Taken::Block(cell) => Some(self.taken(task, cell)),
            other => self.take_slowly(task, Some(other)),
        }
    }

    #[inline]
    fn taken(&mut self, task: usize, cell: u64) -> BlockKey {
        let frontier = &mut self.tasks[task];
        let key = BlockKey::new(id(task), frontier.global(cell));
        if frontier.tally.ready == 1 {
            // The caller takes the last one off the count.
            self.close_if_empty(task);
        }
        key
    }

    #[cold]
    fn take_slowly(&mut self, task: usize, mut taken: Option<Taken>) -> Option<BlockKey> {
        let mut steps = self.steps;
        let found = loop {
            if taken.is_none() {
                self.work_off(task, &mut steps);
            }
            let frontier = &mut self.tasks[task];
            let next = || if frontier.watch.is_closing() { Taken::None } else { frontier.take() };
            match taken.take().unwrap_or_else(next) {
                Taken::Block(cell) => break Some(self.taken(task, cell)),
                Taken::Ask(cells) => {
                    self.ask(task, &cells);
                    break None;
                }
                Taken::Open(page) => {
                    self.look_at(task, page);
                    steps = steps.saturating_sub(self.tasks[task].pages.size().cells() as u64);
                    continue;
                }
                Taken::Scan(page) if steps > 0 => {
                    if let Some(cells) = self.scan(task, page, &mut steps) {
                        self.ask(task, &cells);
                        break None;
                    }
                    continue;
                }
                Taken::Scan(_) | Taken::None => {}
            }
            let frontier = &self.tasks[task];
            if frontier.watch.is_idle() && !frontier.has_unseen_pages() {
                self.refresh(task);
                break None;
            }
            if steps == 0 {
                self.has_backlog = true;
                self.paths.interrupted += 1;
                break None;
            }
        };
        self.steps = steps;
        found
    }

    pub(super) fn look_at(&mut self, task: usize, page: u64) {
        if self.tasks[task].pages.state(page) == PageState::Absent {
            self.open_page(task, page);
        }
    }

    /// Notes that the mask must be asked for a box.
    pub(super) fn ask(&mut self, task: usize, cells: &CellBox) {
        let frontier = &self.tasks[task];
        let roi = frontier.grid.written_by_unchecked(cells);
        let cells = request::shifted(cells, &frontier.origin, 1);
        self.question = roi.zip(cells).map(|(roi, cells)| Question { task: id(task), cells, roi });
    }

    pub(super) fn fail_attempt(&mut self, key: BlockKey) -> Result<Failure, SchedulerError> {
        let (cell, slot) = self.expect(key, Out::Processing, "at work")?;
        let attempts = self.attempts.entry(key).or_insert(0);
        *attempts = attempts.saturating_add(1);
        let attempts = *attempts;
        let max_retries = self.options.max_retries.get(key.task.index()).copied().unwrap_or(2);
        // An attempt more than can be counted is the last one.
        if attempts <= max_retries && attempts < u32::MAX {
            return Ok(Failure::Retry { attempts });
        }
        self.bury(key, cell, slot);
        Ok(Failure::Final { attempts })
    }

    /// A block has failed for good; what waits for it will never run.
    pub(super) fn bury(&mut self, key: BlockKey, cell: u64, slot: Slot) {
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
    pub(super) fn finish(&mut self, task: usize, cell: u64, slot: Slot) {
        self.tasks[task].finish(cell, slot);
        if !self.attempts.is_empty() {
            self.attempts.remove(&BlockKey::new(id(task), self.tasks[task].global(cell)));
        }
    }

    /// Everything that waits for a completed or skipped block waits for one block less.
    #[inline]
    pub(super) fn propagate(&mut self, task: usize, cell: u64) {
        if !self.tasks[task].is_unread() {
            let Some(index) = self.tasks[task].grid.index(cell) else { return };
            if self.tasks[task].levels.is_some() {
                self.push_in_task(task, cell, index.as_slice());
            }
            let mut is_watched = self.tasks[task].around.is_some();
            for output in 0..self.tasks[task].outputs.len() {
                let edge = &self.tasks[task].outputs[output];
                let reader = edge.task;
                if !edge.is_counted {
                    is_watched = true;
                    continue;
                }
                if let Some(run) = edge.run_of_line(index.as_slice()) {
                    if !run.is_empty() && !self.tasks[reader].push_at_once(&run) {
                        self.push(reader, run);
                    }
                } else {
                    for run in edge.runs(index.as_slice()) {
                        if !self.tasks[reader].push_at_once(&run) {
                            self.push(reader, run);
                        }
                    }
                }
                self.follow_up(reader);
            }
            if is_watched {
                self.wake_watchers(task, cell, &index);
            }
        }
        if self.tasks[task].tally.unfinished() == 0 {
            self.refresh_around(task);
        }
    }

    /// What conflicts with a finished cell and has a higher level waits for one block less.
    #[inline]
    fn push_in_task(&mut self, task: usize, cell: u64, index: &[i64]) {
        self.tasks[task].push_in_task(cell, index, &mut self.later);
        if !self.later.is_empty() {
            self.push_later(task);
        }
        self.follow_up(task);
    }

    /// What [`Frontier::push_in_task`](super::frontier::Frontier::push_in_task) left.
    #[inline(never)]
    fn push_later(&mut self, task: usize) {
        let mut later = core::mem::take(&mut self.later);
        later.drain(..).for_each(|run| self.push(task, run));
        self.later = later;
    }

    /// Each cell of a run waits for one block less.
    #[inline]
    pub(super) fn push(&mut self, task: usize, mut run: Range<u64>) {
        self.paths.pushed_later += 1;
        while let Some(page) = self.tasks[task].push(&mut run, &mut self.waits) {
            self.open_page(task, page);
        }
    }
}
