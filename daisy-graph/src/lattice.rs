//! Cells at regular distances: the blocks of one level, and the roots of a task.

use core::ops::Range;

use daisy_block::{CellBox, LayoutError, Stencil, Tiling};
use smallvec::SmallVec;

use crate::GraphError;

/// A product of arithmetic progressions of grid indices: one first entry, step and count per axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lattice {
    /// Slowest axis first.
    axes: SmallVec<[Progression; 4]>,
    /// The number of cells of the grid along the fastest axis.
    fastest_len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progression {
    /// First cell's share of the cell number, distance in cell numbers, number of entries.
    first: u64,
    distance: u64,
    count: u64,
    /// The stride of the axis, which splits cell numbers into entries.
    stride: u64,
}

impl Lattice {
    /// The cells of level `level` inside a box; all cells of the box without a stencil.
    ///
    /// # Errors
    /// [`GraphError::Layout`] where the box or the stencil has another number of axes.
    pub fn of_level(
        tiling: &Tiling,
        stencil: Option<&Stencil>,
        level: u64,
        within: &CellBox,
    ) -> Result<Self, GraphError> {
        LayoutError::check_dims(tiling.dims(), within.dims())?;
        if let Some(stencil) = stencil {
            LayoutError::check_dims(tiling.dims(), stencil.axes().len())?;
        }
        Ok(Self::of_level_unchecked(tiling, stencil, level, within))
    }

    /// The same where all have as many axes.
    #[doc(hidden)]
    #[must_use]
    pub fn of_level_unchecked(
        tiling: &Tiling,
        stencil: Option<&Stencil>,
        level: u64,
        within: &CellBox,
    ) -> Self {
        let Some(stencil) = stencil.filter(|stencil| level < stencil.num_levels()) else {
            let within = if level == 0 { within.clone() } else { CellBox::empty(tiling.dims()) };
            return Self::new(tiling, &within, |_| (0, 1));
        };
        // Levels count down along the residues, last axis fastest.
        let residue = |axis: usize| {
            let faster = stencil.axes()[axis + 1..].iter().map(|axis| axis.period.unsigned_abs());
            let period = stencil.axes()[axis].period;
            let rank = (stencil.num_levels() - 1 - level) / faster.product::<u64>();
            (i64::try_from(rank % period.unsigned_abs()).unwrap_or(0), period)
        };
        Self::new(tiling, within, residue)
    }

    /// The indices with a given residue and period along each axis, inside a box of the grid.
    pub(crate) fn new(
        tiling: &Tiling,
        within: &CellBox,
        residue: impl Fn(usize) -> (i64, i64),
    ) -> Self {
        let within = within.intersect_unchecked(&tiling.all_cells());
        let axes = tiling.sweep_axes().iter().map(|&axis| {
            let range = within.axes().get(axis).cloned().unwrap_or(0..0);
            Progression::new(&range, residue(axis), tiling.strides()[axis])
        });
        let fastest_len =
            tiling.sweep_axes().last().map_or(1, |&axis| tiling.axes()[axis].num_cells());
        Self { axes: axes.collect(), fastest_len: fastest_len.unsigned_abs().max(1) }
    }

    /// The number of cells.
    #[must_use]
    pub fn num_cells(&self) -> u64 {
        // Without cells other axes may be longer than those of any grid with cells.
        self.axes.iter().map(|axis| axis.count).fold(1, u64::saturating_mul)
    }

    /// The lowest cell of the lattice that is not below `cell`. O(axes).
    #[inline]
    #[must_use]
    pub fn next_from(&self, cell: u64) -> Option<u64> {
        if self.axes.iter().any(|axis| axis.count == 0) {
            return None;
        }
        // Follow `cell` down the axes as long as its entries are on the lattice; `carry` is the
        // deepest place where a larger entry can be taken instead.
        let mut rest = cell;
        let mut taken = 0;
        let mut carry = None;
        for (depth, axis) in self.axes.iter().enumerate() {
            let start = rest - rest % axis.stride;
            let place = axis.place_from(start);
            if place >= axis.count {
                return carry.map(|(depth, sum)| self.lowest_below(depth, sum));
            }
            let entry = axis.entry(place);
            if entry > start {
                return Some(self.lowest_below(depth + 1, taken + entry));
            }
            if place + 1 < axis.count {
                carry = Some((depth + 1, taken + axis.entry(place + 1)));
            }
            taken += entry;
            rest -= start;
        }
        Some(taken)
    }

    /// The same with the cells that follow at equal distances: first, distance and last one.
    #[inline]
    #[must_use]
    pub fn run_from(&self, cell: u64) -> Option<(u64, u64, u64)> {
        let first = self.next_from(cell)?;
        let fastest = self.axes.last()?;
        let entry = first % (fastest.stride * self.fastest_len);
        let left = fastest.count - 1 - fastest.place_from(entry);
        Some((first, fastest.distance, first + left * fastest.distance))
    }

    /// The cells, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        core::iter::successors(self.next_from(0), |&cell| self.next_from(cell + 1))
    }

    /// `sum` of the entries down to `depth`, and the first entry of every deeper axis.
    fn lowest_below(&self, depth: usize, sum: u64) -> u64 {
        sum + self.axes.iter().skip(depth).map(|axis| axis.first).sum::<u64>()
    }
}

impl Progression {
    fn new(range: &Range<i64>, (residue, period): (i64, i64), stride: u64) -> Self {
        if range.is_empty() {
            return Self { first: 0, distance: 1, count: 0, stride };
        }
        let first = range.start + (residue - range.start).rem_euclid(period);
        let count = if first < range.end { (range.end - 1 - first) / period + 1 } else { 0 };
        Self {
            // Beyond the grid, and perhaps beyond the numbers, only if there is no entry, or no second one.
            first: first.unsigned_abs().saturating_mul(stride),
            distance: period.unsigned_abs().saturating_mul(stride),
            count: count.unsigned_abs(),
            stride,
        }
    }

    /// The place of the first entry not below `share`; possibly beyond the last.
    #[inline]
    const fn place_from(&self, share: u64) -> u64 {
        share.saturating_sub(self.first).div_ceil(self.distance)
    }

    const fn entry(&self, place: u64) -> u64 {
        self.first + place * self.distance
    }
}
