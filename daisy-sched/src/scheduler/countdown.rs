//! Cells count down: a block that they wait for is finished.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    frontier::Frontier,
    page::Page,
    pages::{PageSize, PageState, Pages, Slot},
    queue::Queue,
    watch::Watch,
};

impl Frontier {
    /// What conflicts with a finished cell and has a higher level waits for one block less.
    ///
    /// Runs of cells that take [`Frontier::push`] are put into `later`.
    #[inline]
    pub(super) fn push_in_task(&mut self, cell: u64, index: &[i64], later: &mut Vec<Range<u64>>) {
        let Some(conflict) = &mut self.conflict else { return };
        for run in conflict.downstream(&self.grid, index) {
            let run = run.at(cell);
            let Some((slot, freed)) = arrive_at_once(&mut self.pages, &run) else {
                later.push(run);
                continue;
            };
            if freed > 0 {
                let (pages, watch) = (&mut self.pages, &mut self.watch);
                self.tally.ready += free(pages, &mut self.queue, watch, (slot, &run), freed);
            }
        }
    }

    /// Each cell of a run waits for one block less: the common case of a few cells of a live page.
    ///
    /// False, and nothing has changed, where that takes [`Frontier::push`].
    #[inline]
    pub(super) fn push_at_once(&mut self, run: &Range<u64>) -> bool {
        let Some((slot, freed)) = arrive_at_once(&mut self.pages, run) else { return false };
        if freed > 0 {
            self.free(slot, run, freed);
        }
        true
    }

    /// Each cell of a run waits for one block less; the run is shortened by what has been done.
    ///
    /// Returns the page that the scheduler must open first, if there is one.
    #[inline(never)]
    pub(super) fn push(&mut self, run: &mut Range<u64>, waits: &mut Vec<u32>) -> Option<u64> {
        let size = self.pages.size();
        while run.start < run.end {
            let page = size.page_of(run.start);
            let first = size.place_of(run.start);
            let len = (run.end - run.start).min((size.cells() - first) as u64);
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
                let freed = self.pages.page_mut(slot).arrive(first..first + len as usize);
                if freed > 0 {
                    self.free(slot, &(run.start..run.start + len), freed);
                }
            }
            run.start += len;
        }
        None
    }

    /// `freed` cells of a run within a page wait for no counted block any more.
    #[inline]
    fn free(&mut self, slot: Slot, run: &Range<u64>, freed: u32) {
        let (pages, watch) = (&mut self.pages, &mut self.watch);
        self.tally.ready += free(pages, &mut self.queue, watch, (slot, run), freed);
    }
}

/// Takes one off the counters of a run within eight places of a live page: its slot, and how many cells
/// wait for no counted block any more.
#[inline(always)]
fn arrive_at_once(pages: &mut Pages, run: &Range<u64>) -> Option<(Slot, u32)> {
    let size = pages.size();
    let PageState::Live(slot) = pages.state(size.page_of(run.start)) else { return None };
    // Beyond the end of a page there are no counters.
    let len = (run.end - run.start) as usize;
    Some((slot, pages.page_mut(slot).arrive_at_once(size.place_of(run.start), len)?))
}

/// Of a run within a page, `freed` cells wait for no counted block any more: they are ready, or yet to be
/// decided. Returns how many are ready.
#[inline(always)]
fn free(
    pages: &mut Pages,
    queue: &mut Queue,
    watch: &mut Watch,
    (slot, run): (Slot, &Range<u64>),
    freed: u32,
) -> u64 {
    if pages.defers() {
        decide_freed(pages.page(slot), pages.size(), watch, run);
        return 0;
    }
    let place = pages.size().place_of(run.start);
    queue.push(pages, slot, place..place + (run.end - run.start) as usize);
    freed.into()
}

#[inline(never)]
fn decide_freed(page: &Page, size: PageSize, watch: &mut Watch, run: &Range<u64>) {
    let undecided = run.clone().filter(|&cell| page.is_undecided(size.place_of(cell)));
    undecided.for_each(|cell| watch.decide(cell));
}
