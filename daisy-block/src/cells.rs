//! Boxes of grid indices, and the cells in them.

use alloc::vec::Vec;
use core::ops::Range;

use smallvec::SmallVec;

/// A box of grid indices: one half-open range for each axis, in the order of the axes.
///
/// ```
/// use daisy_block::CellBox;
/// let cells = CellBox::new([0..2, 5..8]);
/// assert_eq!(cells.num_cells(), 6);
/// assert!(cells.contains(&[1, 7]) && !cells.contains(&[1, 8]));
/// assert!(cells.intersect(&CellBox::new([2..3, 5..8])).is_empty());
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

    /// A box of `dims` axes without an index.
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
    #[must_use]
    pub fn contains(&self, index: &[i64]) -> bool {
        index.len() == self.dims()
            && self.axes.iter().zip(index).all(|(range, entry)| range.contains(entry))
    }

    /// The indices in both boxes; empty where the numbers of axes differ.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        if self.dims() != other.dims() {
            return Self::empty(self.dims());
        }
        Self::new(
            self.axes.iter().zip(&other.axes).map(|(a, b)| a.start.max(b.start)..a.end.min(b.end)),
        )
    }

    /// The indices that are not in `hole`, as at most two boxes per axis that do not overlap.
    ///
    /// ```
    /// use daisy_block::CellBox;
    /// let cells = CellBox::new([0..3, 0..3]);
    /// let rest = cells.without(&CellBox::new([1..9, 1..2]));
    /// assert_eq!(rest.iter().map(CellBox::num_cells).sum::<u64>(), 7);
    /// assert_eq!(cells.without(&CellBox::new([3..9, 0..3])), [cells]);
    /// ```
    #[must_use]
    pub fn without(&self, hole: &Self) -> Vec<Self> {
        let hole = self.intersect(hole);
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
    #[must_use]
    pub fn hull(&self, other: &Self) -> Self {
        if self.is_empty() || self.dims() != other.dims() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        Self::new(
            self.axes.iter().zip(&other.axes).map(|(a, b)| a.start.min(b.start)..a.end.max(b.end)),
        )
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
    /// `axes` are range, stride and length of the grid, with the slowest axis first.
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
