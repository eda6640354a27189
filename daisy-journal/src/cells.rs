//! A set of cells of one task, small where they form stretches.

use core::{fmt, ops::Range};
use std::collections::{BTreeMap, btree_map};

use roaring::{RoaringTreemap, bitmap, treemap};

/// Sizes that choose how cells are kept; tests set others.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Stretches from this length on are kept as two numbers instead of bits.
    long: u64,
    /// After at least so many insertions among the bits, long stretches are looked for there.
    optimized_every: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { long: 1 << 16, optimized_every: 1 << 22 }
    }
}

/// A set of cells of one task: long stretches as two numbers each, the rest as compressed bitmaps
/// (S. Chambi et al., "Better bitmap performance with Roaring bitmaps", 2016).
///
/// What a sweep through a volume has finished takes some bytes however large it is; cells that are
/// scattered take at most about one bit for each cell of the area they are scattered over.
///
/// ```
/// use daisy_journal::Cells;
/// let cells = Cells::from_iter([1_u64, 2, 3, 7]);
/// assert_eq!(cells.stretches().collect::<Vec<_>>(), [1..4, 7..8]);
/// assert_eq!((cells.num_cells(), cells.contains(4)), (4, false));
/// ```
#[derive(Clone, Default)]
pub struct Cells {
    /// Start and end of stretches that do not overlap; they may touch each other.
    long: BTreeMap<u64, u64>,
    /// All cells that are in none of those.
    bits: RoaringTreemap,
    /// How many insertions among the bits are left until long stretches are looked for.
    inserted: u64,
    optimize_at: u64,
    sizes: Sizes,
}

impl Cells {
    /// No cells.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many cells there are. O(stretches) at worst, mostly far less.
    #[must_use]
    pub fn num_cells(&self) -> u64 {
        self.long.iter().map(|(start, end)| end - start).sum::<u64>() + self.bits.len()
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.long.is_empty() && self.bits.is_empty()
    }

    /// Whether `cell` is one of them.
    #[must_use]
    #[inline]
    pub fn contains(&self, cell: u64) -> bool {
        self.long_below(cell).is_some_and(|run| cell < run.end) || self.bits.contains(cell)
    }

    /// How many of `cells` there are.
    #[must_use]
    pub fn num_in(&self, cells: &Range<u64>) -> u64 {
        // Of a run whose end lies below its start too.
        if cells.is_empty() {
            return 0;
        }
        let share = |run: Range<u64>| run.end.min(cells.end) - run.start.max(cells.start);
        let long: u64 = self.long_in(cells).map(share).sum();
        if self.bits.is_empty() { long } else { long + self.bits.range_cardinality(cells.clone()) }
    }

    /// Whether some of `cells` are there.
    #[inline]
    pub(crate) fn meets(&self, cells: &Range<u64>) -> bool {
        if cells.end == cells.start + 1 {
            self.contains(cells.start)
        } else {
            self.num_in(cells) > 0
        }
    }

    /// The cells as maximal runs of consecutive numbers, ascending. O(1) for each.
    #[must_use]
    pub fn stretches(&self) -> CellStretches<'_> {
        let bits = BitRuns { bitmaps: self.bits.bitmaps(), current: None };
        CellStretches::new(self.long.iter(), bits)
    }

    /// Adds `cell`; whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, cell: u64) -> bool {
        if let Some((_, end)) = self.long.range_mut(..=cell).next_back() {
            if cell < *end {
                return false;
            }
            if cell == *end && !self.bits.contains(cell) {
                *end += 1;
                return true;
            }
        }
        let is_new = self.bits.insert(cell);
        self.note_inserted(1);
        is_new
    }

    /// Adds a run of cells; how many of them are new.
    pub(crate) fn insert_all(&mut self, cells: Range<u64>) -> u64 {
        let length = cells.end.saturating_sub(cells.start);
        if length <= 1 {
            return u64::from(length == 1 && self.insert(cells.start));
        }
        let touches = self.long_below(cells.end).is_some_and(|run| cells.start <= run.end);
        if length < self.sizes.long && !touches {
            let fresh = self.bits.insert_range(cells);
            self.note_inserted(length);
            return fresh;
        }
        let fresh = length - self.num_in(&cells);
        self.bits.remove_range(cells.clone());
        self.insert_long(cells);
        fresh
    }

    /// Takes a run of cells away; how many of them were there.
    #[inline]
    pub(crate) fn remove_all(&mut self, cells: &Range<u64>) -> u64 {
        if cells.end == cells.start + 1 && self.bits.remove(cells.start) {
            return 1;
        }
        let mut removed = self.bits.remove_range(cells.clone());
        if self.long.is_empty() {
            return removed;
        }
        let met: Vec<Range<u64>> = self.long_in(cells).collect();
        for run in met {
            self.long.remove(&run.start);
            removed += run.end.min(cells.end) - run.start.max(cells.start);
            for rest in [run.start..cells.start, cells.end..run.end] {
                if rest.start < rest.end {
                    self.long.insert(rest.start, rest.end);
                }
            }
        }
        removed
    }

    /// Makes the set as small as it can be. O(stretches among the bits).
    pub(crate) fn optimize(&mut self) {
        let bits = BitRuns { bitmaps: self.bits.bitmaps(), current: None };
        let long: Vec<Range<u64>> = CellStretches::new(btree_map::Iter::default(), bits)
            .filter(|run| run.end - run.start >= self.sizes.long)
            .collect();
        for run in long {
            self.bits.remove_range(run.clone());
            self.insert_long(run);
        }
        self.bits.optimize();
        self.inserted = 0;
        // In proportion to what has to be looked at, so that it costs O(1) for each insertion.
        self.optimize_at = self.sizes.optimized_every.max(self.bits.len() / 2);
    }

    #[inline]
    fn note_inserted(&mut self, cells: u64) {
        self.inserted += cells;
        if self.inserted >= self.optimize_at.max(self.sizes.optimized_every) {
            self.optimize();
        }
    }

    /// Adds a stretch of which no cell is among the bits, and unites it with those it touches.
    fn insert_long(&mut self, mut cells: Range<u64>) {
        while let Some(run) = self.long_below(cells.end).filter(|run| cells.start <= run.end) {
            self.long.remove(&run.start);
            cells = run.start.min(cells.start)..run.end.max(cells.end);
        }
        self.long.insert(cells.start, cells.end);
    }

    /// The last long stretch that starts at or below `cell`.
    #[inline]
    fn long_below(&self, cell: u64) -> Option<Range<u64>> {
        if self.long.is_empty() {
            return None;
        }
        self.long.range(..=cell).next_back().map(|(&start, &end)| start..end)
    }

    /// The long stretches that meet `cells`.
    fn long_in(&self, cells: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<'_> {
        let from = match self.long_below(cells.start) {
            Some(run) if run.end > cells.start => run.start,
            _ => cells.start,
        };
        let runs = self.long.range(from..cells.end.max(from));
        runs.map(|(&start, &end)| start..end)
    }
}

impl PartialEq for Cells {
    fn eq(&self, other: &Self) -> bool {
        self.stretches().eq(other.stretches())
    }
}

impl Eq for Cells {}

impl fmt::Debug for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.stretches()).finish()
    }
}

impl FromIterator<u64> for Cells {
    fn from_iter<I: IntoIterator<Item = u64>>(cells: I) -> Self {
        let mut set = Self::new();
        for cell in cells {
            set.insert(cell);
        }
        set
    }
}

/// The cells of a set as maximal runs: see [`Cells::stretches`].
#[derive(Clone)]
pub struct CellStretches<'a> {
    long: btree_map::Iter<'a, u64, u64>,
    next_long: Option<Range<u64>>,
    bits: BitRuns<'a>,
    next_bits: Option<Range<u64>>,
}

impl<'a> CellStretches<'a> {
    fn new(mut long: btree_map::Iter<'a, u64, u64>, mut bits: BitRuns<'a>) -> Self {
        let next_long = long.next().map(|(&start, &end)| start..end);
        let next_bits = bits.next();
        Self { long, next_long, bits, next_bits }
    }

    #[inline]
    fn take_long(&mut self) -> Option<Range<u64>> {
        let next = self.long.next().map(|(&start, &end)| start..end);
        core::mem::replace(&mut self.next_long, next)
    }

    #[inline]
    fn take_bits(&mut self) -> Option<Range<u64>> {
        let next = self.bits.next();
        core::mem::replace(&mut self.next_bits, next)
    }
}

impl Iterator for CellStretches<'_> {
    type Item = Range<u64>;

    #[inline]
    fn next(&mut self) -> Option<Range<u64>> {
        let is_long = match (&self.next_long, &self.next_bits) {
            (Some(long), Some(bits)) => long.start < bits.start,
            (long, _) => long.is_some(),
        };
        let mut run = if is_long { self.take_long()? } else { self.take_bits()? };
        loop {
            let more = if self.next_bits.as_ref().is_some_and(|next| next.start == run.end) {
                self.take_bits()
            } else if self.next_long.as_ref().is_some_and(|next| next.start == run.end) {
                self.take_long()
            } else {
                return Some(run);
            };
            run.end = more.map_or(run.end, |more| more.end);
        }
    }
}

impl fmt::Debug for CellStretches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The runs of the bitmaps; one may go on in the next where a bitmap ends.
#[derive(Clone)]
struct BitRuns<'a> {
    bitmaps: treemap::BitmapIter<'a>,
    /// The bitmap at work, and the upper half of its cells' numbers.
    current: Option<(u64, bitmap::Iter<'a>)>,
}

impl Iterator for BitRuns<'_> {
    type Item = Range<u64>;

    #[inline]
    fn next(&mut self) -> Option<Range<u64>> {
        loop {
            if let Some((high, bits)) = &mut self.current
                && let Some(run) = bits.next_range()
            {
                let (start, end) = run.into_inner();
                // No cell has the number u64::MAX: layouts have fewer blocks.
                return Some(
                    (*high | u64::from(start))..(*high | u64::from(end)).saturating_add(1),
                );
            }
            let (high, bits) = self.bitmaps.next()?;
            self.current = Some((u64::from(high) << 32, bits.iter()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{
        prelude::*,
        test_runner::{TestCaseResult, TestRunner},
    };

    use super::*;

    #[test]
    fn stretches_go_on_across_bitmaps() {
        let mut cells = Cells::new();
        let border = 1_u64 << 32;
        cells.insert_all(border - 2..border + 2);
        cells.insert_all(2 * border..2 * border + 1);
        cells.insert_all(3 * border - 1..3 * border);
        cells.insert_all(70_000..140_000);
        let expected = [
            70_000..140_000,
            border - 2..border + 2,
            2 * border..2 * border + 1,
            3 * border - 1..3 * border,
        ];
        assert_eq!(cells.stretches().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_sweep_takes_a_few_bytes_and_a_stretch_of_any_length_two_numbers() {
        let every = Sizes::default().optimized_every;
        let mut cells = Cells::new();
        for cell in 0..every + 5 {
            assert!(cells.insert(cell));
        }
        assert_eq!((cells.long.len(), cells.bits.len()), (1, 0));
        assert_eq!(cells.insert_all(every..1 << 62), (1 << 62) - every - 5);
        assert_eq!((cells.long.len(), cells.bits.len()), (1, 0));
        assert_eq!(cells.num_cells(), 1 << 62);
    }

    #[test]
    fn a_long_stretch_grows_up_to_the_bits_behind_it_and_no_further() {
        let long = Sizes::default().long;
        let mut cells = Cells::new();
        cells.insert_all(0..long);
        assert!(cells.insert(long + 1) && cells.insert(long));
        assert!(!cells.insert(long + 1) && !cells.insert(long));
        assert_eq!(cells.num_cells(), long + 2);
        assert_eq!(cells.stretches().count(), 1);
    }

    /// Operations on runs around some borders, and the sizes with which they are done.
    fn cases() -> impl Strategy<Value = (Sizes, Vec<(u8, u64, u64)>)> {
        let small = (1_u64..9, 1_u64..40)
            .prop_map(|(long, optimized_every)| Sizes { long, optimized_every });
        prop_oneof![4 => small, 1 => Just(Sizes::default())].prop_flat_map(|sizes| {
            let long = sizes.long;
            let border = [0, long - long.min(100), long, 3 * long + 7];
            let length = prop_oneof![Just(1_u64), 1_u64..200, long.max(51) - 50..long + 50];
            let start =
                (prop::sample::select(border.to_vec()), 0_u64..300).prop_map(|(a, b)| a + b);
            (Just(sizes), prop::collection::vec((0_u8..6, start, length), 1..12))
        })
    }

    fn compare(sizes: Sizes, operations: &[(u8, u64, u64)], ways: &mut [u64; 4]) -> TestCaseResult {
        let (mut cells, mut model) = (Cells { sizes, ..Cells::default() }, BTreeSet::new());
        for &(kind, start, length) in operations {
            let run = start..start + length;
            let before = cells.inserted;
            match kind {
                0 => prop_assert_eq!(cells.insert(start), model.insert(start)),
                1 | 2 => {
                    let new = run.clone().filter(|&cell| model.insert(cell)).count();
                    prop_assert_eq!(cells.insert_all(run.clone()), new as u64);
                }
                3 => prop_assert_eq!(
                    cells.remove_all(&(start..start + 1)) == 1,
                    model.remove(&start)
                ),
                4 => {
                    let gone = run.clone().filter(|cell| model.remove(cell)).count();
                    prop_assert_eq!(cells.remove_all(&run), gone as u64);
                }
                _ => cells.optimize(),
            }
            prop_assert_eq!(cells.num_cells(), model.len() as u64);
            prop_assert_eq!(cells.num_in(&run), model.range(run.clone()).count() as u64);
            prop_assert_eq!(cells.contains(start), model.contains(&start));
            let again = Cells::from_iter(model.iter().copied());
            prop_assert_eq!(&cells, &again);
            let all: Vec<u64> = cells.stretches().flatten().collect();
            prop_assert!(all.iter().eq(&model));
            let runs: Vec<_> = cells.stretches().collect();
            prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
            let has_both = !cells.long.is_empty() && !cells.bits.is_empty();
            let was_optimized = kind < 3 && cells.inserted < before;
            let seen = [!cells.long.is_empty(), !cells.bits.is_empty(), has_both, was_optimized];
            ways.iter_mut().zip(seen).for_each(|(count, seen)| *count += u64::from(seen));
        }
        Ok(())
    }

    #[test]
    fn all_answers_are_those_of_a_plain_set() {
        // With the sizes that are shipped, and with small ones.
        let ways = std::cell::Cell::new([[0; 4]; 2]);
        let config = ProptestConfig {
            cases: 2 * ProptestConfig::default().cases,
            source_file: Some(file!()),
            ..ProptestConfig::default()
        };
        let mut runner = TestRunner::new(config);
        let result = runner.run(&cases(), |(sizes, operations)| {
            let mut taken = ways.get();
            let is_small = sizes.long < Sizes::default().long;
            compare(sizes, &operations, &mut taken[usize::from(is_small)])?;
            ways.set(taken);
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}\n{runner}");
        }
        let [shipped, small] = ways.get();
        assert!(small.iter().chain(&shipped[..3]).all(|&count| count > 0), "{ways:?}");
    }
}
