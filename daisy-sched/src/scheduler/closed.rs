//! Blocks that were finished without anybody having been told: taken over, masked, not requested.
//!
//! They are kept compressed. A page that is opened later asks for them; the live pages around a box
//! that has just been masked are counted anew. So a box costs its surface, not its volume.

use alloc::vec::Vec;
use core::ops::Range;

use daisy_block::{BlockKey, CellBox};
use daisy_geometry::Coordinate;

use super::{
    Scheduler,
    edge::Edge,
    frontier::Frontier,
    id,
    pages::{PageState, Slot, cell_at, page_of, place_of, split},
};
use crate::SchedulerError;

/// Boxes up to this size are skipped block by block, which is cheaper than counting around them.
/// Debug builds make do with less, so that small tests go both ways.
const MAX_SKIPPED_SINGLY: u64 = if cfg!(debug_assertions) { 3 } else { 512 };

impl Scheduler {
    /// What a block waits for that is not known as finished: where it was lent in an earlier run, that was
    /// found done or masked then, and nobody wrote it down. Ascending for each task.
    ///
    /// Possible before the first block is handed out. None if there are more than `limit`. O(runs of cells
    /// that the block waits for + what is found).
    ///
    /// # Errors
    /// [`SchedulerError::AlreadyStarted`], [`SchedulerError::UnknownBlock`], and
    /// [`SchedulerError::WrongState`] if it is finished itself or was not requested.
    pub fn unfinished_inputs(
        &mut self,
        key: BlockKey,
        limit: usize,
    ) -> Result<Option<Vec<BlockKey>>, SchedulerError> {
        if self.has_begun || self.has_named {
            return Err(SchedulerError::AlreadyStarted);
        }
        self.check_task(key.task)?;
        let task = key.task.index();
        let frontier = &mut self.tasks[task];
        let cell = frontier.local(key.cell);
        let place = cell.and_then(|cell| Some((cell, frontier.grid.index(cell)?)));
        let (cell, index) = place.ok_or(SchedulerError::UnknownBlock { block: key })?;
        if frontier.closed.contains(cell) {
            return Err(SchedulerError::WrongState { block: key, expected: "not finished" });
        }
        let mut runs: Vec<(usize, Range<u64>)> = Vec::new();
        if let Some(conflict) = &mut frontier.conflict {
            let found = conflict.upstream(&frontier.grid, index.as_slice());
            runs.extend(found.map(|place| (task, conflict.run(place).at(cell))));
        }
        let frontier = &self.tasks[task];
        for edge in &frontier.inputs {
            runs.extend(edge.runs(index.as_slice()).map(|run| (edge.task, run)));
        }
        let all = |&gate: &usize| (gate, 0..self.tasks[gate].grid.num_cells());
        runs.extend(frontier.gates.iter().map(all));
        let mut found = Vec::new();
        for (task, mut run) in runs {
            let frontier = &self.tasks[task];
            while let Some(cell) = frontier.first_not_closed(run.clone()) {
                if found.len() == limit {
                    return Ok(None);
                }
                found.push(BlockKey::new(id(task), frontier.global(cell)));
                run.start = cell + 1;
            }
        }
        Ok(Some(found))
    }

    /// How many cells of a run are closed.
    pub(super) fn num_closed(&self, task: usize, run: &Range<u64>) -> u64 {
        let closed = &self.tasks[task].closed;
        if closed.is_empty() { 0 } else { closed.range_cardinality(run.clone()) }
    }

    /// Skips every block of a masked box; none of them was ever handed out.
    pub(super) fn skip_box(&mut self, task: usize, cells: &CellBox) {
        let runs = self.tasks[task].grid.runs_in_unchecked(cells);
        if cells.num_cells() <= MAX_SKIPPED_SINGLY {
            for cell in runs.flatten() {
                self.skip_untouched(task, cell);
            }
            return;
        }
        for (page, places) in runs.flat_map(split) {
            self.close_places(task, page, places);
        }
        self.recount_around(task, cells);
    }

    fn skip_untouched(&mut self, task: usize, cell: u64) {
        let page = page_of(cell);
        let slot = match self.tasks[task].pages.state(page) {
            PageState::Live(slot) => slot,
            PageState::Done => return,
            PageState::Absent => match self.open_page(task, page) {
                Some(slot) => slot,
                None => return,
            },
        };
        let place = place_of(cell);
        if self.tasks[task].finish_untouched(slot, place..place + 1) > 0 {
            self.tasks[task].tally.skip_untouched(1);
            self.propagate(task, cell);
        }
    }

    /// Closes a stretch of a page.
    fn close_places(&mut self, task: usize, page: u64, places: Range<usize>) {
        let frontier = &mut self.tasks[task];
        let cells = cell_at(page, places.start)..cell_at(page, places.end);
        let closed = match frontier.pages.state(page) {
            PageState::Done => 0,
            PageState::Absent => frontier.closed.insert_range(cells),
            PageState::Live(slot) => {
                // Cells that are finished in another way have told, or never will.
                let page = frontier.pages.page(slot);
                let is_open = |&place: &usize| !page.is_finished(place) && !page.is_out(place);
                let fresh = places.clone().filter(is_open);
                let fresh: Vec<u64> = fresh.map(|place| cell_at(page.number, place)).collect();
                frontier.closed.extend(fresh);
                frontier.finish_untouched(slot, places)
            }
        };
        frontier.tally.skip_untouched(closed);
    }

    /// Counts anew what the live cells wait for that wait for a cell of a box just closed.
    fn recount_around(&mut self, task: usize, cells: &CellBox) {
        let frontier = &self.tasks[task];
        if let Some(conflict) = &frontier.conflict {
            let reach = conflict.stencil().axes().iter().map(daisy_block::StencilAxis::reach);
            let grown = CellBox::new(
                cells
                    .axes()
                    .iter()
                    .zip(reach)
                    .map(|(range, reach)| range.start - reach..range.end + reach),
            );
            let grown = grown.intersect_unchecked(&frontier.grid.all_cells());
            for piece in grown.without_unchecked(cells) {
                self.recount(task, &piece);
            }
        }
        let Some(roi) = self.tasks[task].grid.written_by_unchecked(cells) else { return };
        for place in 0..self.tasks[task].outputs.len() {
            let reader = self.tasks[task].outputs[place].task;
            let readers = self.tasks[reader].grid.cells_reading_unchecked(&roi);
            self.recount(reader, &readers);
        }
    }

    fn recount(&mut self, task: usize, cells: &CellBox) {
        for (page, places) in self.tasks[task].grid.runs_in_unchecked(cells).flat_map(split) {
            if let PageState::Live(slot) = self.tasks[task].pages.state(page) {
                for place in places {
                    self.recount_cell(task, slot, place);
                }
            }
        }
    }

    fn recount_cell(&mut self, task: usize, slot: Slot, place: usize) {
        let page = self.tasks[task].pages.page(slot);
        if page.waits(place) == 0 || page.is_finished(place) {
            return;
        }
        let cell = cell_at(page.number, place);
        let Some(index) = self.tasks[task].grid.index(cell) else { return };
        let waits = self.sum_upstream(task, &index, &|scheduler, other, run| {
            run.end - run.start - scheduler.num_settled(other, run)
        });
        let frontier = &mut self.tasks[task];
        let page = frontier.pages.page_mut(slot);
        page.set_waits(place, waits);
        if waits == 0 {
            page.set_ready(place);
            frontier.tally.ready += 1;
            frontier.enqueue(slot, place..place + 1);
        }
    }

    /// How many cells of a run are completed or skipped.
    fn num_settled(&self, task: usize, run: Range<u64>) -> u64 {
        let frontier = &self.tasks[task];
        let dead = &self.dead[task];
        let num_dead = if dead.is_empty() { 0 } else { dead.range_cardinality(run.clone()) };
        let finished: u64 = split(run)
            .map(|(page, places)| match frontier.pages.state(page) {
                PageState::Done => places.len() as u64,
                PageState::Live(slot) => frontier.pages.page(slot).num_finished(places),
                PageState::Absent => {
                    self.num_closed(task, &(cell_at(page, places.start)..cell_at(page, places.end)))
                }
            })
            .sum();
        finished - num_dead
    }

    /// Adds up something over the runs of cells, of any task, that a cell waits for.
    pub(super) fn sum_upstream(
        &mut self,
        task: usize,
        index: &Coordinate,
        count: &dyn Fn(&Self, usize, Range<u64>) -> u64,
    ) -> u32 {
        let mut sum = self.sum_inputs(task, index, count);
        let frontier = &mut self.tasks[task];
        let cell = frontier.grid.cell_at_unchecked(index.as_slice()).unwrap_or(0);
        if let Some(conflict) = &mut frontier.conflict {
            for place in conflict.upstream(&frontier.grid, index.as_slice()) {
                let run = self.tasks[task].conflict.as_ref().map(|conflict| conflict.run(place));
                sum += run.map_or(0, |run| count(self, task, run.at(cell)));
            }
        }
        // No larger than the static count, which fits.
        sum as u32
    }

    /// The same over the runs of cells of upstream tasks only.
    pub(super) fn sum_inputs(
        &self,
        task: usize,
        index: &Coordinate,
        count: &dyn Fn(&Self, usize, Range<u64>) -> u64,
    ) -> u64 {
        let of = |edge: &Edge| -> u64 {
            edge.runs(index.as_slice()).map(|run| count(self, edge.task, run)).sum()
        };
        self.tasks[task].inputs.iter().map(of).sum()
    }
}

impl Frontier {
    /// Finishes the cells of a stretch of a live page that are neither finished nor out.
    ///
    /// Returns how many they were.
    pub(super) fn finish_untouched(&mut self, slot: Slot, places: Range<usize>) -> u64 {
        let page = self.pages.page_mut(slot);
        let mut finished = 0;
        for place in places {
            // Blocks that were out before the mask was asked are not skipped.
            if page.is_finished(place) || page.is_out(place) {
                continue;
            }
            if page.is_ready(place) {
                page.clear_ready(place);
                self.tally.ready -= 1;
            }
            page.finish(place);
            finished += 1;
        }
        let (number, is_done) = (page.number, page.is_done());
        if is_done && finished > 0 {
            self.pages.close(number);
        }
        finished
    }
}
