//! What the cells of a page wait for when it is opened beside closed blocks.
//!
//! The counters of a fresh page assume that nothing is closed. Here closed blocks are taken off them,
//! row by row along the fastest axis, so that resuming a run costs little more than running it. Cells that
//! watch are decided later, and only those whose first block is settled already.

use alloc::vec::Vec;
use core::ops::Range;

use daisy_block::CellBox;
use daisy_geometry::Coordinate;
use smallvec::SmallVec;

use super::{
    Scheduler,
    pages::{PageState, Slot},
    resolved::Resolved,
};

impl Scheduler {
    /// The place of a page, which is opened if it was never looked at; none if it is done.
    pub(super) fn live_page(&mut self, task: usize, page: u64) -> Option<Slot> {
        match self.tasks[task].pages.state(page) {
            PageState::Live(slot) => Some(slot),
            PageState::Done => None,
            PageState::Absent => self.open_page(task, page),
        }
    }

    /// Makes an absent page live, or done if all of its cells are closed.
    pub(super) fn open_page(&mut self, task: usize, page: u64) -> Option<Slot> {
        let cells = self.tasks[task].pages.cells_of(page);
        let num_closed = self.num_closed(task, &cells);
        if num_closed == cells.end - cells.start {
            self.tasks[task].pages.close(page);
            self.paths.closed_unopened += 1;
            return None;
        }
        let mut waits = core::mem::take(&mut self.waits);
        self.tasks[task].count_waits(page, &mut waits);
        if self.tasks[task].scans() {
            self.subtract_closed(task, page, &mut waits);
        }
        let frontier = &mut self.tasks[task];
        let slot = frontier.pages.open(page, &waits);
        self.waits = waits;
        if num_closed > 0 {
            self.paths.opened_beside_closed += 1;
            let size = frontier.pages.size();
            let opened = frontier.pages.page_mut(slot);
            frontier.closed.for_each_in(cells.clone(), |cell| opened.finish(size.place_of(cell)));
        }
        if self.tasks[task].scans() {
            self.look_through(task, slot, &cells);
        }
        Some(slot)
    }

    /// The cells of a fresh page that wait for no counted block are ready, or to be decided.
    fn look_through(&mut self, task: usize, slot: Slot, cells: &Range<u64>) {
        let places = 0..(cells.end - cells.start) as usize;
        for place in places.clone() {
            let frontier = &mut self.tasks[task];
            if !frontier.pages.page(slot).is_undecided(place) {
                continue;
            }
            if !frontier.watches() || self.awaits_nothing(task, cells.start + place as u64) {
                self.tasks[task].pages.page_mut(slot).set_ready(place);
            }
        }
        let frontier = &mut self.tasks[task];
        frontier.tally.ready += u64::from(frontier.pages.page(slot).num_ready);
        frontier.queue.push(&mut frontier.pages, slot, places);
    }

    /// Whether a cell waits for no block that is not counted. If the first that it waits for is settled, it is
    /// to be decided.
    fn awaits_nothing(&mut self, task: usize, cell: u64) -> bool {
        let Some(index) = self.tasks[task].grid.index(cell) else { return false };
        let Some((other, awaited)) = self.first_awaited(task, &index) else { return true };
        if self.is_settled(other, awaited) {
            self.tasks[task].watch.decide(cell);
        }
        false
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
            let row = start..(start + (cells.end - cell) as i64).min(len);
            let end = cell + (row.end - row.start) as u64;
            let waits = &mut waits[(cell - cells.start) as usize..(end - cells.start) as usize];
            // Of closed cells nobody asks what they wait for: only what lies between the first and
            // the last open one is looked at.
            let frontier = &self.tasks[task];
            let closed = &frontier.closed;
            let open = (closed.first_not_in(cell..end), closed.last_not_in(cell..end));
            if let (Some(first), Some(last)) = open {
                let places = (first - cell) as usize..(last - cell) as usize + 1;
                let row = row.start + places.start as i64..row.start + places.end as i64;
                let waits = &mut waits[places];
                if self.is_conflict_closed(task, &index, &row) {
                    self.subtract_conflicts(task, &mut index, &row, waits);
                }
                self.subtract_inputs(task, &mut index, &row, waits);
            }
            cell = end;
        }
    }

    /// Takes closed blocks of the task itself off a row.
    ///
    /// All cells of a class wait for runs at the same distances, so each run slides along the row: its
    /// closed cells are counted up once, and each cell takes a difference.
    fn subtract_conflicts(
        &mut self,
        task: usize,
        index: &mut Coordinate,
        row: &Range<i64>,
        waits: &mut [u32],
    ) {
        let frontier = &mut self.tasks[task];
        let fastest = frontier.grid.sweep_axes().last().copied().unwrap_or(0);
        index[fastest] = row.start;
        let first = frontier.grid.cell_at_unchecked(index.as_slice()).unwrap_or(0);
        let Some(conflict) = &mut frontier.conflict else { return };
        let mut classes: SmallVec<[(usize, Vec<usize>); 4]> = SmallVec::new();
        for (place, entry) in row.clone().enumerate() {
            index[fastest] = entry;
            let class = conflict.class_of(&frontier.grid, index.as_slice());
            match classes.iter_mut().find(|(known, _)| *known == class) {
                Some((_, members)) => members.push(place),
                None => classes.push((class, alloc::vec![place])),
            }
        }
        let mut sums = Vec::new();
        for (class, members) in classes {
            let (Some(lowest), Some(highest)) = (members.first(), members.last()) else { continue };
            for run in conflict.upstream(class) {
                let (from, to) = (run.at(first + *lowest as u64), run.at(first + *highest as u64));
                let len = (from.end - from.start) as usize;
                sum_up(&frontier.closed, from.start..to.end, &mut sums);
                for &place in &members {
                    let at = place - lowest;
                    waits[place] -= sums[at + len] - sums[at];
                }
                self.paths.subtracted_conflicts += 1;
            }
        }
    }

    /// Takes closed blocks of upstream tasks off a row.
    ///
    /// In each row of upstream blocks the closed ones are counted up once, and each cell takes a difference.
    fn subtract_inputs(
        &mut self,
        task: usize,
        index: &mut Coordinate,
        row: &Range<i64>,
        waits: &mut [u32],
    ) {
        let frontier = &self.tasks[task];
        let fastest = frontier.grid.sweep_axes().last().copied().unwrap_or(0);
        let mut sums = Vec::new();
        for edge in frontier.inputs.iter().filter(|edge| edge.is_counted) {
            let closed = &self.tasks[edge.task].closed;
            let crossings = edge.crossings.as_slice();
            let read = edge.read_along(&frontier.grid, fastest, row);
            let runs = |read: Range<i64>| {
                edge.grid.runs_along_unchecked(|axis| match axis == fastest {
                    true => read.clone(),
                    false => crossings[axis].cells(index[axis]),
                })
            };
            if closed.is_empty() || runs(read.clone()).all(|run| closed.num_in(run) == 0) {
                continue;
            }
            self.paths.subtracted_inputs += 1;
            if edge.grid.sweep_axes().last() != Some(&fastest) {
                for (entry, waits) in row.clone().zip(&mut *waits) {
                    index[fastest] = entry;
                    let num_closed = edge.runs(index.as_slice()).map(|run| closed.num_in(run));
                    *waits -= num_closed.sum::<u64>() as u32;
                }
                continue;
            }
            let starts = runs(read.start..read.start + 1);
            // Where a cell reads, in the row; nothing may begin anywhere.
            let places: Vec<Range<usize>> = row
                .clone()
                .map(|entry| crossings[fastest].cells(entry))
                .map(|cells| if cells.is_empty() { read.start..read.start } else { cells })
                .map(|cells| (cells.start - read.start) as usize..(cells.end - read.start) as usize)
                .collect();
            for start in starts.flatten() {
                let window = start..start + (read.end - read.start) as u64;
                match closed.num_in(window.clone()) {
                    0 => {}
                    all if all == window.end - window.start => {
                        let pairs = places.iter().zip(&mut *waits);
                        pairs.for_each(|(places, waits)| *waits -= places.len() as u32);
                    }
                    _ => {
                        sum_up(closed, window, &mut sums);
                        for (places, waits) in places.iter().zip(&mut *waits) {
                            *waits -= sums[places.end] - sums[places.start];
                        }
                    }
                }
            }
        }
    }

    /// Whether one of the cells at `index`, its entry along the fastest axis taken from `row`, may
    /// conflict with a closed one.
    fn is_conflict_closed(&self, task: usize, index: &Coordinate, row: &Range<i64>) -> bool {
        let frontier = &self.tasks[task];
        let fastest = frontier.grid.sweep_axes().last().copied().unwrap_or(0);
        let is_counted = frontier.conflict.is_some() && !frontier.closed.is_empty();
        let Some(levels) = frontier.levels.as_ref().filter(|_| is_counted) else { return false };
        let around = levels.stencil().axes().iter().enumerate().map(|(axis, conflicts)| {
            let reach = conflicts.reach();
            if axis == fastest {
                row.start - reach..row.end + reach
            } else {
                index[axis] - reach..index[axis] + reach + 1
            }
        });
        let mut runs = frontier.grid.runs_in_unchecked(&CellBox::new(around));
        runs.any(|run| self.num_closed(task, &run) > 0)
    }
}

/// Writes how many of `closed` lie before each cell of a window, and before its end.
fn sum_up(closed: &Resolved, window: Range<u64>, sums: &mut Vec<u32>) {
    sums.clear();
    let mut sum = 0;
    closed.for_each_in(window.clone(), |cell| {
        sums.resize((cell - window.start) as usize + 1, sum);
        sum += 1;
    });
    sums.resize((window.end - window.start) as usize + 1, sum);
}
