//! One task's share of the scheduler: its grid, its pages, and where its next ready block is.

use alloc::{collections::BinaryHeap, vec::Vec};
use core::{cmp::Reverse, ops::Range};

use daisy_block::{CellBox, Order, Tiling};
use daisy_geometry::Coordinate;
use daisy_graph::{Roots, TaskNode};
use roaring::RoaringTreemap;

use super::{
    conflict::Conflict,
    edge::{Edge, max_inputs, waiting},
    keys::{least, order_key},
    mask::Mask,
    pages::{PAGE_CELLS, PageState, Pages, Slot, cell_at, page_of, place_of},
};
use crate::counts::Tally;

/// See the module's text. Cells are numbered as in `grid`, which may be a part of the task's grid.
#[derive(Clone, Debug)]
pub(super) struct Frontier {
    /// The task's whole grid.
    pub(super) whole: Tiling,
    /// The requested part of it.
    pub(super) grid: Tiling,
    /// The index of its first cell in the whole grid.
    pub(super) origin: Coordinate,
    /// Whether cells have the same numbers here and there.
    pub(super) is_whole: bool,
    pub(super) conflict: Option<Conflict>,
    /// The upstream tasks whose blocks are awaited one by one.
    pub(super) inputs: Vec<Edge>,
    /// The tasks that await blocks of this one one by one.
    pub(super) outputs: Vec<Edge>,
    /// The upstream tasks that every block here waits for as a whole.
    pub(super) gates: Vec<usize>,
    /// The tasks of which every block waits for all blocks here.
    pub(super) gated: Vec<usize>,
    /// The largest number of blocks that one block here may wait for, gates aside.
    pub(super) max_waits: u64,
    pub(super) pages: Pages,
    pub(super) tally: Tally,
    /// Cells that were finished without anybody having been told: masked, taken over, not requested.
    pub(super) closed: RoaringTreemap,
    pub(super) mask: Option<Mask>,
    source: Source,
    queue: Queue,
}

/// Where blocks come from that no other block makes ready.
#[derive(Clone, Debug)]
enum Source {
    /// Nothing is closed here or upstream, so they follow from the geometry.
    Roots {
        roots: Roots,
        next: Option<u64>,
        /// Up to `last` the roots lie `distance` apart.
        distance: u64,
        last: u64,
    },
    /// All pages before `next` were looked at.
    Scan { next: u64 },
}

/// The ready cells in the order of hand-out.
#[derive(Clone, Debug)]
enum Queue {
    /// Pages with ready cells; a page may stand here although it has none any more.
    Pages(BinaryHeap<Reverse<u64>>),
    /// Ready cells by key; a cell may stand here although it is not ready any more.
    Cells { order: Order, heap: BinaryHeap<Reverse<(u128, u64)>>, retries: u64 },
}

/// What [`Frontier::take`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// This block is out now; it still counts as ready.
    Block(u64),
    /// This page must be made live first.
    Open(u64),
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
    pub(super) closed: RoaringTreemap,
    pub(super) mask: Option<Mask>,
    pub(super) order: Order,
}

impl Frontier {
    pub(super) fn new(task: &TaskNode, parts: Parts) -> Self {
        let Parts { grid, origin, is_whole, inputs, gates, closed, mask, order } = parts;
        let conflict = task.stencil().map(|stencil| Conflict::new(stencil, &grid, &origin));
        let waits = inputs.iter().map(|edge| max_inputs(&grid, &edge.grid));
        let in_task = conflict.as_ref().map_or(0, Conflict::max_upstream);
        let max_waits = waits.fold(in_task, u64::saturating_add);
        let total = grid.num_cells() - closed.len();
        Self {
            whole: task.tiling().clone(),
            max_waits,
            pages: Pages::new(grid.num_cells(), max_waits),
            tally: Tally::new(total),
            grid,
            origin,
            is_whole,
            conflict,
            inputs,
            outputs: Vec::new(),
            gates,
            gated: Vec::new(),
            closed,
            mask,
            source: Source::Scan { next: 0 },
            queue: match order {
                Order::Sweep => Queue::Pages(BinaryHeap::new()),
                Order::Level | Order::Morton => {
                    Queue::Cells { order, heap: BinaryHeap::new(), retries: 0 }
                }
            },
        }
    }

    /// Decides how blocks that wait for nothing are found; called before the first hand-out.
    pub(super) fn begin(&mut self, scans: bool) {
        let is_morton = matches!(self.queue, Queue::Cells { order: Order::Morton, .. });
        self.source = Source::Scan { next: 0 };
        self.tally.ready = 0;
        if scans || is_morton {
            return;
        }
        let boxes: Vec<CellBox> =
            self.inputs.iter().map(|edge| waiting(&self.grid, &edge.grid)).collect();
        let stencil = self.conflict.as_ref().map(Conflict::stencil);
        let roots = Roots::new_unchecked(&self.grid, stencil, self.origin.as_slice(), &boxes);
        self.tally.ready += roots.num_cells();
        self.source = Source::Roots { roots, next: None, distance: 1, last: 0 };
        self.find_roots(0);
    }

    /// Whether every page must be looked at for cells that wait for nothing.
    pub(super) const fn scans(&self) -> bool {
        matches!(self.source, Source::Scan { .. })
    }

    /// Whether there are pages that nobody looked at for cells that wait for nothing.
    pub(super) fn has_unseen_pages(&self) -> bool {
        matches!(self.source, Source::Scan { next } if next < self.pages.num_pages())
    }

    /// Whether there may be a block to hand out; looking for it may be needed.
    pub(super) fn has_ready(&self) -> bool {
        self.tally.ready > 0 || (self.has_unseen_pages() && self.tally.has_untouched())
    }

    /// Takes the next ready block out of its queue.
    #[inline]
    pub(super) fn take(&mut self) -> Taken {
        let next = self.next();
        let (cell, is_root) = match next {
            Next::Ready(cell) => (cell, false),
            Next::Root(cell) => (cell, true),
            Next::Scan(page) => {
                if let Some(cells) = self.question_before(page) {
                    return Taken::Ask(cells);
                }
                self.pass_page();
                return Taken::Open(page);
            }
            Next::None => return Taken::None,
        };
        if self.mask.is_some()
            && let Some(cells) = self.question(cell)
        {
            return Taken::Ask(cells);
        }
        // The page of a root may be absent; it is not done, since the root was not touched.
        let PageState::Live(slot) = self.pages.state(page_of(cell)) else {
            return Taken::Open(page_of(cell));
        };
        let page = self.pages.page_mut(slot);
        page.set_out(place_of(cell));
        if is_root {
            self.pass_root(cell);
        } else {
            page.clear_ready(place_of(cell));
        }
        Taken::Block(cell)
    }

    /// Takes one ready cell of a live page out of turn; false if it is not ready.
    pub(super) fn take_named(&mut self, cell: u64) -> bool {
        let PageState::Live(slot) = self.pages.state(page_of(cell)) else { return false };
        let page = self.pages.page_mut(slot);
        let is_ready = page.is_ready(place_of(cell));
        if is_ready {
            page.set_out(place_of(cell));
            page.clear_ready(place_of(cell));
        }
        is_ready
    }

    /// The block to be handed out next, if the order allows to say so already.
    #[inline]
    fn next(&mut self) -> Next {
        let ready = self.lowest_ready();
        match &self.source {
            Source::Roots { next: Some(root), .. } => match ready {
                Some(cell) if self.precedes(cell, *root) => Next::Ready(cell),
                _ => Next::Root(*root),
            },
            &Source::Scan { next } if next < self.pages.num_pages() => match (&self.queue, ready) {
                (Queue::Pages(_), Some(cell)) if page_of(cell) < next => Next::Ready(cell),
                _ => Next::Scan(next),
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

    /// The page that [`Frontier::next`] named is about to be looked at.
    const fn pass_page(&mut self) {
        if let Source::Scan { next } = &mut self.source {
            *next += 1;
        }
    }

    /// The box that the mask must be asked for before a cell is handed out.
    #[inline(never)]
    fn question(&mut self, cell: u64) -> Option<CellBox> {
        let index = self.grid.index(cell)?;
        self.mask.as_mut()?.question(index.as_slice())
    }

    /// The box that the mask must be asked for before a page is opened: so that pages of masked boxes
    /// never are.
    fn question_before(&mut self, page: u64) -> Option<CellBox> {
        if self.mask.is_none() || self.pages.state(page) != PageState::Absent {
            return None;
        }
        let cell = self.first_not_closed(self.pages.cells_of(page))?;
        self.question(cell)
    }

    /// The first cell of a run that is not closed.
    pub(super) fn first_not_closed(&self, run: Range<u64>) -> Option<u64> {
        let is_closed = |end: u64| self.closed.range_cardinality(run.start..end) == end - run.start;
        if is_closed(run.end) {
            return None;
        }
        Some(run.start + least(run.end - run.start, |len| !is_closed(run.start + len)) - 1)
    }

    /// The last cell of a run that is not closed.
    pub(super) fn last_not_closed(&self, run: Range<u64>) -> Option<u64> {
        let is_closed =
            |start: u64| self.closed.range_cardinality(start..run.end) == run.end - start;
        if is_closed(run.start) {
            return None;
        }
        Some(run.end - least(run.end - run.start, |len| !is_closed(run.end - len)))
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
        match self.pages.state(page_of(cell)) {
            PageState::Live(slot) if self.pages.page(slot).is_out(place_of(cell)) => Some(slot),
            _ => None,
        }
    }

    /// A block that is out is finished, whatever the outcome.
    #[inline]
    pub(super) fn finish(&mut self, cell: u64, slot: Slot) {
        let page = self.pages.page_mut(slot);
        page.clear_out(place_of(cell));
        page.finish(place_of(cell));
        if page.is_done() {
            self.pages.close(page_of(cell));
        }
    }

    /// Whether nobody waits for a single block here.
    #[inline]
    pub(super) fn is_unwatched(&self) -> bool {
        self.conflict.is_none() && self.outputs.is_empty()
    }

    /// Puts cells of a live page that have just become ready into the queue.
    #[inline]
    pub(super) fn enqueue(&mut self, slot: Slot, places: Range<usize>) {
        let page = self.pages.page_mut(slot);
        match &mut self.queue {
            Queue::Pages(heap) => {
                if page.num_ready > 0 && !page.is_queued {
                    page.is_queued = true;
                    heap.push(Reverse(page.number));
                }
            }
            Queue::Cells { order, heap, .. } => {
                for place in places.filter(|&place| page.is_ready(place)) {
                    let cell = cell_at(page.number, place);
                    let key = order_key(*order, &self.grid, self.conflict.as_ref(), cell);
                    heap.push(Reverse((key, cell)));
                }
            }
        }
    }

    /// Puts a block that was out back: behind all others by level, else into its own place.
    pub(super) fn enqueue_again(&mut self, slot: Slot, place: usize) {
        match &mut self.queue {
            Queue::Cells { order: Order::Level, heap, retries } => {
                let cell = cell_at(self.pages.page(slot).number, place);
                heap.push(Reverse((u128::MAX / 2 + u128::from(*retries), cell)));
                *retries += 1;
            }
            _ => self.enqueue(slot, place..place + 1),
        }
    }

    /// The ready cell that is first in order.
    #[inline]
    fn lowest_ready(&mut self) -> Option<u64> {
        match &mut self.queue {
            Queue::Pages(heap) => loop {
                let number = heap.peek()?.0;
                if let PageState::Live(slot) = self.pages.state(number) {
                    let page = self.pages.page_mut(slot);
                    if page.num_ready > 0 {
                        return page.first_ready().map(|place| cell_at(number, place));
                    }
                    page.is_queued = false;
                }
                heap.pop();
            },
            Queue::Cells { heap, .. } => loop {
                let cell = heap.peek()?.0.1;
                if let PageState::Live(slot) = self.pages.state(page_of(cell))
                    && self.pages.page(slot).is_ready(place_of(cell))
                {
                    return Some(cell);
                }
                heap.pop();
            },
        }
    }

    /// Whether a ready cell goes before a root.
    fn precedes(&self, cell: u64, root: u64) -> bool {
        match &self.queue {
            Queue::Pages(_) => cell < root,
            Queue::Cells { order, heap, .. } => {
                let key = order_key(*order, &self.grid, self.conflict.as_ref(), root);
                heap.peek().is_some_and(|first| first.0.0 < key)
            }
        }
    }

    /// The number of a cell here, from its number in the task's whole grid.
    #[inline]
    pub(super) fn local(&self, cell: u64) -> Option<u64> {
        if self.is_whole {
            return (cell < self.grid.num_cells()).then_some(cell);
        }
        self.moved(&self.whole, &self.grid, -1, cell)
    }

    /// The number of a cell in the task's whole grid, from its number here.
    #[inline]
    pub(super) fn global(&self, cell: u64) -> u64 {
        if self.is_whole {
            return cell;
        }
        self.moved(&self.grid, &self.whole, 1, cell).unwrap_or(cell)
    }

    /// The number in another grid of the cell whose index is off by the origin.
    #[cold]
    fn moved(&self, from: &Tiling, to: &Tiling, sign: i64, cell: u64) -> Option<u64> {
        let index = from.index(cell)?;
        let moved = |axis: usize| index[axis] + sign * self.origin[axis];
        to.cell_at_unchecked(Coordinate::from_fn(index.dims(), moved).as_slice())
    }

    /// Each cell of a run waits for one block less: the common case of a few cells of a live page.
    ///
    /// False, and nothing has changed, where that takes [`Frontier::push`].
    #[inline]
    pub(super) fn push_at_once(&mut self, run: &Range<u64>) -> bool {
        let (page, place) = (page_of(run.start), place_of(run.start));
        let len = (run.end - run.start) as usize;
        let PageState::Live(slot) = self.pages.state(page) else { return false };
        // Beyond the end of a page there are no counters.
        let Some(became_ready) = self.pages.page_mut(slot).arrive_at_once(place, len) else {
            return false;
        };
        if became_ready > 0 {
            self.tally.ready += u64::from(became_ready);
            self.enqueue(slot, place..place + len);
        }
        true
    }

    /// Each cell of a run waits for one block less; the run is shortened by what has been done.
    ///
    /// Returns the page that the scheduler must open first, if there is one.
    #[inline(never)]
    pub(super) fn push(&mut self, run: &mut Range<u64>, waits: &mut Vec<u32>) -> Option<u64> {
        while run.start < run.end {
            let page = page_of(run.start);
            let first = place_of(run.start);
            let len = (run.end - run.start).min((PAGE_CELLS - first) as u64);
            let slot = match self.pages.state(page) {
                PageState::Live(slot) => Some(slot),
                PageState::Done => None,
                PageState::Absent if self.scans() => return Some(page),
                PageState::Absent => {
                    self.count_waits(page, waits);
                    Some(self.pages.open(page, waits))
                }
            };
            if let Some(slot) = slot {
                let places = first..first + len as usize;
                let became_ready = self.pages.page_mut(slot).arrive(places.clone());
                if became_ready > 0 {
                    self.tally.ready += u64::from(became_ready);
                    self.enqueue(slot, places);
                }
            }
            run.start += len;
        }
        None
    }
}
