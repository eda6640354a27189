//! Blocks that were finished without anybody having been told: taken over, masked, not requested.
//!
//! They are kept compressed. A page that is opened later asks for them; the live pages around a box
//! that has just been masked are counted anew. So a box costs its rows and its surface, not its volume. It is
//! closed in steps of a bounded size; no block of its task is handed out before its last row is closed, and no
//! other one is orphaned.

use core::{cell::Cell, ops::Range};

use daisy_block::{CellBox, CellRuns};
use daisy_geometry::Coordinate;
use smallvec::SmallVec;

use super::{
    Scheduler,
    edge::Edge,
    frontier::Frontier,
    pages::{PageState, Slot},
    watch::Kind,
};

/// A masked box that is being closed.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    cells: CellBox,
    /// What is left of it.
    parts: SmallVec<[CellRuns; 1]>,
    run: Range<u64>,
}

impl Scheduler {
    /// How many cells of a run are closed.
    pub(super) fn num_closed(&self, task: usize, run: &Range<u64>) -> u64 {
        let closed = &self.tasks[task].closed;
        if closed.is_empty() { 0 } else { closed.num_in(run.clone()) }
    }

    /// Skips every block of a masked box; none of them was ever handed out.
    pub(super) fn skip_box(&mut self, task: usize, cells: &CellBox) {
        let frontier = &mut self.tasks[task];
        let parts = frontier.closed.wanted_in(cells).into_iter();
        let parts = parts.map(|part| frontier.grid.runs_in_unchecked(&part));
        let parts: SmallVec<[CellRuns; 1]> = parts.collect();
        if cells.num_cells() <= self.options.tuning.max_skipped_singly {
            self.paths.skipped_singly += 1;
            for cell in parts.into_iter().flatten().flatten() {
                self.skip_untouched(task, cell);
            }
            return;
        }
        self.paths.skipped_as_box += 1;
        frontier.watch.closing.push_back(Closing { cells: cells.clone(), parts, run: 0..0 });
        let mut steps = self.steps;
        self.work_off(task, &mut steps);
        self.steps = steps;
        self.has_backlog |= self.tasks[task].watch.is_closing();
    }

    /// Goes on with the boxes of a task that are being closed, until all are or about `steps` rows were.
    pub(super) fn close_on(&mut self, task: usize, steps: &mut u64) {
        while *steps > 0 {
            let frontier = &mut self.tasks[task];
            let Some(closing) = frontier.watch.closing.front_mut() else { return };
            *steps -= 1;
            if closing.run.is_empty() {
                match closing.parts.last_mut().map(Iterator::next) {
                    Some(Some(run)) => closing.run = run,
                    Some(None) => drop(closing.parts.pop()),
                    None => self.end_closing(task, steps),
                }
                continue;
            }
            let run = closing.run.clone();
            let page = frontier.pages.size().page_of(run.start);
            let end = run.end.min(frontier.pages.cells_of(page).end);
            closing.run.start = end;
            self.close_run(task, page, run.start..end, steps);
        }
    }

    /// The last row of a box is closed: those beside it are told.
    fn end_closing(&mut self, task: usize, steps: &mut u64) {
        let Some(closing) = self.tasks[task].watch.closing.pop_front() else { return };
        self.recount_around(task, &closing.cells);
        self.wake_watchers_of_box(task, &closing.cells);
        for place in 0..self.tasks[task].outputs.len() {
            let reader = self.tasks[task].outputs[place].task;
            // Its own boxes come in its own turn.
            if !self.tasks[reader].watch.is_closing() {
                self.work_off(reader, steps);
            }
        }
        self.refresh_around(task);
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

    /// Closes a run of cells inside a page.
    fn close_run(&mut self, task: usize, page: u64, cells: Range<u64>, steps: &mut u64) {
        let frontier = &mut self.tasks[task];
        let size = frontier.pages.size();
        let closed = match frontier.pages.state(page) {
            PageState::Done => 0,
            PageState::Absent => frontier.closed.insert_range(cells),
            PageState::Live(slot) => {
                // Cells that are finished in another way have told, or never will.
                let page = frontier.pages.page(slot);
                let is_open = |&cell: &u64| {
                    let place = size.place_of(cell);
                    !page.is_finished(place) && !page.is_out(place)
                };
                *steps = steps.saturating_sub((cells.end - cells.start) / 4);
                for cell in cells.clone().filter(is_open) {
                    frontier.closed.insert(cell);
                }
                let start = size.place_of(cells.start);
                frontier.finish_untouched(slot, start..start + (cells.end - cells.start) as usize)
            }
        };
        frontier.tally.skip_untouched(closed);
    }

    /// Live cells that wait for a cell of a box just closed are to be counted anew.
    fn recount_around(&mut self, task: usize, cells: &CellBox) {
        let frontier = &mut self.tasks[task];
        if let Some(levels) = frontier.levels.as_ref().filter(|_| frontier.conflict.is_some()) {
            let grown = levels.grow(cells).intersect_unchecked(&frontier.grid.all_cells());
            for piece in grown.without_unchecked(cells) {
                let runs = frontier.grid.runs_in_unchecked(&piece);
                frontier.watch.push_box(runs, Kind::Recount);
            }
        }
        let Some(roi) = self.tasks[task].grid.written_by_unchecked(cells) else { return };
        for place in 0..self.tasks[task].outputs.len() {
            let edge = &self.tasks[task].outputs[place];
            if edge.is_counted {
                let reader = edge.task;
                let reader = &mut self.tasks[reader];
                let readers = reader.grid.cells_reading_unchecked(&roi);
                let runs = reader.grid.runs_in_unchecked(&readers);
                reader.watch.push_box(runs, Kind::Recount);
            }
        }
    }

    /// Counts anew what a live cell waits for.
    pub(super) fn recount(&mut self, task: usize, slot: Slot, cell: u64, steps: &mut u64) {
        let place = self.tasks[task].pages.size().place_of(cell);
        let page = self.tasks[task].pages.page(slot);
        if page.waits(place) == 0 || page.is_finished(place) {
            return;
        }
        let Some(index) = self.tasks[task].grid.index(cell) else { return };
        let num_runs = Cell::new(0);
        let waits = self.sum_upstream(task, &index, &|scheduler, other, run| {
            num_runs.set(num_runs.get() + 1);
            run.end - run.start - scheduler.num_settled(other, run)
        });
        *steps = steps.saturating_sub(num_runs.get());
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
