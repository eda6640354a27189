//! The cells of one grid that are resolved: taken over, masked as a box, or not requested.
//!
//! Blocks that wait for them were not told one by one. They are kept compressed: those not requested as a
//! tree of boxes, the others as runs.

use alloc::{boxed::Box, vec::Vec};
use core::{iter::repeat, ops::Range};

use daisy_block::{CellBox, Tiling};
use roaring::RoaringTreemap;
use smallvec::SmallVec;

use super::wanted::{Ascent, Wanted};

/// Whatever the tuning says, no longer run is listed.
const LONGEST_LISTED: u64 = 1 << 20;

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    num_cells: u64,
    /// The requested cells; none where all are.
    wanted: Option<Box<Wanted>>,
    /// Requested cells that are resolved.
    done: RoaringTreemap,
    /// The longest run whose resolved cells are listed.
    max_listed: u64,
}

impl Resolved {
    /// Of a grid of so many cells.
    pub(super) fn new(num_cells: u64, wanted: Option<Wanted>, max_listed: u64) -> Self {
        let wanted = wanted.map(Box::new);
        Self { num_cells, wanted, done: RoaringTreemap::new(), max_listed }
    }

    /// The number of requested cells.
    pub(super) fn num_wanted(&self) -> u64 {
        self.wanted.as_deref().map_or(self.num_cells, Wanted::num_cells)
    }

    /// Whether the cell was requested; it must lie in the grid.
    pub(super) fn is_wanted(&self, cell: u64) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| {
            let index = wanted.grid().index(cell);
            index.is_some_and(|index| wanted.contains(index.as_slice()))
        })
    }

    /// Whether no cell is resolved.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_none() && self.done.is_empty()
    }

    /// Whether more than one box is requested, and not all of their hull.
    pub(super) const fn is_partial(&self) -> bool {
        self.wanted.is_some()
    }

    pub(super) fn contains(&self, cell: u64) -> bool {
        self.done.contains(cell) || !self.is_wanted(cell)
    }

    /// How many cells of a run are resolved.
    pub(super) fn num_in(&self, run: Range<u64>) -> u64 {
        let done = if self.done.is_empty() { 0 } else { self.done.range_cardinality(run.clone()) };
        let Some(wanted) = &self.wanted else { return done };
        let mut num_wanted = 0;
        let len = run.end - run.start;
        for cells in boxes_of(wanted.grid(), run) {
            wanted.parts(&cells, |part| num_wanted += part.num_cells());
        }
        len - num_wanted + done
    }

    /// Calls `each` with the resolved cells of a run, ascending.
    #[inline]
    pub(super) fn for_each_in(&self, run: Range<u64>, mut each: impl FnMut(u64)) {
        if self.wanted.is_some() {
            return self.within(run).into_iter().for_each(each);
        }
        let mut done = self.done.iter();
        done.advance_to(run.start);
        for cell in done {
            if cell >= run.end {
                return;
            }
            each(cell);
        }
    }

    /// The resolved cells of a run, where not all cells are requested.
    fn within(&self, run: Range<u64>) -> Vec<u64> {
        let mut wanted = Vec::new();
        self.for_each_wanted(run.clone(), |part| wanted.push(part));
        wanted.sort_unstable_by_key(|part| part.start);
        wanted.push(run.end..run.end);
        let mut cells = Vec::new();
        let mut start = run.start;
        for part in wanted {
            cells.extend(start..part.start);
            start = part.end;
        }
        let mut done = self.done.iter();
        done.advance_to(run.start);
        cells.extend(done.take_while(|&cell| cell < run.end));
        cells.sort_unstable();
        cells
    }

    /// Resolves a requested cell; whether it was not before.
    pub(super) fn insert(&mut self, cell: u64) -> bool {
        self.is_wanted(cell) && self.done.insert(cell)
    }

    /// Resolves the requested cells of a run; how many were not before.
    pub(super) fn insert_range(&mut self, run: Range<u64>) -> u64 {
        if self.wanted.is_none() {
            return self.done.insert_range(run);
        }
        let mut parts = Vec::new();
        self.for_each_wanted(run, |part| parts.push(part));
        parts.into_iter().map(|part| self.done.insert_range(part)).sum()
    }

    /// The requested parts of a box.
    pub(super) fn wanted_in(&self, cells: &CellBox) -> SmallVec<[CellBox; 1]> {
        let mut parts = SmallVec::new();
        let Some(wanted) = &self.wanted else {
            parts.push(cells.clone());
            return parts;
        };
        wanted.parts(cells, |part| parts.push(part.clone()));
        parts
    }

    /// The lowest requested cell not below `cell`.
    pub(super) fn next_wanted(&self, cell: u64) -> Option<u64> {
        match &self.wanted {
            None => (cell < self.num_cells).then_some(cell),
            Some(wanted) => wanted.next_from(cell),
        }
    }

    /// All requested cells by ascending number; none where all are.
    pub(super) fn ascent(&self) -> Option<Ascent> {
        self.wanted.as_deref().map(Ascent::new)
    }

    /// The first cell of a run that is not resolved.
    pub(super) fn first_not_in(&self, run: Range<u64>) -> Option<u64> {
        if self.is_listed(&run) {
            let resolved = self.within(run.clone()).into_iter();
            return run.zip(resolved.map(Some).chain(repeat(None))).find_map(differs);
        }
        let is_resolved = |end: u64| self.num_in(run.start..end) == end - run.start;
        if is_resolved(run.end) {
            return None;
        }
        Some(run.start + least(run.end - run.start, |len| !is_resolved(run.start + len)) - 1)
    }

    /// The last cell of a run that is not resolved.
    pub(super) fn last_not_in(&self, run: Range<u64>) -> Option<u64> {
        if self.is_listed(&run) {
            let resolved = self.within(run.clone()).into_iter().rev();
            return run.rev().zip(resolved.map(Some).chain(repeat(None))).find_map(differs);
        }
        let is_resolved = |start: u64| self.num_in(start..run.end) == run.end - start;
        if is_resolved(run.start) {
            return None;
        }
        Some(run.end - least(run.end - run.start, |len| !is_resolved(run.end - len)))
    }

    /// Whether listing the resolved cells of a run is quicker than counting them again and again.
    fn is_listed(&self, run: &Range<u64>) -> bool {
        self.wanted.is_some()
            && run.end.saturating_sub(run.start) <= self.max_listed.min(LONGEST_LISTED)
    }

    fn for_each_wanted(&self, run: Range<u64>, mut each: impl FnMut(Range<u64>)) {
        let Some(wanted) = &self.wanted else { return each(run) };
        for cells in boxes_of(wanted.grid(), run) {
            wanted.parts(&cells, |part| wanted.grid().runs_in_unchecked(part).for_each(&mut each));
        }
    }
}

/// The cell, where the resolved one in its place is another one or none.
fn differs((cell, resolved): (u64, Option<u64>)) -> Option<u64> {
    (resolved != Some(cell)).then_some(cell)
}

/// A run of cells as boxes: at most two for each axis.
pub(super) fn boxes_of(grid: &Tiling, run: Range<u64>) -> SmallVec<[CellBox; 4]> {
    let mut boxes = SmallVec::new();
    let mut open: SmallVec<[(usize, CellBox, Range<u64>); 4]> = SmallVec::new();
    open.push((0, grid.all_cells(), run));
    while let Some((depth, cells, run)) = open.pop() {
        if run.is_empty() {
            continue;
        }
        let Some(&axis) = grid.sweep_axes().get(depth) else {
            boxes.push(cells);
            continue;
        };
        // `run` counts from the first cell of the box.
        let stride = grid.strides()[axis];
        let along = |entries: Range<u64>| {
            CellBox::new(cells.axes().iter().enumerate().map(|(other, range)| {
                match other == axis {
                    // Numbers of cells are below 2^62.
                    true => entries.start as i64..entries.end as i64,
                    false => range.clone(),
                }
            }))
        };
        let (first, last) = (run.start / stride, (run.end - 1) / stride);
        let (start, end) = (run.start - first * stride, run.end - last * stride);
        if first == last {
            open.push((depth + 1, along(first..first + 1), start..end));
            continue;
        }
        let whole = first + u64::from(start > 0)..last + u64::from(end == stride);
        if start > 0 {
            open.push((depth + 1, along(first..first + 1), start..stride));
        }
        if end < stride {
            open.push((depth + 1, along(last..last + 1), 0..end));
        }
        if !whole.is_empty() {
            boxes.push(along(whole));
        }
    }
    boxes
}

/// The least number from 1 to `most` for which something holds; it holds for `most`, and for every
/// number above one for which it does.
fn least(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut below, mut least) = (0, most);
    while least - below > 1 {
        let middle = below + (least - below) / 2;
        if holds(middle) { least = middle } else { below = middle }
    }
    least
}
