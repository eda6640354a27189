//! What must be remembered about the cells of one grid, in pages that live only while they matter.
//!
//! ```text
//!  absent --open--> live --every cell finished--> done
//!    '------------every cell closed beforehand------^
//! ```
//!
//! A page holds, for each of its cells, how many counted blocks it still waits for and four bits: *ready*
//! (may be handed out), *out* (with a worker), *finished*, and *watching* (it stands in the list of a
//! block that it waits for, see `watch.rs`). Absent and done pages cost one word of a directory; whole
//! stretches of done pages cost one entry.

use alloc::{boxed::Box, vec, vec::Vec};
use core::ops::Range;

use super::{
    Tuning,
    page::{Page, Width},
};

/// The directory of pages and the live pages themselves.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    num_cells: u64,
    size: PageSize,
    /// How many pages one entry of the upper directory has.
    chunk: PageSize,
    width: Width,
    /// Whether a cell that waits for no counted block any more may still wait for others.
    defers: bool,
    chunks: Vec<Chunk>,
    slots: Vec<Page>,
    free: Vec<Slot>,
    /// Free pages whose memory is kept for the next use.
    max_free: usize,
    num_long: u64,
    num_shed: u64,
}

/// Where a live page lies.
pub(super) type Slot = u32;

#[derive(Clone, Debug)]
enum Chunk {
    Absent,
    Done,
    Pages {
        /// [`ABSENT`], [`DONE`] or a slot plus [`FIRST_SLOT`].
        entries: Box<[u32]>,
        done: u32,
    },
}

const ABSENT: u32 = 0;
const DONE: u32 = 1;
const FIRST_SLOT: u32 = 2;

/// What is known about a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageState {
    /// None of its cells was ever looked at.
    Absent,
    /// All of its cells are finished.
    Done,
    /// Some of its cells are of interest.
    Live(Slot),
}

/// How many cells a full page has, or how many pages an entry of their directory: a power of two.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSize {
    bits: u32,
    /// The size less one.
    mask: u64,
}

impl PageSize {
    const fn new(bits: u32) -> Self {
        Self { bits, mask: (1 << bits) - 1 }
    }

    #[inline]
    pub(super) const fn cells(self) -> usize {
        self.mask as usize + 1
    }

    /// The page that a cell belongs to.
    #[inline]
    pub(super) const fn page_of(self, cell: u64) -> u64 {
        cell >> self.bits
    }

    /// The place of a cell in its page.
    #[inline]
    pub(super) const fn place_of(self, cell: u64) -> usize {
        // The mask keeps the number below the size of a page.
        (cell & self.mask) as usize
    }

    /// The cell at a place of a page.
    #[inline]
    pub(super) const fn cell_at(self, page: u64, place: usize) -> u64 {
        (page << self.bits) + place as u64
    }

    /// Splits a run of cells at the borders of pages: page and places in it.
    pub(super) fn split(self, run: Range<u64>) -> impl Iterator<Item = (u64, Range<usize>)> {
        let mut start = run.start;
        core::iter::from_fn(move || {
            if start >= run.end {
                return None;
            }
            let page = self.page_of(start);
            let end = run.end.min(self.cell_at(page + 1, 0));
            let first = self.place_of(start);
            // At most a page long, so the length fits.
            let places = first..first + (end - start) as usize;
            start = end;
            Some((page, places))
        })
    }
}

impl Pages {
    /// No page of a grid, whose cells wait for at most `max_waits` counted blocks each.
    pub(super) fn new(num_cells: u64, max_waits: u64, defers: bool, tuning: &Tuning) -> Self {
        let width = match max_waits {
            0 => Width::None,
            1..=255 => Width::Byte,
            _ => Width::Long,
        };
        // A page has a summary word with one bit for each 64 cells.
        let size = PageSize::new(tuning.page_bits.clamp(6, 12));
        // However large the grid, few entries are enough.
        let least = (num_cells >> size.bits).max(1).ilog2().saturating_sub(20);
        Self {
            num_cells,
            size,
            chunk: PageSize::new(tuning.chunk_bits.max(least).min(16)),
            width,
            defers,
            chunks: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            max_free: tuning.max_free_pages,
            num_long: 0,
            num_shed: 0,
        }
    }

    /// Pages opened with counters of more than a byte.
    pub(super) const fn num_long(&self) -> u64 {
        self.num_long
    }

    /// Pages closed whose memory was given back.
    pub(super) const fn num_shed(&self) -> u64 {
        self.num_shed
    }

    /// Whether a cell that waits for no counted block any more may still wait for others.
    #[inline]
    pub(super) const fn defers(&self) -> bool {
        self.defers
    }

    #[inline]
    pub(super) const fn size(&self) -> PageSize {
        self.size
    }

    /// The number of pages of the grid.
    pub(super) const fn num_pages(&self) -> u64 {
        self.num_cells.div_ceil(self.size.cells() as u64)
    }

    /// The cells of a page.
    pub(super) fn cells_of(&self, page: u64) -> Range<u64> {
        self.size.cell_at(page, 0)..self.size.cell_at(page + 1, 0).min(self.num_cells)
    }

    /// The place of a page in its entry of the upper directory.
    #[inline]
    const fn in_chunk(&self, page: u64) -> usize {
        (page & self.chunk.mask) as usize
    }

    #[inline]
    pub(super) fn state(&self, page: u64) -> PageState {
        match self.chunks.get((page >> self.chunk.bits) as usize) {
            None | Some(Chunk::Absent) => PageState::Absent,
            Some(Chunk::Done) => PageState::Done,
            Some(Chunk::Pages { entries, .. }) => match entries[self.in_chunk(page)] {
                ABSENT => PageState::Absent,
                DONE => PageState::Done,
                entry => PageState::Live(entry - FIRST_SLOT),
            },
        }
    }

    /// The page in a slot that [`Pages::state`] or [`Pages::open`] gave.
    #[inline]
    pub(super) fn page(&self, slot: Slot) -> &Page {
        &self.slots[slot as usize]
    }

    #[inline]
    pub(super) fn page_mut(&mut self, slot: Slot) -> &mut Page {
        &mut self.slots[slot as usize]
    }

    /// Makes an absent page live, its cells neither ready, out nor finished.
    pub(super) fn open(&mut self, page: u64, waits: &[u32]) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            let cells = self.num_cells.min(self.size.cells() as u64) as usize;
            self.slots.push(Page::new(cells, self.width, self.defers));
            self.slots.len() as Slot - 1
        });
        self.num_long += u64::from(self.width == Width::Long);
        let cells = self.cells_of(page);
        let size = self.size.cells();
        self.slots[slot as usize].reset(page, (cells.end - cells.start) as u32, waits, size);
        self.set(page, slot + FIRST_SLOT);
        slot
    }

    /// Marks a page as done; a live one is given back.
    pub(super) fn close(&mut self, page: u64) {
        if let PageState::Live(slot) = self.state(page) {
            if self.free.len() >= self.max_free {
                self.num_shed += 1;
                self.slots[slot as usize].shed();
            }
            self.free.push(slot);
        }
        self.set(page, DONE);
    }

    fn set(&mut self, page: u64, entry: u32) {
        let chunk = (page >> self.chunk.bits) as usize;
        let place = self.in_chunk(page);
        if self.chunks.len() <= chunk {
            self.chunks.resize(chunk + 1, Chunk::Absent);
        }
        let pages =
            (self.num_pages() - ((chunk as u64) << self.chunk.bits)).min(self.chunk.cells() as u64);
        if matches!(self.chunks[chunk], Chunk::Absent) {
            let entries = vec![ABSENT; pages as usize].into_boxed_slice();
            self.chunks[chunk] = Chunk::Pages { entries, done: 0 };
        }
        if let Chunk::Pages { entries, done } = &mut self.chunks[chunk] {
            let old = core::mem::replace(&mut entries[place], entry);
            *done += u32::from(entry == DONE) - u32::from(old == DONE);
            if u64::from(*done) == pages {
                self.chunks[chunk] = Chunk::Done;
            }
        }
    }
}
