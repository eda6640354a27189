//! What is remembered about the cells of one page: counters and bits.

use alloc::{boxed::Box, vec};
use core::ops::Range;

/// The cells of one live page.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// The place of the page in its grid.
    pub(super) number: u64,
    /// As [`Pages::defers`].
    defers: bool,
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

/// Four bits for each of 64 cells.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    ready: u64,
    out: u64,
    finished: u64,
    watching: u64,
}

#[derive(Clone, Debug)]
enum Waits {
    None,
    Byte(Box<[u8]>),
    Long(Box<[u32]>),
}

/// How a counter of open inputs is stored; chosen once from the largest number that can occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    None,
    Byte,
    Long,
}

impl Page {
    pub(super) fn new(cells: usize, width: Width, defers: bool) -> Self {
        Self {
            number: 0,
            defers,
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

    pub(super) fn reset(&mut self, number: u64, cells: u32, waits: &[u32], size: usize) {
        if self.words.is_empty() {
            *self = Self::new(size, self.waits.width(), self.defers);
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
    pub(super) fn shed(&mut self) {
        let width = self.waits.width();
        *self = Self::new(0, width, self.defers);
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

    /// Whether a cell neither may run, nor runs, nor is finished, nor waits for a counted block.
    #[inline]
    pub(super) fn is_undecided(&self, place: usize) -> bool {
        let word = &self.words[place / 64];
        (word.ready | word.out | word.finished) & bit(place) == 0 && self.waits(place) == 0
    }

    #[inline]
    pub(super) fn is_watching(&self, place: usize) -> bool {
        self.words[place / 64].watching & bit(place) != 0
    }

    #[inline]
    pub(super) fn set_watching(&mut self, place: usize) {
        self.words[place / 64].watching |= bit(place);
    }

    #[inline]
    pub(super) fn clear_watching(&mut self, place: usize) {
        self.words[place / 64].watching &= !bit(place);
    }

    /// The first cell of a stretch that is not finished.
    #[inline]
    pub(super) fn first_unfinished(&self, places: Range<usize>) -> Option<usize> {
        let (first, last) = (places.start / 64, (places.end - 1) / 64);
        for word in first..=last {
            let mut open = !self.words[word].finished;
            if word == first {
                open &= u64::MAX << (places.start % 64);
            }
            if word == last {
                open &= u64::MAX >> (63 - (places.end - 1) % 64);
            }
            if open != 0 {
                return Some(word * 64 + open.trailing_zeros() as usize);
            }
        }
        None
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

    /// Each of a few cells waits for one block less; those that wait for no other become ready, unless
    /// that is deferred.
    ///
    /// Returns how many there are of these; `None`, and nothing has changed, where that takes
    /// [`Page::arrive`].
    #[inline(always)]
    pub(super) fn arrive_at_once(&mut self, place: usize, len: usize) -> Option<u32> {
        let Waits::Byte(waits) = &mut self.waits else { return None };
        let window = waits.get_mut(place..place + 8).filter(|_| len <= 8)?;
        let mut zeros = decrement(window.try_into().ok()?, len);
        if zeros == 0 {
            return Some(0);
        }
        let mut freed = 0;
        while zeros != 0 {
            freed += self.become_free(place + zeros.trailing_zeros() as usize / 8);
            zeros &= zeros - 1;
        }
        Some(freed)
    }

    /// The same for a stretch of any length.
    pub(super) fn arrive(&mut self, places: Range<usize>) -> u32 {
        let mut freed = 0;
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
                freed += self.become_free(place);
            }
        }
        freed
    }

    /// A cell waits for no counted block any more; 1 if that matters.
    #[inline]
    fn become_free(&mut self, place: usize) -> u32 {
        let is_open = !self.is_finished(place);
        if is_open && !self.defers {
            self.set_ready(place);
        }
        u32::from(is_open)
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
