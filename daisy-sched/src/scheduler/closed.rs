//! Blocks that were finished without anybody having been told: taken over, masked, not requested.
//!
//! They are kept compressed. A page that is opened later asks for them; the live pages around a box
//! that has just been masked are counted anew. So a box costs its surface, not its volume.

use alloc::vec::Vec;
use core::ops::Range;

use daisy_block::{CellBox, CellRuns};
use daisy_geometry::Coordinate;
use smallvec::SmallVec;

use super::{
    Scheduler,
    edge::Edge,
    frontier::Frontier,
    pages::{PageState, Slot},
};
impl Scheduler {
    /// How many cells of a run are closed.
    pub(super) fn num_closed(&self, task: usize, run: &Range<u64>) -> u64 {
        let closed = &self.tasks[task].closed;
        if closed.is_empty() { 0 } else { closed.num_in(run.clone()) }
    }

    /// Skips every block of a masked box; none of them was ever handed out.
    pub(super) fn skip_box(&mut self, task: usize, cells: &CellBox) {
        let frontier = &self.tasks[task];
        let parts = frontier.closed.wanted_in(cells).into_iter();
        let runs = parts.map(|part| frontier.grid.runs_in_unchecked(&part));
        let runs = runs.collect::<SmallVec<[CellRuns; 1]>>().into_iter().flatten();
        if cells.num_cells() <= self.options.tuning.max_skipped_singly {
            self.paths.skipped_singly += 1;
            for cell in runs.flatten() {
                self.skip_untouched(task, cell);
            }
            return;
        }
        self.paths.skipped_as_box += 1;
        let size = self.tasks[task].pages.size();
        for (page, places) in runs.flat_map(|run| size.split(run)) {
            self.close_places(task, page, places);
        }
        self.recount_around(task, cells);
        self.wake_watchers_of_box(task, cells);
    }

    fn skip_untouched(&mut self, task: usize, cell: u64) {
        let size = self.tasks[task].pages.size();
        let Some(slot) = self.live_page(task, size.page_of(cell)) else { return };
        let place = size.place_of(cell);
        if self.tasks[task].finish_untouched(slot, place..place + 1) > 0 {
            self.tasks[task].tally.skip_untouched(1);
            self.propagate(task, cell);
        }
    }

    /// Closes a stretch of a page.
    fn close_places(&mut self, task: usize, page: u64, places: Range<usize>) {
        let frontier = &mut self.tasks[task];
        let size = frontier.pages.size();
        let cells = size.cell_at(page, places.start)..size.cell_at(page, places.end);
        let closed = match frontier.pages.state(page) {
            PageState::Done => 0,
            PageState::Absent => frontier.closed.insert_range(cells),
            PageState::Live(slot) => {
                // Cells that are finished in another way have told, or never will.
                let page = frontier.pages.page(slot);
                let is_open = |&place: &usize| !page.is_finished(place) && !page.is_out(place);
                let fresh = places.clone().filter(is_open);
                let fresh: Vec<u64> = fresh.map(|place| size.cell_at(page.number, place)).collect();
                for cell in fresh {
                    frontier.closed.insert(cell);
                }
                frontier.finish_untouched(slot, places)
            }
        };
        frontier.tally.skip_untouched(closed);
    }

    /// Counts anew what the live cells wait for that wait for a cell of a box just closed.
    fn recount_around(&mut self, task: usize, cells: &CellBox) {
        let frontier = &self.tasks[task];
        if let Some(levels) = frontier.levels.as_ref().filter(|_| frontier.conflict.is_some()) {
            let reach = levels.stencil().axes().iter().map(daisy_block::StencilAxis::reach);
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
            let edge = &self.tasks[task].outputs[place];
            if edge.is_counted {
                let reader = edge.task;
                let readers = self.tasks[reader].grid.cells_reading_unchecked(&roi);
                self.recount(reader, &readers);
            }
        }
    }

    fn recount(&mut self, task: usize, cells: &CellBox) {
        let size = self.tasks[task].pages.size();
        for (page, places) in
            self.tasks[task].grid.runs_in_unchecked(cells).flat_map(|run| size.split(run))
        {
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
        let cell = self.tasks[task].pages.size().cell_at(page.number, place);
        let Some(index) = self.tasks[task].grid.index(cell) else { return };
        let waits = self.sum_upstream(task, &index, &|scheduler, other, run| {
            run.end - run.start - scheduler.num_settled(other, run)
        });
        let frontier = &mut self.tasks[task];
        frontier.pages.page_mut(slot).set_waits(place, waits);
        if waits == 0 && frontier.pages.defers() {
            frontier.watch.decide(cell);
        } else if waits == 0 {
            frontier.pages.page_mut(slot).set_ready(place);
            frontier.tally.ready += 1;
            frontier.queue.push(&mut frontier.pages, slot, place..place + 1);
        }
        self.paths.recounted += 1;
    }

    /// How many cells of a run are completed or skipped.
    fn num_settled(&self, task: usize, run: Range<u64>) -> u64 {
        let frontier = &self.tasks[task];
        let dead = &self.dead[task];
        let num_dead = if dead.is_empty() { 0 } else { dead.range_cardinality(run.clone()) };
        let size = frontier.pages.size();
        let finished: u64 = size
            .split(run)
            .map(|(page, places)| match frontier.pages.state(page) {
                PageState::Done => places.len() as u64,
                PageState::Live(slot) => frontier.pages.page(slot).num_finished(places),
                PageState::Absent => {
                    let cells = size.cell_at(page, places.start)..size.cell_at(page, places.end);
                    self.num_closed(task, &cells)
                }
            })
            .sum();
        finished - num_dead
    }

    /// Adds up something over the runs of counted cells, of any task, that a cell waits for.
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
            let class = conflict.class_of(&frontier.grid, index.as_slice());
            let runs =
                self.tasks[task].conflict.as_ref().map_or(&[][..], |known| known.upstream(class));
            sum += runs.iter().map(|run| count(self, task, run.at(cell))).sum::<u64>();
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
        self.tasks[task].inputs.iter().filter(|edge| edge.is_counted).map(of).sum()
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
