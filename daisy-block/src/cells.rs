//! Boxes of grid indices, and the cells in them.

use alloc::vec::Vec;
use core::ops::Range;

use smallvec::SmallVec;

use crate::LayoutError;

/// A box of grid indices: one half-open range for each axis, in the order of the axes.
///
/// What meets a box has as many axes as the box; anything else is an error.
///
/// ```
/// use daisy_block::CellBox;
/// let cells = CellBox::new([0..2, 5..8]);
/// assert_eq!(cells.num_cells(), 6);
/// assert!(cells.contains(&[1, 7])? && !cells.contains(&[1, 8])?);
/// assert!(cells.intersect(&CellBox::new([2..3, 5..8]))?.is_empty());
/// assert!(cells.contains(&[1]).is_err());
/// # Ok::<(), daisy_block::LayoutError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CellBox {
    axes: SmallVec<[Range<i64>; 4]>,
}

impl CellBox {
    /// The box of these ranges; any empty range makes the box empty.
    pub fn new(axes: impl IntoIterator<Item = Range<i64>>) -> Self {
        Self { axes: axes.into_iter().collect() }
    }

    /// A box of `dims` axes without an index. (The box of no axes has one, which has no entries.)
    #[must_use]
    pub fn empty(dims: usize) -> Self {
        Self::new(core::iter::repeat_n(0..0, dims))
    }

    /// The range along each axis.
    #[must_use]
    pub fn axes(&self) -> &[Range<i64>] {
        &self.axes
    }

    /// The number of axes.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.axes.len()
    }

    /// Whether no index lies in the box.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.axes.iter().any(Range::is_empty)
    }

    /// How many indices lie in the box; `u64::MAX` where they are more.
    #[must_use]
    pub fn num_cells(&self) -> u64 {
        if self.is_empty() {
            return 0;
        }
        self.axes.iter().fold(1, |product: u64, range| product.saturating_mul(length(range)))
    }

    /// Whether `index` lies in the box.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the numbers of axes differ.
    pub fn contains(&self, index: &[i64]) -> Result<bool, LayoutError> {
        LayoutError::check_dims(self.dims(), index.len())?;
        Ok(self.contains_unchecked(index))
    }

    /// The same where the caller knows that the numbers of axes are equal. With others the answer has no
    /// meaning, and nothing panics; that holds for every method with this ending.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn contains_unchecked(&self, index: &[i64]) -> bool {
        self.axes.iter().zip(index).all(|(range, entry)| range.contains(entry))
    }

    /// The indices in both boxes.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the numbers of axes differ.
    pub fn intersect(&self, other: &Self) -> Result<Self, LayoutError> {
        LayoutError::check_dims(self.dims(), other.dims())?;
        Ok(self.intersect_unchecked(other))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[must_use]
    pub fn intersect_unchecked(&self, other: &Self) -> Self {
        Self::new(
            self.axes.iter().zip(&other.axes).map(|(a, b)| a.start.max(b.start)..a.end.min(b.end)),
        )
    }

    /// The indices that are not in `hole`, as at most two boxes per axis that do not overlap.
    ///
    /// ```
    /// use daisy_block::CellBox;
    /// let cells = CellBox::new([0..3, 0..3]);
    /// let rest = cells.without(&CellBox::new([1..9, 1..2]))?;
    /// assert_eq!(rest.iter().map(CellBox::num_cells).sum::<u64>(), 7);
    /// assert_eq!(cells.without(&CellBox::new([3..9, 0..3]))?, [cells]);
    /// # Ok::<(), daisy_block::LayoutError>(())
    /// ```
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the numbers of axes differ.
    pub fn without(&self, hole: &Self) -> Result<Vec<Self>, LayoutError> {
        LayoutError::check_dims(self.dims(), hole.dims())?;
        Ok(self.without_unchecked(hole))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[must_use]
    pub fn without_unchecked(&self, hole: &Self) -> Vec<Self> {
        let hole = self.intersect_unchecked(hole);
        if hole.is_empty() {
            return alloc::vec![self.clone()];
        }
        let mut pieces = Vec::new();
        let mut rest = self.clone();
        for (axis, inner) in hole.axes.iter().enumerate() {
            let outer = rest.axes[axis].clone();
            for side in [outer.start..inner.start, inner.end..outer.end] {
                if !side.is_empty() {
                    let mut piece = rest.clone();
                    piece.axes[axis] = side;
                    pieces.push(piece);
                }
            }
            rest.axes[axis] = inner.clone();
        }
        pieces
    }

    /// The smallest box around both; an empty one does not count.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the numbers of axes differ.
    pub fn hull(&self, other: &Self) -> Result<Self, LayoutError> {
        LayoutError::check_dims(self.dims(), other.dims())?;
        Ok(self.hull_unchecked(other))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[must_use]
    pub fn hull_unchecked(&self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        Self::new(
            self.axes.iter().zip(&other.axes).map(|(a, b)| a.start.min(b.start)..a.end.max(b.end)),
        )
    }

    /// The range along one axis, empty where there is none.
    pub(crate) fn along(&self, axis: usize) -> Range<i64> {
        self.axes.get(axis).cloned().unwrap_or(0..0)
    }
}

/// The number of entries of a range that is not empty.
fn length(range: &Range<i64>) -> u64 {
    range.end.abs_diff(range.start)
}

/// The cells of a box as runs of consecutive numbers, ascending; see
/// [`Tiling::runs_in`](crate::Tiling::runs_in). No allocation for up to 4 axes.
#[derive(Clone, Debug)]
pub struct CellRuns {
    /// The axes outside a run, slowest first: range, stride and current index.
    outer: SmallVec<[(Range<i64>, u64, i64); 4]>,
    next: Option<u64>,
    run: u64,
}

impl CellRuns {
    /// `axes` are range, stride and length of the grid, with the slowest axis first. The ranges lie in
    /// the grid; where it has no cells, the strides are zero.
    #[inline]
    pub(crate) fn new(axes: impl DoubleEndedIterator<Item = (Range<i64>, u64, i64)>) -> Self {
        let mut outer: SmallVec<[(Range<i64>, u64, i64); 4]> = SmallVec::new();
        let mut is_inside = true;
        let (mut first, mut run) = (0, 1);
        for (range, stride, cells) in axes.rev() {
            if range.is_empty() {
                return Self { outer, next: None, run: 0 };
            }
            first += range.start.unsigned_abs() * stride;
            if is_inside {
                run = length(&range) * stride;
                // A run goes on along the next axis only if it takes this one whole.
                is_inside = length(&range) == cells.unsigned_abs();
            } else {
                outer.push((range.clone(), stride, range.start));
            }
        }
        outer.reverse();
        Self { outer, next: Some(first), run }
    }
}

impl Iterator for CellRuns {
    type Item = Range<u64>;

    #[inline]
    fn next(&mut self) -> Option<Range<u64>> {
        let start = self.next?;
        let mut following = start;
        self.next = None;
        for (range, stride, index) in self.outer.iter_mut().rev() {
            *index += 1;
            following += *stride;
            if *index < range.end {
                self.next = Some(following);
                break;
            }
            following -= length(range) * *stride;
            *index = range.start;
        }
        Some(start..start + self.run)
    }
}
