//! Which blocks of one task touch each other's data, and the levels that keep them apart.

use core::ops::Range;

use smallvec::SmallVec;

use crate::{CellBox, LayoutError, Tiling};

/// The conflicts inside a task as a constant set of grid offsets, and a colouring of the grid.
///
/// Cells `a` and `b` conflict if what one reads meets what the other writes. With reach
/// `lo = ceil(context_lo / write)` and `hi` likewise, `b - a` then lies in the box `[-lo, +hi]` or
/// in its mirror image: in the *union* of the two, not in their hull.
///
/// *Levels* colour the grid so that no two conflicting cells share one: per axis the period is
/// `max(lo, hi) + 1` (never more than the grid is long), and levels count down along the residues,
/// last axis fastest. A block waits for every conflicting block of a lower level.
///
/// ```
/// use daisy_block::{Fit, Layout, Stencil, Tiling};
/// use daisy_geometry::Roi;
///
/// let layout = Layout::new(Roi::new([0], [27])?, Roi::new([0], [10])?, Roi::new([2], [5])?, Fit::Valid)?;
/// let tiling = Tiling::new(&layout);
/// let stencil = Stencil::new(&tiling);
/// assert_eq!(stencil.num_levels(), 2);
/// assert_eq!(stencil.upstream(&tiling, 2)?.collect::<Vec<_>>(), [1, 3]);
/// assert_eq!(stencil.downstream(&tiling, 2)?.count(), 0);
/// assert!(stencil.conflicts(&[1, 0]).is_err()); // one axis too many
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: W. Patton, J. Funke and others, daisy (2019), whose level order this keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stencil {
    axes: SmallVec<[StencilAxis; 4]>,
    num_levels: u64,
}

/// One axis of a [`Stencil`]: how far conflicts reach and when the levels repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StencilAxis {
    /// Cells that a read interval reaches below its own, at most the grid's length - 1.
    pub reach_lo: i64,
    /// Cells that a read interval reaches above its own, at most the grid's length - 1.
    pub reach_hi: i64,
    /// Cells after which the levels repeat, at least 1.
    pub period: i64,
}

impl StencilAxis {
    /// The longer of both reaches.
    #[must_use]
    pub const fn reach(&self) -> i64 {
        if self.reach_lo > self.reach_hi { self.reach_lo } else { self.reach_hi }
    }
}

impl Stencil {
    /// The stencil of a task whose read and write ROIs conflict.
    #[must_use]
    pub fn new(tiling: &Tiling) -> Self {
        let axes: SmallVec<[StencilAxis; 4]> = tiling
            .axes()
            .iter()
            .map(|axis| {
                let (lo, hi) = axis.reach();
                let farthest = if tiling.num_cells() == 0 { 0 } else { axis.num_cells() - 1 };
                StencilAxis {
                    reach_lo: lo.min(farthest),
                    reach_hi: hi.min(farthest),
                    period: lo.max(hi).min(farthest) + 1,
                }
            })
            .collect();
        // At most the number of cells.
        let num_levels = axes.iter().map(|axis| axis.period.unsigned_abs()).product();
        Self { axes, num_levels }
    }

    /// The axes one by one.
    #[must_use]
    pub fn axes(&self) -> &[StencilAxis] {
        &self.axes
    }

    /// The number of levels, at least 1.
    #[must_use]
    pub const fn num_levels(&self) -> u64 {
        self.num_levels
    }

    /// Whether no two cells conflict.
    #[must_use]
    pub fn is_trivial(&self) -> bool {
        self.num_levels == 1
    }

    /// Whether cells `offset` apart conflict; no cell conflicts with itself.
    ///
    /// An offset longer than the grid conflicts with nothing that exists; it is not looked at.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the offset has another number of axes.
    pub fn conflicts(&self, offset: &[i64]) -> Result<bool, LayoutError> {
        LayoutError::check_dims(self.axes.len(), offset.len())?;
        Ok(self.conflicts_unchecked(offset))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn conflicts_unchecked(&self, offset: &[i64]) -> bool {
        let all = |range: fn(&StencilAxis) -> core::ops::RangeInclusive<i64>| {
            self.axes.iter().zip(offset).all(|(axis, entry)| range(axis).contains(entry))
        };
        offset.iter().any(|&entry| entry != 0)
            && (all(|axis| -axis.reach_lo..=axis.reach_hi)
                || all(|axis| -axis.reach_hi..=axis.reach_lo))
    }

    /// The level of the cell at a grid index: lower levels go first.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the index has another number of axes.
    pub fn level_at(&self, index: &[i64]) -> Result<u64, LayoutError> {
        LayoutError::check_dims(self.axes.len(), index.len())?;
        Ok(self.level_at_unchecked(index))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn level_at_unchecked(&self, index: &[i64]) -> u64 {
        let rank = self.axes.iter().zip(index).fold(0, |rank: u64, (axis, &entry)| {
            rank * axis.period.unsigned_abs() + entry.rem_euclid(axis.period).unsigned_abs()
        });
        self.num_levels - 1 - rank
    }

    /// The cells that must be finished before `cell`: conflicting ones of a lower level.
    ///
    /// O(conflicting cells) time in total, O(1) memory; in no particular, but always the same order.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the grid has another number of axes, [`LayoutError::NoSuchCell`].
    pub fn upstream<'a>(
        &'a self,
        tiling: &'a Tiling,
        cell: u64,
    ) -> Result<impl Iterator<Item = u64> + 'a, LayoutError> {
        let all = self.conflicting(tiling, cell)?;
        Ok(all.filter_map(|(cell, is_lower)| is_lower.then_some(cell)))
    }

    /// The cells that wait for `cell`: conflicting ones of a higher level.
    ///
    /// O(conflicting cells) time in total, O(1) memory; in no particular, but always the same order.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the grid has another number of axes, [`LayoutError::NoSuchCell`].
    pub fn downstream<'a>(
        &'a self,
        tiling: &'a Tiling,
        cell: u64,
    ) -> Result<impl Iterator<Item = u64> + 'a, LayoutError> {
        let all = self.conflicting(tiling, cell)?;
        Ok(all.filter_map(|(cell, is_lower)| (!is_lower).then_some(cell)))
    }

    /// Conflicting cells of the grid, and whether each has a lower level than `cell`.
    fn conflicting<'a>(
        &'a self,
        tiling: &'a Tiling,
        cell: u64,
    ) -> Result<impl Iterator<Item = (u64, bool)> + 'a, LayoutError> {
        LayoutError::check_dims(self.axes.len(), tiling.dims())?;
        let index = tiling.index(cell).ok_or_else(|| tiling.no_such_cell(cell))?;
        let around = |reach: fn(&StencilAxis) -> (i64, i64)| {
            CellBox::new(self.axes.iter().zip(index.iter()).map(|(axis, entry)| -> Range<i64> {
                let (below, above) = reach(axis);
                entry - below..entry + above + 1
            }))
        };
        let reading = around(|axis| (axis.reach_lo, axis.reach_hi));
        let mirror = around(|axis| (axis.reach_hi, axis.reach_lo));
        let level = self.level_at_unchecked(index.as_slice());
        let (first, second) =
            (tiling.runs_in_unchecked(&reading), tiling.runs_in_unchecked(&mirror));
        let with_index = move |other| tiling.index(other).map(|index| (other, index));
        let only_mirror = second
            .flatten()
            .filter_map(with_index)
            .filter(move |(_, index)| !reading.contains_unchecked(index.as_slice()));
        let both = first.flatten().filter_map(with_index).chain(only_mirror);
        Ok(both
            .filter(move |&(other, _)| other != cell)
            .map(move |(other, index)| (other, self.level_at_unchecked(index.as_slice()) < level)))
    }
}
