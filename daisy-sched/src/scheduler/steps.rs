//! What happens inside the scheduler when a block is handed out or has an outcome.

use core::ops::Range;

use daisy_block::{BlockKey, CellBox, TaskId};

use super::{
    Failure, Question, Scheduler,
    frontier::Taken,
    id,
    pages::{PageState, Slot, place_of},
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

    /// Something was closed in a task, nothing handed out yet: blocks that wait for nothing no longer
    /// follow from the geometry, neither there nor downstream.
    pub(super) fn look_for_roots(&mut self, task: usize) {
        self.tasks[task].begin(true);
        for place in 0..self.tasks[task].outputs.len() {
            let reader = self.tasks[task].outputs[place].task;
            self.tasks[reader].begin(true);
        }
        self.refresh_around(task);
    }

    pub(super) fn take_if_open(&mut self, task: TaskId) -> Option<BlockKey> {
        if self.tasks.len() <= task.index() || !self.is_open(task.index()) {
            return None;
        }
        self.take(task.index())
    }

    /// Takes the next ready block of an open task out of its queue; the caller counts it.
    #[inline]
    pub(super) fn take(&mut self, task: usize) -> Option<BlockKey> {
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
        self.question = roi.map(|roi| Question { task: id(task), cells, roi });
    }

    pub(super) fn fail_attempt(&mut self, key: BlockKey) -> Result<Failure, SchedulerError> {
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
        if !self.tasks[task].is_unwatched() {
            let Some(index) = self.tasks[task].grid.index(cell) else { return };
            self.push_in_task(task, cell, index.as_slice());
            for output in 0..self.tasks[task].outputs.len() {
                let edge = &self.tasks[task].outputs[output];
                let reader = edge.task;
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
                self.refresh(reader);
            }
        }
        if self.tasks[task].tally.unfinished() == 0 {
            self.refresh_around(task);
        }
    }

    /// What conflicts with a finished cell and has a higher level waits for one block less.
    #[inline]
    pub(super) fn push_in_task(&mut self, task: usize, cell: u64, index: &[i64]) {
        let frontier = &mut self.tasks[task];
        let Some(conflict) = &mut frontier.conflict else { return };
        for place in conflict.downstream(&frontier.grid, index) {
            let frontier = &mut self.tasks[task];
            let Some(conflict) = &frontier.conflict else { return };
            let run = conflict.run(place).at(cell);
            if !frontier.push_at_once(&run) {
                self.push(task, run);
            }
        }
        self.refresh(task);
    }

    /// Each cell of a run waits for one block less.
    #[inline]
    pub(super) fn push(&mut self, task: usize, mut run: Range<u64>) {
        while let Some(page) = self.tasks[task].push(&mut run, &mut self.waits) {
            self.open_page(task, page);
        }
    }

    /// Makes an absent page live, or done if all of its cells are closed.
    pub(super) fn open_page(&mut self, task: usize, page: u64) -> Option<Slot> {
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
            let mut closed = frontier.closed.iter();
            closed.advance_to(cells.start);
            closed
                .take_while(|&cell| cell < cells.end)
                .for_each(|cell| opened.finish(place_of(cell)));
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
}
