//! One task's share of the scheduler: its grid, its pages, and where its next ready block is.

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use daisy_block::{BlockKey, CellBox, Order, Tiling};
use daisy_geometry::Coordinate;
use daisy_graph::{Roots, TaskNode};

use super::{
    Tuning,
    around::Around,
    conflict::{Conflict, Levels},
    edge::{Edge, max_inputs, waiting},
    mask::Mask,
    pages::{PageState, Pages, Slot},
    queue::Queue,
    request,
    resolved::{Resolved, boxes_of},
    scan::Scan,
    watch::Watch,
};
use crate::{SchedulerError, counts::Tally};

/// See the module's text. Cells are numbered as in `grid`, which may be a part of the task's grid.
#[derive(Clone, Debug)]
pub(super) struct Frontier {
    /// The task's whole grid.
    pub(super) whole: Tiling,
    /// The requested part of it.
    pub(super) grid: Tiling,
    /// The index of its first cell in the whole grid.
    pub(super) origin: Coordinate,
    /// That part is all of it, and so cells have the same numbers here and there.
    is_whole: bool,
    /// Whether blocks conflict: then their conflicts are counted, or else watched.
    pub(super) levels: Option<Box<Levels>>,
    pub(super) conflict: Option<Conflict>,
    pub(super) around: Option<Box<Around>>,
    pub(super) watch: Watch,
    /// The upstream tasks whose blocks are awaited one by one.
    pub(super) inputs: Vec<Edge>,
    /// The tasks that await blocks of this one one by one.
    pub(super) outputs: Vec<Edge>,
    /// The upstream tasks that every block here waits for as a whole.
    pub(super) gates: Vec<usize>,
    /// The tasks of which every block waits for all blocks here.
    pub(super) gated: Vec<usize>,
    /// The largest number of counted blocks that one block here may wait for.
    pub(super) max_waits: u64,
    pub(super) pages: Pages,
    pub(super) tally: Tally,
    /// Cells that are resolved: masked, taken over, not requested.
    pub(super) closed: Resolved,
    pub(super) mask: Option<Mask>,
    pub(super) source: Source,
    pub(super) queue: Queue,
}

/// Where blocks come from that no other block makes ready.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Nothing is closed here or upstream, so they follow from the geometry.
    Roots {
        roots: Roots,
        next: Option<u64>,
        /// Up to `last` the roots lie `distance` apart.
        distance: u64,
        last: u64,
    },
    /// Something is, or may be: the page `at` is to be looked at next.
    Scan { at: u64, scan: Box<Scan> },
}

/// What [`Frontier::take`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// This block is out now; it still counts as ready.
    Block(u64),
    /// This page must be made live first.
    Open(u64),
    /// This page must be looked at first.
    Scan(u64),
    /// The blocks of this box must be asked for first.
    Ask(CellBox),
    /// There is none for the time being.
    None,
}

/// Where the next block comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A ready cell of a live page.
    Ready(u64),
    /// A root that was not touched yet.
    Root(u64),
    /// The page at this number must be looked at first.
    Scan(u64),
    None,
}

/// What a frontier is made of.
pub(super) struct Parts {
    pub(super) grid: Tiling,
    pub(super) origin: Coordinate,
    pub(super) is_whole: bool,
    pub(super) inputs: Vec<Edge>,
    pub(super) gates: Vec<usize>,
    pub(super) closed: Resolved,
    pub(super) mask: Option<Mask>,
    pub(super) order: Order,
    pub(super) tuning: Tuning,
}

impl Frontier {
    pub(super) fn new(task: &TaskNode, parts: Parts) -> Self {
        let Parts { grid, origin, is_whole, inputs, gates, closed, mask, order, tuning } = parts;
        let levels =
            task.stencil().map(|stencil| Box::new(Levels::new(stencil.clone(), origin.clone())));
        let known = levels.as_deref();
        let conflict = known.and_then(|levels| Conflict::new(levels, &grid, &tuning));
        let watched = known.filter(|_| conflict.is_none());
        let around = watched.map(|levels| Box::new(Around::new(levels, &grid.grid_shape())));
        let counted = inputs.iter().filter(|edge| edge.is_counted);
        let in_task = conflict.as_ref().map_or(0, Conflict::max_upstream);
        let max_waits =
            counted.fold(in_task, |sum, edge| sum.saturating_add(max_inputs(&grid, &edge.grid)));
        let watches = around.is_some() || inputs.iter().any(|edge| !edge.is_counted);
        let total = closed.num_wanted();
        let pages = Pages::new(grid.num_cells(), max_waits, watches, &tuning);
        let scan = Scan::new(&pages, Roots::default(), None);
        let source = Source::Scan { at: 0, scan };
        Self {
            whole: task.tiling().clone(),
            max_waits,
            pages,
            tally: Tally::new(total),
            queue: Queue::new(order, &grid, known),
            grid,
            origin,
            is_whole,
            levels,
            conflict,
            around,
            watch: Watch::default(),
            inputs,
            outputs: Vec::new(),
            gates,
            gated: Vec::new(),
            closed,
            mask,
            source,
        }
    }

    /// Decides how blocks that wait for nothing are found; called before the first hand-out.
    pub(super) fn begin(&mut self, scans: bool) {
        self.tally.ready = 0;
        let boxes: Vec<CellBox> =
            self.inputs.iter().map(|edge| waiting(&self.grid, &edge.grid)).collect();
        let stencil = self.levels.as_deref().map(Levels::stencil);
        let roots = Roots::new_unchecked(&self.grid, stencil, self.origin.as_slice(), &boxes);
        if scans || self.queue.is_morton() {
            self.source =
                Source::Scan { at: 0, scan: Scan::new(&self.pages, roots, self.closed.ascent()) };
            return;
        }
        self.tally.ready += roots.num_cells();
        self.source = Source::Roots { roots, next: None, distance: 1, last: 0 };
        self.find_roots(0);
    }

    /// Whether every page must be looked at for cells that wait for nothing.
    pub(super) const fn scans(&self) -> bool {
        matches!(self.source, Source::Scan { .. })
    }

    /// Whether a cell is known to wait for nothing by arithmetic alone.
    pub(super) fn is_root(&self, cell: u64) -> bool {
        matches!(&self.source, Source::Roots { roots, .. } if roots.next_from(cell) == Some(cell))
    }

    /// Whether there are pages that nobody looked at for cells that wait for nothing.
    pub(super) fn has_unseen_pages(&self) -> bool {
        matches!(self.source, Source::Scan { at, .. } if at < self.pages.num_pages())
    }

    /// Whether there may be a block to hand out; looking for it may be needed.
    pub(super) fn has_ready(&self) -> bool {
        self.tally.ready > 0
            || self.watch.is_closing()
            || (self.tally.has_untouched() && (!self.watch.is_idle() || self.has_unseen_pages()))
    }

    /// Takes the next ready block out of its queue.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Taken {
        let next = self.next();
        let (cell, is_root) = match next {
            Next::Ready(cell) => (cell, false),
            Next::Root(cell) => (cell, true),
            Next::Scan(page) => return Taken::Scan(page),
            Next::None => return Taken::None,
        };
        if self.mask.is_some()
            && let Some(cells) = self.question(cell)
        {
            return Taken::Ask(cells);
        }
        // The page of a root may be absent; it is not done, since the root was not touched.
        let size = self.pages.size();
        let PageState::Live(slot) = self.pages.state(size.page_of(cell)) else {
            return Taken::Open(size.page_of(cell));
        };
        let page = self.pages.page_mut(slot);
        page.set_out(size.place_of(cell));
        if is_root {
            self.pass_root(cell);
        } else {
            page.clear_ready(size.place_of(cell));
        }
        Taken::Block(cell)
    }

    /// Takes one ready cell of a live page out of turn; false if it is not ready.
    pub(super) fn take_named(&mut self, cell: u64) -> bool {
        let size = self.pages.size();
        let PageState::Live(slot) = self.pages.state(size.page_of(cell)) else { return false };
        let page = self.pages.page_mut(slot);
        let is_ready = page.is_ready(size.place_of(cell));
        if is_ready {
            page.set_out(size.place_of(cell));
            page.clear_ready(size.place_of(cell));
        }
        is_ready
    }

    /// The block to be handed out next, if the order allows to say so already.
    #[inline]
    fn next(&mut self) -> Next {
        let ready = self.queue.first(&mut self.pages);
        match &self.source {
            Source::Roots { next: Some(root), .. } => match ready {
                Some(cell) if self.queue.precedes(cell, *root) => Next::Ready(cell),
                _ => Next::Root(*root),
            },
            &Source::Scan { at, .. } if at < self.pages.num_pages() => match ready {
                Some(cell) if self.queue.is_by_number() && self.pages.size().page_of(cell) < at => {
                    Next::Ready(cell)
                }
                _ => Next::Scan(at),
            },
            _ => ready.map_or(Next::None, Next::Ready),
        }
    }

    /// The root that [`Frontier::next`] named is out.
    #[inline]
    fn pass_root(&mut self, cell: u64) {
        if let Source::Roots { next, distance, last, .. } = &mut self.source {
            if cell < *last {
                *next = Some(cell + *distance);
            } else {
                self.find_roots(cell + 1);
            }
        }
    }

    /// The box that the mask must be asked for before a cell is handed out.
    #[inline(never)]
    fn question(&mut self, cell: u64) -> Option<CellBox> {
        let index = self.grid.index(cell)?;
        self.mask.as_mut()?.question(index.as_slice())
    }

    /// The box that the mask must be asked for before an absent page is opened: so that pages of masked boxes
    /// never are.
    pub(super) fn question_before(&mut self, page: u64) -> Option<CellBox> {
        self.mask.as_ref()?;
        let cell = self.closed.first_not_in(self.pages.cells_of(page))?;
        self.question(cell)
    }

    /// Finds the roots from `cell` on.
    #[inline(never)]
    fn find_roots(&mut self, cell: u64) {
        if let Source::Roots { roots, next, distance, last } = &mut self.source {
            let run = roots.run_from(cell);
            (*distance, *last) = run.map_or((1, 0), |(_, distance, last)| (distance, last));
            *next = run.map(|(first, ..)| first);
        }
    }

    /// The place of a cell of this grid if it is out.
    #[inline]
    pub(super) fn find_out(&self, cell: u64) -> Option<Slot> {
        let size = self.pages.size();
        match self.pages.state(size.page_of(cell)) {
            PageState::Live(slot) if self.pages.page(slot).is_out(size.place_of(cell)) => {
                Some(slot)
            }
            _ => None,
        }
    }

    /// A block that is out is finished, whatever the outcome.
    #[inline]
    pub(super) fn finish(&mut self, cell: u64, slot: Slot) {
        let size = self.pages.size();
        let page = self.pages.page_mut(slot);
        page.clear_out(size.place_of(cell));
        page.finish(size.place_of(cell));
        if page.is_done() {
            self.pages.close(size.page_of(cell));
        }
    }

    /// Whether no block waits for a single block here.
    #[inline]
    pub(super) fn is_unread(&self) -> bool {
        self.levels.is_none() && self.outputs.is_empty()
    }

    /// Whether blocks here watch others.
    pub(super) const fn watches(&self) -> bool {
        self.pages.defers()
    }

    /// Whether cells have the same numbers here and in the task's whole grid.
    #[inline]
    pub(super) const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The number of a cell here, from its number in the task's whole grid.
    #[inline]
    pub(super) fn local(&self, cell: u64) -> Option<u64> {
        if self.is_whole() {
            return (cell < self.grid.num_cells()).then_some(cell);
        }
        moved(&self.whole, &self.grid, -1, &self.origin, cell)
    }

    /// The number here of a requested block.
    pub(super) fn requested(&self, key: BlockKey) -> Result<u64, SchedulerError> {
        let cell = self.local(key.cell).filter(|&cell| self.closed.is_wanted(cell));
        cell.ok_or(SchedulerError::UnknownBlock { block: key })
    }

    /// The number of a cell in the task's whole grid, from its number here.
    #[inline]
    pub(super) fn global(&self, cell: u64) -> u64 {
        if self.is_whole() {
            return cell;
        }
        moved(&self.grid, &self.whole, 1, &self.origin, cell).unwrap_or(cell)
    }

    /// Closes the requested ones of a run of cells of the whole grid; how many were not closed before.
    pub(super) fn close_global(&mut self, cells: Range<u64>) -> u64 {
        let cells = cells.start..cells.end.min(self.whole.num_cells());
        // A single one is inserted much faster than a run of one.
        if cells.end.saturating_sub(cells.start) == 1 {
            let local = self.local(cells.start);
            return u64::from(local.is_some_and(|cell| self.closed.insert(cell)));
        }
        if self.is_whole {
            return self.closed.insert_range(cells);
        }
        let mut taken = 0;
        for cells in boxes_of(&self.whole, cells) {
            let Some(cells) = request::shifted(&cells, &self.origin, -1) else { continue };
            let cells = cells.intersect_unchecked(&self.grid.all_cells());
            for part in self.closed.wanted_in(&cells) {
                let runs = self.grid.runs_in_unchecked(&part);
                taken += runs.map(|run| self.closed.insert_range(run)).sum::<u64>();
            }
        }
        taken
    }
}

/// The number in another grid of the cell whose index is off by the origin.
#[cold]
fn moved(from: &Tiling, to: &Tiling, sign: i64, origin: &Coordinate, cell: u64) -> Option<u64> {
    let index = from.index(cell)?;
    let moved = |axis: usize| index[axis] + sign * origin[axis];
    to.cell_at_unchecked(Coordinate::from_fn(index.dims(), moved).as_slice())
}
