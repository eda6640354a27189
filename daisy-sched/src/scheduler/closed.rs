//! Blocks that were finished without anybody having been told: taken over, masked, not requested.
//!
//! They are kept compressed. A page that is opened later asks for them; the live pages around a box
//! that has just been masked are counted anew. So a box costs its surface, not its volume.

use alloc::vec::Vec;
use core::ops::Range;

use daisy_block::CellBox;
use daisy_geometry::Coordinate;

use super::{
    Scheduler,
    edge::Edge,
    frontier::Frontier,
    pages::{PageState, Slot, cell_at, page_of, place_of, split},
};

/// Boxes up to this size are skipped block by block, which is cheaper than counting around them.
/// Debug builds make do with less, so that small tests go both ways.
const MAX_SKIPPED_SINGLY: u64 = if cfg!(debug_assertions) { 3 } else { 512 };

impl Scheduler {
    /// How many cells of a run are closed.
    pub(super) fn num_closed(&self, task: usize, run: &Range<u64>) -> u64 {
        let closed = &self.tasks[task].closed;
        if closed.is_empty() { 0 } else { closed.range_cardinality(run.clone()) }
    }

    /// Skips every block of a masked box; none of them was ever handed out.
    pub(super) fn skip_box(&mut self, task: usize, cells: &CellBox) {
        let runs = self.tasks[task].grid.runs_in(cells);
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
                let fresh = places.clone().filter(|&place| !page.is_finished(place));
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
            let grown = grown.intersect(&frontier.grid.all_cells());
            for piece in grown.without(cells) {
                self.recount(task, &piece);
            }
        }
        let Some(roi) = self.tasks[task].grid.written_by(cells) else { return };
        for place in 0..self.tasks[task].outputs.len() {
            let reader = self.tasks[task].outputs[place].task;
            let readers = self.tasks[reader].grid.cells_reading(&roi);
            self.recount(reader, &readers);
        }
    }

    fn recount(&mut self, task: usize, cells: &CellBox) {
        for (page, places) in self.tasks[task].grid.runs_in(cells).flat_map(split) {
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
    fn sum_upstream(
        &mut self,
        task: usize,
        index: &Coordinate,
        count: &dyn Fn(&Self, usize, Range<u64>) -> u64,
    ) -> u32 {
        let mut sum = 0;
        let frontier = &mut self.tasks[task];
        let cell = frontier.grid.cell_at(index.as_slice()).unwrap_or(0);
        if let Some(conflict) = &mut frontier.conflict {
            for place in conflict.upstream(&frontier.grid, index.as_slice()) {
                let run = self.tasks[task].conflict.as_ref().map(|conflict| conflict.run(place));
                sum += run.map_or(0, |run| count(self, task, run.at(cell)));
            }
        }
        for edge in &self.tasks[task].inputs {
            sum += edge.runs(index.as_slice()).map(|run| count(self, edge.task, run)).sum::<u64>();
        }
        // No larger than the static count, which fits.
        sum as u32
    }

    /// Takes closed blocks off what the cells of a page wait for.
    pub(super) fn subtract_closed(&mut self, task: usize, page: u64, waits: &mut [u32]) {
        if waits.is_empty() {
            return;
        }
        let frontier = &self.tasks[task];
        let fastest = frontier.grid.sweep_axes().last().copied().unwrap_or(0);
        let len = frontier.grid.axes()[fastest].num_cells();
        let cells = frontier.pages.cells_of(page);
        let mut cell = cells.start;
        while cell < cells.end {
            let Some(mut index) = self.tasks[task].grid.index(cell) else { return };
            let start = index[fastest];
            let end = (start + (cells.end - cell) as i64).min(len);
            let first = (cell - cells.start) as usize;
            let row = &mut waits[first..first + (end - start) as usize];
            self.subtract_row(task, &mut index, start..end, row);
            cell += (end - start) as u64;
        }
    }

    /// The same for consecutive cells along the fastest axis: halves them until none is near a
    /// closed cell, or only one is left.
    fn subtract_row(
        &mut self,
        task: usize,
        index: &mut Coordinate,
        row: Range<i64>,
        waits: &mut [u32],
    ) {
        if self.is_closed_row(task, index, &row) || !self.is_closed_near(task, index, &row) {
            return;
        }
        let fastest = self.tasks[task].grid.sweep_axes().last().copied().unwrap_or(0);
        if let [waits] = waits {
            index[fastest] = row.start;
            *waits -= self.sum_upstream(task, index, &|scheduler, other, run| {
                scheduler.num_closed(other, &run)
            });
            return;
        }
        let middle = row.start + (row.end - row.start) / 2;
        let (lower, upper) = waits.split_at_mut((middle - row.start) as usize);
        self.subtract_row(task, index, row.start..middle, lower);
        self.subtract_row(task, index, middle..row.end, upper);
    }

    /// Whether all of the cells at `index`, the entry along the fastest axis taken from `row`, are
    /// closed themselves; then nobody asks what they wait for.
    fn is_closed_row(&self, task: usize, index: &mut Coordinate, row: &Range<i64>) -> bool {
        let grid = &self.tasks[task].grid;
        let fastest = grid.sweep_axes().last().copied().unwrap_or(0);
        index[fastest] = row.start;
        let first = grid.cell_at(index.as_slice()).unwrap_or(0);
        let len = (row.end - row.start) as u64;
        self.num_closed(task, &(first..first + len)) == len
    }

    /// Whether one of the cells at `index`, its entry along the fastest axis taken from `row`, may
    /// wait for a closed cell.
    fn is_closed_near(&self, task: usize, index: &Coordinate, row: &Range<i64>) -> bool {
        let frontier = &self.tasks[task];
        let fastest = frontier.grid.sweep_axes().last().copied().unwrap_or(0);
        if let Some(conflict) = frontier.conflict.as_ref().filter(|_| !frontier.closed.is_empty()) {
            let around = conflict.stencil().axes().iter().enumerate().map(|(axis, conflicts)| {
                let reach = conflicts.reach();
                if axis == fastest {
                    row.start - reach..row.end + reach
                } else {
                    index[axis] - reach..index[axis] + reach + 1
                }
            });
            let mut runs = frontier.grid.runs_in(&CellBox::new(around));
            if runs.any(|run| self.num_closed(task, &run) > 0) {
                return true;
            }
        }
        let is_closed = |edge: &&Edge| !self.tasks[edge.task].closed.is_empty();
        frontier.inputs.iter().filter(is_closed).any(|edge| {
            let along = |axis: usize| {
                if axis != fastest {
                    return edge.crossings[axis].cells(index[axis]);
                }
                let here = &frontier.grid.axes()[axis];
                let read = here.read(row.start).start..here.read(row.end - 1).end;
                edge.grid.axes()[axis].written_in(&read)
            };
            edge.grid.runs_along(along).any(|run| self.num_closed(edge.task, &run) > 0)
        })
    }
}

impl Frontier {
    /// Finishes the cells of a stretch of a live page that are not finished; none of them is out.
    ///
    /// Returns how many they were.
    pub(super) fn finish_untouched(&mut self, slot: Slot, places: Range<usize>) -> u64 {
        let page = self.pages.page_mut(slot);
        let mut finished = 0;
        for place in places {
            if page.is_finished(place) {
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
