//! What must be remembered about the cells of one grid, in pages that live only while they matter.
//!
//! ```text
//!  absent --open--> live --every cell finished--> done
//!    '------------every cell closed beforehand------^
//! ```
//!
//! A page holds, for each of its cells, how many blocks it still waits for and three bits: *ready*
//! (may be handed out), *out* (in somebody's hands) and *finished*. Absent and done pages cost one
//! word of a directory; whole stretches of done pages cost one entry.

use alloc::{boxed::Box, vec, vec::Vec};
use core::ops::Range;

/// Cells of a full page. Debug builds make do with less, so that small tests cross many borders.
pub(super) const PAGE_CELLS: usize = if cfg!(debug_assertions) { 64 } else { 4096 };
const PAGE_SHIFT: u32 = PAGE_CELLS.trailing_zeros();
/// Pages of one entry of the upper directory.
const CHUNK_PAGES: usize = if cfg!(debug_assertions) { 2 } else { 4096 };
const CHUNK_SHIFT: u32 = CHUNK_PAGES.trailing_zeros();
/// Free pages that are kept for the next use.
const MAX_FREE_PAGES: usize = 64;

/// The directory of pages and the live pages themselves.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    num_cells: u64,
    width: Width,
    chunks: Vec<Chunk>,
    slots: Vec<Page>,
    free: Vec<Slot>,
}

/// Where a live page lies.
pub(super) type Slot = u32;

/// How a counter of open inputs is stored; chosen once from the largest number that can occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    None,
    Byte,
    Long,
}

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

/// The cells of one live page.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// The place of the page in its grid.
    pub(super) number: u64,
    /// The bits of 64 cells each.
    words: Box<[Word]>,
    /// One bit for each word with a ready cell.
    summary: u64,
    waits: Waits,
    /// How many cells are ready.
    pub(super) num_ready: u32,
    /// How many cells are not finished.
    left: u32,
    /// Whether the page stands in the queue of pages with ready cells.
    pub(super) is_queued: bool,
}

/// Three bits for each of 64 cells.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    ready: u64,
    out: u64,
    finished: u64,
}

#[derive(Clone, Debug)]
enum Waits {
    None,
    Byte(Box<[u8]>),
    Long(Box<[u32]>),
}

/// The page that a cell belongs to.
#[inline]
pub(super) const fn page_of(cell: u64) -> u64 {
    cell >> PAGE_SHIFT
}

/// The place of a cell in its page.
#[inline]
pub(super) const fn place_of(cell: u64) -> usize {
    // The mask keeps the number below the size of a page.
    (cell & (PAGE_CELLS as u64 - 1)) as usize
}

/// The cell at a place of a page.
#[inline]
pub(super) const fn cell_at(page: u64, place: usize) -> u64 {
    (page << PAGE_SHIFT) + place as u64
}

/// Splits a run of cells at the borders of pages: page and places in it.
pub(super) fn split(run: Range<u64>) -> impl Iterator<Item = (u64, Range<usize>)> {
    let mut start = run.start;
    core::iter::from_fn(move || {
        if start >= run.end {
            return None;
        }
        let page = page_of(start);
        let end = run.end.min((page + 1) << PAGE_SHIFT);
        let first = place_of(start);
        // At most a page long, so the length fits.
        let places = first..first + (end - start) as usize;
        start = end;
        Some((page, places))
    })
}

impl Pages {
    /// No page of a grid, whose cells wait for at most `max_waits` blocks each.
    pub(super) fn new(num_cells: u64, max_waits: u64) -> Self {
        let width = match max_waits {
            0 => Width::None,
            1..=255 => Width::Byte,
            _ => Width::Long,
        };
        Self { num_cells, width, chunks: Vec::new(), slots: Vec::new(), free: Vec::new() }
    }

    /// The number of pages of the grid.
    pub(super) const fn num_pages(&self) -> u64 {
        self.num_cells.div_ceil(PAGE_CELLS as u64)
    }

    /// The cells of a page.
    pub(super) fn cells_of(&self, page: u64) -> Range<u64> {
        cell_at(page, 0)..cell_at(page + 1, 0).min(self.num_cells)
    }

    #[inline]
    pub(super) fn state(&self, page: u64) -> PageState {
        match self.chunks.get((page >> CHUNK_SHIFT) as usize) {
            None | Some(Chunk::Absent) => PageState::Absent,
            Some(Chunk::Done) => PageState::Done,
            Some(Chunk::Pages { entries, .. }) => match entries[page as usize % CHUNK_PAGES] {
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
            let cells = self.num_cells.min(PAGE_CELLS as u64) as usize;
            self.slots.push(Page::new(cells, self.width));
            self.slots.len() as Slot - 1
        });
        let cells = self.cells_of(page);
        self.slots[slot as usize].reset(page, (cells.end - cells.start) as u32, waits);
        self.set(page, slot + FIRST_SLOT);
        slot
    }

    /// Marks a page as done; a live one is given back.
    pub(super) fn close(&mut self, page: u64) {
        if let PageState::Live(slot) = self.state(page) {
            if self.free.len() >= MAX_FREE_PAGES {
                self.slots[slot as usize].shed();
            }
            self.free.push(slot);
        }
        self.set(page, DONE);
    }

    fn set(&mut self, page: u64, entry: u32) {
        let chunk = (page >> CHUNK_SHIFT) as usize;
        if self.chunks.len() <= chunk {
            self.chunks.resize(chunk + 1, Chunk::Absent);
        }
        let pages = (self.num_pages() - ((chunk as u64) << CHUNK_SHIFT)).min(CHUNK_PAGES as u64);
        if matches!(self.chunks[chunk], Chunk::Absent) {
            let entries = vec![ABSENT; pages as usize].into_boxed_slice();
            self.chunks[chunk] = Chunk::Pages { entries, done: 0 };
        }
        if let Chunk::Pages { entries, done } = &mut self.chunks[chunk] {
            let old = core::mem::replace(&mut entries[page as usize % CHUNK_PAGES], entry);
            *done += u32::from(entry == DONE) - u32::from(old == DONE);
            if u64::from(*done) == pages {
                self.chunks[chunk] = Chunk::Done;
            }
        }
    }
}

impl Page {
    fn new(cells: usize, width: Width) -> Self {
        Self {
            number: 0,
            words: vec![Word::default(); cells.div_ceil(64)].into_boxed_slice(),
            summary: 0,
            waits: match width {
                Width::None => Waits::None,
                Width::Byte => Waits::Byte(vec![0; cells].into_boxed_slice()),
                Width::Long => Waits::Long(vec![0; cells].into_boxed_slice()),
            },
            num_ready: 0,
            left: 0,
            is_queued: false,
        }
    }

    fn reset(&mut self, number: u64, cells: u32, waits: &[u32]) {
        if self.words.is_empty() {
            *self = Self::new(PAGE_CELLS, self.waits.width());
        }
        self.words.fill(Word::default());
        self.summary = 0;
        match &mut self.waits {
            Waits::None => {}
            // The width was chosen so that every counter fits.
            Waits::Byte(old) => old.iter_mut().zip(waits).for_each(|(old, &new)| *old = new as u8),
            Waits::Long(old) => old.iter_mut().zip(waits).for_each(|(old, &new)| *old = new),
        }
        (self.number, self.left, self.num_ready, self.is_queued) = (number, cells, 0, false);
    }

    /// Gives the memory of a page back that is not needed for the time being.
    fn shed(&mut self) {
        let width = self.waits.width();
        *self = Self::new(0, width);
    }

    #[inline]
    pub(super) fn is_ready(&self, place: usize) -> bool {
        self.words[place / 64].ready & bit(place) != 0
    }

    #[inline]
    pub(super) fn is_out(&self, place: usize) -> bool {
        self.words[place / 64].out & bit(place) != 0
    }

    #[inline]
    pub(super) fn is_finished(&self, place: usize) -> bool {
        self.words[place / 64].finished & bit(place) != 0
    }

    /// Whether every cell is finished.
    #[inline]
    pub(super) const fn is_done(&self) -> bool {
        self.left == 0
    }

    /// The lowest ready cell.
    #[inline]
    pub(super) fn first_ready(&self) -> Option<usize> {
        let word = self.summary.trailing_zeros() as usize;
        let ready = self.words.get(word)?.ready;
        Some(word * 64 + ready.trailing_zeros() as usize)
    }

    #[inline]
    pub(super) fn set_ready(&mut self, place: usize) {
        self.words[place / 64].ready |= bit(place);
        self.summary |= bit(place / 64);
        self.num_ready += 1;
    }

    #[inline]
    pub(super) fn clear_ready(&mut self, place: usize) {
        let word = &mut self.words[place / 64];
        word.ready &= !bit(place);
        if word.ready == 0 {
            self.summary &= !bit(place / 64);
        }
        self.num_ready -= 1;
    }

    #[inline]
    pub(super) fn set_out(&mut self, place: usize) {
        self.words[place / 64].out |= bit(place);
    }

    #[inline]
    pub(super) fn clear_out(&mut self, place: usize) {
        self.words[place / 64].out &= !bit(place);
    }

    /// Marks a cell that was not finished as finished.
    #[inline]
    pub(super) fn finish(&mut self, place: usize) {
        self.words[place / 64].finished |= bit(place);
        self.left -= 1;
    }

    /// How many cells of a stretch are finished.
    pub(super) fn num_finished(&self, places: Range<usize>) -> u64 {
        places.filter(|&place| self.is_finished(place)).count() as u64
    }

    /// How many blocks a cell waits for.
    pub(super) fn waits(&self, place: usize) -> u32 {
        match &self.waits {
            Waits::None => 0,
            Waits::Byte(waits) => waits[place].into(),
            Waits::Long(waits) => waits[place],
        }
    }

    /// Corrects how many blocks a cell waits for.
    pub(super) fn set_waits(&mut self, place: usize, count: u32) {
        match &mut self.waits {
            Waits::None => {}
            Waits::Byte(waits) => waits[place] = count as u8,
            Waits::Long(waits) => waits[place] = count,
        }
    }

    /// Each of a few cells waits for one block less; those that may run now become ready.
    ///
    /// Returns how many became ready; `None`, and nothing has changed, where that takes
    /// [`Page::arrive`].
    #[inline]
    pub(super) fn arrive_at_once(&mut self, place: usize, len: usize) -> Option<u32> {
        let Waits::Byte(waits) = &mut self.waits else { return None };
        let window = waits.get_mut(place..place + 8).filter(|_| len <= 8)?;
        let mut zeros = decrement(window.try_into().ok()?, len);
        if zeros == 0 {
            return Some(0);
        }
        let before = self.num_ready;
        while zeros != 0 {
            self.become_free(place + zeros.trailing_zeros() as usize / 8);
            zeros &= zeros - 1;
        }
        Some(self.num_ready - before)
    }

    /// Each cell of a stretch waits for one block less; those that may run now become ready.
    ///
    /// Returns how many became ready.
    pub(super) fn arrive(&mut self, places: Range<usize>) -> u32 {
        let before = self.num_ready;
        for place in places {
            let left = match &mut self.waits {
                Waits::None => return 0,
                Waits::Byte(waits) => {
                    waits[place] -= 1;
                    u32::from(waits[place])
                }
                Waits::Long(waits) => {
                    waits[place] -= 1;
                    waits[place]
                }
            };
            if left == 0 {
                self.become_free(place);
            }
        }
        self.num_ready - before
    }

    /// A cell waits for nothing any more.
    #[inline]
    fn become_free(&mut self, place: usize) {
        if !self.is_finished(place) {
            self.set_ready(place);
        }
    }
}

/// Takes one off the first `len` of eight counters at once; none of them is zero.
///
/// Returns the highest bit of each of them that is zero then.
#[inline]
fn decrement(counters: &mut [u8; 8], len: usize) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let used = u64::MAX >> (64 - 8 * len);
    let left = u64::from_le_bytes(*counters) - (ONES & used);
    *counters = left.to_le_bytes();
    // A byte is zero if neither its highest bit is set nor adding to the others carries into it.
    let low = (left & (ONES * 0x7F)) + ONES * 0x7F;
    !(low | left) & (ONES * 0x80) & used
}

impl Waits {
    const fn width(&self) -> Width {
        match self {
            Self::None => Width::None,
            Self::Byte(_) => Width::Byte,
            Self::Long(_) => Width::Long,
        }
    }
}

#[inline]
const fn bit(place: usize) -> u64 {
    1 << (place % 64)
}
