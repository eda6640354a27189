//! Where cells that wait for nothing are looked for beside closed blocks.
//!
//! Pages are looked at in their order, and opened where they have a root or something beside them is
//! closed; others are passed. A page that was passed is looked at again if a box beside it is closed later.

use alloc::{boxed::Box, collections::BTreeSet};
use core::ops::Range;

use daisy_block::{CellBox, Tiling};
use daisy_graph::Roots;
use smallvec::SmallVec;

use super::{
    Scheduler,
    conflict::Levels,
    edge::Edge,
    frontier::{Frontier, Source},
    pages::{PageSize, PageState, Pages},
    resolved::Resolved,
    wanted::Ascent,
};

/// Which pages are still to be looked at, beside the one that is next.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    /// All pages before this one that have requested cells were looked at.
    next: u64,
    /// Those of them that are to be looked at again.
    again: BTreeSet<u64>,
    num_pages: u64,
    size: PageSize,
    roots: Roots,
    ascent: Option<Ascent>,
}

impl Scan {
    pub(super) fn new(pages: &Pages, roots: Roots, ascent: Option<Ascent>) -> Box<Self> {
        let (num_pages, size) = (pages.num_pages(), pages.size());
        Box::new(Self { next: 0, again: BTreeSet::new(), num_pages, size, roots, ascent })
    }

    /// The page that is next is done with; the one after it that has requested cells, or roots if only those matter.
    fn pass(&mut self, only_roots: bool) -> u64 {
        if self.again.pop_first().is_none() {
            let size = self.size;
            let mut cell = Some(size.cell_at(self.next + 1, 0));
            if only_roots {
                cell = cell.and_then(|cell| self.roots.next_from(cell));
            }
            if let Some(ascent) = &mut self.ascent {
                cell = cell.and_then(|cell| ascent.next_from(cell));
            }
            self.next = cell.map_or(self.num_pages, |cell| size.page_of(cell));
        }
        self.at()
    }

    fn at(&self) -> u64 {
        self.again.first().map_or(self.next, |&page| page)
    }
}

impl Frontier {
    /// A box beside an absent page was closed; whether it was passed, and so is looked at again.
    pub(super) fn scan_again(&mut self, page: u64) -> bool {
        let Source::Scan { at, scan } = &mut self.source else { return false };
        let is_passed = page < scan.next && scan.again.insert(page);
        *at = scan.at();
        is_passed
    }

    fn pass_page(&mut self, only_roots: bool) {
        if let Source::Scan { at, scan } = &mut self.source {
            *at = scan.pass(only_roots);
        }
    }
}

impl Scheduler {
    /// Looks at the page that is next; the box that the mask must be asked for before, if there is one.
    pub(super) fn scan(&mut self, task: usize, page: u64, steps: &mut u64) -> Option<CellBox> {
        // What a page takes is looked up in several places.
        *steps = steps.saturating_sub(8);
        let mut only_roots = false;
        if self.tasks[task].pages.state(page) == PageState::Absent {
            if self.is_apart(task, page, steps) {
                let frontier = &self.tasks[task];
                let is_open = |other: usize| self.tasks[other].closed.is_empty();
                only_roots = is_open(task) && frontier.inputs.iter().all(|edge| is_open(edge.task));
                self.paths.passed += 1;
            } else {
                let question = self.tasks[task].question_before(page);
                if question.is_some() {
                    return question;
                }
                self.open_page(task, page);
                *steps = steps.saturating_sub(self.tasks[task].pages.size().cells() as u64);
            }
        }
        self.tasks[task].pass_page(only_roots);
        None
    }

    /// Whether no cell of an absent page can wait for nothing: it has no root, and nothing near what its cells wait
    /// for is closed, or too little.
    fn is_apart(&self, task: usize, page: u64, steps: &mut u64) -> bool {
        let frontier = &self.tasks[task];
        let Source::Scan { scan, .. } = &frontier.source else { return false };
        // Where little is requested, most of what lies near is closed, and finding out takes longer than a page.
        let inputs = frontier.inputs.iter().map(|edge| &self.tasks[edge.task].closed);
        if inputs.chain([&frontier.closed]).any(Resolved::is_partial) {
            return false;
        }
        let cells = frontier.pages.cells_of(page);
        if scan.roots.next_from(cells.start).is_some_and(|root| root < cells.end) {
            return false;
        }
        let around = around(&frontier.grid, cells.start, cells.end - 1);
        let in_task = frontier.levels.as_deref().map(|levels: &Levels| {
            levels.grow(&around).intersect_unchecked(&frontier.grid.all_cells())
        });
        let mut is_near = in_task.is_some_and(|cells| self.may_be_closed(task, &cells));
        for edge in &frontier.inputs {
            let axes = around.axes().iter().enumerate();
            let read = axes.map(|(axis, range)| edge.read_along(&frontier.grid, axis, range));
            let read = CellBox::new(read);
            let is_closed = self.may_be_closed(edge.task, &read);
            // A counted input that is not closed opens the page when it is finished.
            if edge.is_counted && self.is_short(edge, &around, is_closed.then_some(&read), steps) {
                return true;
            }
            is_near |= is_closed;
        }
        !is_near
    }

    /// Whether something is closed in the run from the first to the last cell of a box.
    fn may_be_closed(&self, task: usize, cells: &CellBox) -> bool {
        let grid = &self.tasks[task].grid;
        let corner = |of: fn(&Range<i64>) -> i64| {
            let index: SmallVec<[i64; 4]> = cells.axes().iter().map(of).collect();
            grid.cell_at_unchecked(&index)
        };
        let (Some(first), Some(last)) =
            (corner(|range| range.start), corner(|range| range.end - 1))
        else {
            return false;
        };
        self.num_closed(task, &(first..last + 1)) > 0
    }

    /// Whether fewer cells are closed of what a box of cells reads than one of them reads.
    fn is_short(
        &self,
        edge: &Edge,
        cells: &CellBox,
        read: Option<&CellBox>,
        steps: &mut u64,
    ) -> bool {
        let mut least = 1;
        for (range, crossing) in cells.axes().iter().zip(&edge.crossings) {
            let num_read =
                range.clone().map(|entry| crossing.cells(entry)).map(|read| read.end - read.start);
            least *= num_read.min().unwrap_or(0).unsigned_abs();
        }
        let Some(read) = read else { return least > 0 };
        let mut num_closed = 0;
        for run in self.tasks[edge.task].grid.runs_in_unchecked(read) {
            if num_closed >= least {
                return false;
            }
            *steps = steps.saturating_sub(1);
            num_closed += self.num_closed(edge.task, &run);
        }
        num_closed < least
    }
}

/// A box that holds all cells from one to another.
fn around(grid: &Tiling, first: u64, last: u64) -> CellBox {
    let (Some(first), Some(last)) = (grid.index(first), grid.index(last)) else {
        return CellBox::empty(grid.dims());
    };
    let mut axes: SmallVec<[_; 4]> = first.iter().map(|start| start..start + 1).collect();
    let mut is_whole = false;
    for &axis in grid.sweep_axes() {
        if is_whole {
            axes[axis] = 0..grid.axes()[axis].num_cells();
        } else {
            axes[axis] = first[axis]..last[axis] + 1;
            is_whole = first[axis] != last[axis];
        }
    }
    CellBox::new(axes)
}
