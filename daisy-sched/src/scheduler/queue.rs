//! The ready cells of one task in the order of hand-out.

use alloc::{boxed::Box, collections::BinaryHeap};
use core::{cmp::Reverse, ops::Range};

use daisy_block::{Order, Tiling};

use super::{
    conflict::Levels,
    pages::{PageState, Pages, Slot},
};

/// The ready cells in the order of hand-out.
#[derive(Clone, Debug)]
pub(super) enum Queue {
    /// By number: pages with ready cells; a page may stand here although it has none any more.
    Pages(BinaryHeap<Reverse<u64>>),
    /// By key: ready cells; a cell may stand here although it is not ready any more.
    Cells {
        /// What keys are made of.
        ranking: Box<Ranking>,
        /// Key and cell.
        heap: BinaryHeap<Reverse<(u128, u64)>>,
        /// Blocks that were put back so far.
        retries: u64,
    },
}

/// The place of each cell of a grid in an order other than by number.
#[derive(Clone, Debug)]
pub(super) struct Ranking {
    order: Order,
    grid: Tiling,
    levels: Option<Levels>,
}

impl Queue {
    pub(super) fn new(order: Order, grid: &Tiling, levels: Option<&Levels>) -> Self {
        match order {
            Order::Sweep => Self::Pages(BinaryHeap::new()),
            Order::Level | Order::Morton => {
                let levels = levels.cloned();
                let ranking = Box::new(Ranking { order, grid: grid.clone(), levels });
                Self::Cells { ranking, heap: BinaryHeap::new(), retries: 0 }
            }
        }
    }

    pub(super) const fn is_by_number(&self) -> bool {
        matches!(self, Self::Pages(_))
    }

    pub(super) fn is_morton(&self) -> bool {
        matches!(self, Self::Cells { ranking, .. } if ranking.order == Order::Morton)
    }

    /// Takes in the ready cells of a stretch of a live page.
    #[inline(always)]
    pub(super) fn push(&mut self, pages: &mut Pages, slot: Slot, places: Range<usize>) {
        let Self::Pages(heap) = self else { return self.push_cells(pages, slot, places) };
        let page = pages.page_mut(slot);
        if page.num_ready > 0 && !page.is_queued {
            page.is_queued = true;
            heap.push(Reverse(page.number));
        }
    }

    #[inline(never)]
    fn push_cells(&mut self, pages: &Pages, slot: Slot, places: Range<usize>) {
        let Self::Cells { ranking, heap, .. } = self else { return };
        let (size, page) = (pages.size(), pages.page(slot));
        for place in places.filter(|&place| page.is_ready(place)) {
            let cell = size.cell_at(page.number, place);
            heap.push(Reverse((ranking.key(cell), cell)));
        }
    }

    /// Takes in a block that was out: behind all others by level, else in its own place.
    pub(super) fn push_again(&mut self, pages: &mut Pages, slot: Slot, place: usize) {
        match self {
            Self::Cells { ranking, heap, retries } if ranking.order == Order::Level => {
                let cell = pages.size().cell_at(pages.page(slot).number, place);
                heap.push(Reverse((u128::MAX / 2 + u128::from(*retries), cell)));
                *retries += 1;
            }
            _ => self.push(pages, slot, place..place + 1),
        }
    }

    /// The ready cell that is first in order.
    #[inline]
    pub(super) fn first(&mut self, pages: &mut Pages) -> Option<u64> {
        let size = pages.size();
        match self {
            Self::Pages(heap) => loop {
                let number = heap.peek()?.0;
                if let PageState::Live(slot) = pages.state(number) {
                    let page = pages.page_mut(slot);
                    if page.num_ready > 0 {
                        return page.first_ready().map(|place| size.cell_at(number, place));
                    }
                    page.is_queued = false;
                }
                heap.pop();
            },
            Self::Cells { heap, .. } => loop {
                let cell = heap.peek()?.0.1;
                if let PageState::Live(slot) = pages.state(size.page_of(cell))
                    && pages.page(slot).is_ready(size.place_of(cell))
                {
                    return Some(cell);
                }
                heap.pop();
            },
        }
    }

    /// Whether a ready cell, the first one, goes before a root.
    pub(super) fn precedes(&self, cell: u64, root: u64) -> bool {
        match self {
            Self::Pages(_) => cell < root,
            Self::Cells { ranking, heap, .. } => {
                let key = ranking.key(root);
                heap.peek().is_some_and(|first| first.0.0 < key)
            }
        }
    }
}

impl Ranking {
    fn key(&self, cell: u64) -> u128 {
        let Some(index) = self.grid.index(cell) else { return u128::MAX };
        match self.order {
            Order::Sweep => cell.into(),
            Order::Level => {
                let level = self.levels.as_ref().map_or(0, |levels| levels.at(index.as_slice()));
                u128::from(level) << 64 | u128::from(cell)
            }
            Order::Morton => {
                let mut key = 0_u128;
                for bit in (0..64_u32).rev() {
                    for (axis, entry) in self.grid.axes().iter().zip(index.iter()) {
                        // Bits that no index along this axis has are left out: the key stays short.
                        if (axis.num_cells() - 1) >> bit.min(62) != 0 {
                            key = key << 1 | u128::from(entry.unsigned_abs() >> bit.min(63) & 1);
                        }
                    }
                }
                key
            }
        }
    }
}
