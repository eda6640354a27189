//! What a block waits for: edges to neighbouring tasks, and the counters of a fresh page.

use alloc::vec::Vec;
use core::ops::Range;

use daisy_block::{CellBox, CellRuns, Crossing, Tiling};
use daisy_geometry::Coordinate;
use smallvec::SmallVec;

use super::{Tuning, frontier::Frontier};

/// A neighbouring task whose blocks wait for single blocks here, or the other way round.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    /// The neighbour.
    pub(super) task: usize,
    /// The requested part of its grid.
    pub(super) grid: Tiling,
    /// Which cells of it a cell here reads, or is read by, along each axis.
    pub(super) crossings: SmallVec<[Crossing; 4]>,
    /// The same from its cells to those here.
    back: Vec<Crossing>,
    /// Whether cells count down as the single blocks that they wait for are finished; else they watch one.
    pub(super) is_counted: bool,
}

impl Edge {
    /// The edge to an upstream task. It is counted if each of its blocks has few readers, and those few inputs.
    pub(super) fn input(task: usize, here: &Tiling, grid: Tiling, tuning: &Tuning) -> Self {
        let axes = || here.axes().iter().zip(grid.axes());
        let crossings = axes().map(|(here, there)| Crossing::inputs(here, there)).collect();
        let back = axes().map(|(here, there)| Crossing::readers(there, here)).collect();
        let most = max_readers(here, &grid).max(max_inputs(here, &grid));
        let is_counted = most <= tuning.max_counted_readers;
        Self { task, grid, crossings, back, is_counted }
    }

    /// The same edge as the upstream task sees it: `here` is the grid of the downstream `task`.
    pub(super) fn reversed(&self, task: usize, here: Tiling) -> Self {
        let crossings = self.back.iter().copied().collect();
        let back = self.crossings.to_vec();
        Self { task, grid: here, crossings, back, is_counted: self.is_counted }
    }

    /// Of the neighbour's cells that the cell at `index` reads, the one with the largest indices.
    pub(super) fn last_of(&self, index: &Coordinate) -> Option<u64> {
        let last = |axis: usize| self.crossings[axis].cells(index[axis]).end - 1;
        self.grid.cell_at_unchecked(Coordinate::from_fn(index.dims(), last).as_slice())
    }

    /// Along an axis, the neighbour's cells whose last cell here is `index`.
    pub(super) fn lasts_at(&self, axis: usize, index: i64) -> Range<i64> {
        let readers = self.crossings[axis].cells(index);
        // What cells read only ever moves up.
        let (mut end, mut beyond) = (readers.start, readers.end);
        while end < beyond {
            let middle = end + (beyond - end) / 2;
            if self.back[axis].cells(middle).end <= index + 1 {
                end = middle + 1;
            } else {
                beyond = middle;
            }
        }
        readers.start..end
    }

    /// The cells of an upstream neighbour that those in a range along one axis of `here` read.
    pub(super) fn read_along(&self, here: &Tiling, axis: usize, range: &Range<i64>) -> Range<i64> {
        // Of single cells, those at the ends may read nothing.
        let along = &here.axes()[axis];
        let read = along.read(range.start).start..along.read(range.end - 1).end;
        self.grid.axes()[axis].written_in(&read)
    }

    /// The same as [`Edge::runs`] where there is one axis, and so at most one run.
    #[inline]
    pub(super) fn run_of_line(&self, index: &[i64]) -> Option<Range<u64>> {
        let [crossing] = self.crossings.as_slice() else { return None };
        let cells = crossing.cells(*index.first()?);
        Some(cells.start.unsigned_abs()..cells.end.unsigned_abs())
    }

    /// The neighbour's cells that the cell at `index` reads, or is read by.
    #[inline]
    pub(super) fn runs(&self, index: &[i64]) -> CellRuns {
        let crossings = self.crossings.as_slice();
        self.grid.runs_along_unchecked(|axis| crossings[axis].cells(index[axis]))
    }
}

impl Frontier {
    /// Writes into `waits` how many blocks each cell of a page waits for if nothing is closed.
    pub(super) fn count_waits(&mut self, page: u64, waits: &mut Vec<u32>) {
        waits.clear();
        if self.conflict.is_none() && !self.inputs.iter().any(|edge| edge.is_counted) {
            return;
        }
        let cells = self.pages.cells_of(page);
        let Some(mut index) = self.grid.index(cells.start) else { return };
        let fastest = self.grid.sweep_axes().last().copied().unwrap_or(0);
        let len = self.grid.axes()[fastest].num_cells();
        let mut left = (cells.end - cells.start) as i64;
        while left > 0 {
            let row = index[fastest]..(index[fastest] + left).min(len);
            left -= row.end - row.start;
            self.count_row(&mut index, fastest, row, waits);
            // On to the first cell of the next row.
            index[fastest] = 0;
            for &axis in self.grid.sweep_axes().iter().rev().skip(1) {
                index[axis] += 1;
                if index[axis] < self.grid.axes()[axis].num_cells() {
                    break;
                }
                index[axis] = 0;
            }
        }
    }

    /// The same for consecutive cells along the fastest axis.
    fn count_row(
        &mut self,
        index: &mut Coordinate,
        fastest: usize,
        row: Range<i64>,
        waits: &mut Vec<u32>,
    ) {
        let start = waits.len();
        match &mut self.conflict {
            Some(conflict) => waits.extend(row.clone().map(|entry| {
                index[fastest] = entry;
                conflict.num_upstream(&self.grid, index.as_slice())
            })),
            None => waits.resize(start + (row.end - row.start) as usize, 0),
        }
        for edge in self.inputs.iter().filter(|edge| edge.is_counted) {
            let touched = |axis: usize, entry: i64| {
                let cells = edge.crossings[axis].cells(entry);
                cells.end - cells.start
            };
            let others = (0..index.dims()).filter(|&axis| axis != fastest);
            let rest: i64 = others.map(|axis| touched(axis, index[axis])).product();
            if rest > 0 {
                for (waits, entry) in waits[start..].iter_mut().zip(row.clone()) {
                    // `Scheduler::new` refuses tasks for which this could leave 32 bits.
                    *waits += (rest * touched(fastest, entry)) as u32;
                }
            }
        }
    }
}

/// The cells of `grid` that wait for at least one cell of `upstream`.
pub(super) fn waiting(grid: &Tiling, upstream: &Tiling) -> CellBox {
    match upstream.written_by_unchecked(&upstream.all_cells()) {
        Some(roi) => grid.cells_reading_unchecked(&roi),
        None => CellBox::empty(grid.dims()),
    }
}

/// The largest number of cells of `upstream` that one cell of `grid` may read.
pub(super) fn max_inputs(grid: &Tiling, upstream: &Tiling) -> u64 {
    let along = |(axis, up): (&daisy_block::Axis, &daisy_block::Axis)| {
        let read = axis.read(0);
        let touched = (read.end - read.start - 1) / up.step() + 2;
        touched.min(up.num_cells()).unsigned_abs()
    };
    grid.axes().iter().zip(upstream.axes()).map(along).fold(1, u64::saturating_mul)
}

/// The largest number of cells of `grid` that may read one cell of `upstream`.
fn max_readers(grid: &Tiling, upstream: &Tiling) -> u64 {
    let along = |(axis, up): (&daisy_block::Axis, &daisy_block::Axis)| {
        let read = axis.read(0);
        let reading = (up.step() + (read.end - read.start) - 2) / axis.step() + 1;
        reading.min(axis.num_cells()).unsigned_abs()
    };
    grid.axes().iter().zip(upstream.axes()).map(along).fold(1, u64::saturating_mul)
}
