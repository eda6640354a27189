//! One axis of a grid: all block maths is done axis by axis, here and nowhere else.

use core::ops::Range;

use daisy_geometry::{div_ceil, div_floor};

/// One axis of a [`Tiling`](crate::Tiling): where its cells begin, end, read and write.
///
/// Cell `k` writes `[begin + k * step, begin + (k + 1) * step)` and reads the context on top of
/// that; with [`Fit::Shrink`](crate::Fit::Shrink) both are cut at a limit, which only ever meets
/// the last cell. [`Layout::LIMIT`](crate::Layout::LIMIT) keeps every sum about cells of the grid within
/// 64 bits; for cells and intervals far outside of it sums end where the numbers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    pub(crate) begin: i64,
    pub(crate) step: i64,
    pub(crate) context_lo: i64,
    pub(crate) context_hi: i64,
    pub(crate) cells: i64,
    /// The index of cell 0 counted from the total ROI: what ids are made of.
    pub(crate) first: i64,
    pub(crate) write_limit: i64,
    pub(crate) read_limit: i64,
}

impl Axis {
    /// The number of cells along the axis.
    #[must_use]
    pub const fn num_cells(&self) -> i64 {
        self.cells
    }

    /// The step between cells.
    #[must_use]
    pub const fn step(&self) -> i64 {
        self.step
    }

    /// What cell `index` writes, half-open.
    #[inline]
    #[must_use]
    pub fn write(&self, index: i64) -> Range<i64> {
        let begin = self.begin_of(index);
        begin..begin.saturating_add(self.step).min(self.write_limit)
    }

    /// What cell `index` reads, half-open.
    #[inline]
    #[must_use]
    pub fn read(&self, index: i64) -> Range<i64> {
        let begin = self.begin_of(index);
        let end = begin.saturating_add(self.step).saturating_add(self.context_hi);
        begin.saturating_sub(self.context_lo)..end.min(self.read_limit)
    }

    #[inline]
    const fn begin_of(&self, index: i64) -> i64 {
        self.begin.saturating_add(index.saturating_mul(self.step))
    }

    /// The cells whose write interval meets `interval`; an empty one meets nothing.
    #[inline]
    #[must_use]
    pub fn written_in(&self, interval: &Range<i64>) -> Range<i64> {
        // A difference that saturates lies as far outside of the grid as the exact one.
        let first = div_floor(interval.start.saturating_sub(self.begin), self.step);
        let end = div_ceil(interval.end.saturating_sub(self.begin), self.step);
        self.clip(first..end, interval, self.write_limit)
    }

    /// The cells whose read interval meets `interval`; an empty one meets nothing.
    #[inline]
    #[must_use]
    pub fn reading(&self, interval: &Range<i64>) -> Range<i64> {
        let (lowest, highest) = (self.begin + self.context_hi, self.begin - self.context_lo);
        let first = div_floor(interval.start.saturating_sub(lowest), self.step);
        let end = div_ceil(interval.end.saturating_sub(highest), self.step);
        self.clip(first..end, interval, self.read_limit)
    }

    /// How many cells a read interval reaches below and above the cell's own.
    #[must_use]
    pub fn reach(&self) -> (i64, i64) {
        (div_ceil(self.context_lo, self.step), div_ceil(self.context_hi, self.step))
    }

    /// The axis of the cells of a range, as far as they exist.
    pub(crate) fn part(&self, range: &Range<i64>) -> Self {
        let Range { start, end } = self.inside(range);
        let (begin, first) = (self.begin + start * self.step, self.first + start);
        Self { begin, first, cells: end - start, ..*self }
    }

    /// The part of a range that lies in the grid.
    #[inline]
    pub(crate) fn inside(&self, range: &Range<i64>) -> Range<i64> {
        let start = range.start.clamp(0, self.cells);
        start..range.end.clamp(start, self.cells)
    }

    /// Keeps what lies in the grid; a cut last cell does not meet what begins at or above the cut.
    #[inline]
    fn clip(&self, cells: Range<i64>, interval: &Range<i64>, limit: i64) -> Range<i64> {
        let start = cells.start.max(0);
        let end = cells.end.min(self.cells);
        if interval.start >= interval.end || start >= end || interval.start >= limit {
            return 0..0;
        }
        start..end
    }
}

/// Which cells of one axis are met by each cell of another: [`Axis::reading`] or
/// [`Axis::written_in`], prepared so that the common case needs no division.
///
/// ```
/// use daisy_block::{Crossing, Fit, Layout, Tiling};
/// use daisy_geometry::Roi;
///
/// let tiling = |width| -> Result<Tiling, Box<dyn std::error::Error>> {
///     let block = Roi::new([0], [width])?;
///     Ok(Tiling::new(&Layout::new(Roi::new([0], [12])?, block.clone(), block, Fit::Valid)?))
/// };
/// let (up, down) = (tiling(2)?, tiling(6)?);
/// assert_eq!(Crossing::inputs(&down.axes()[0], &up.axes()[0]).cells(1), 3..6);
/// assert_eq!(Crossing::readers(&up.axes()[0], &down.axes()[0]).cells(2), 0..1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Crossing {
    from: Axis,
    to: Axis,
    is_reader: bool,
    /// Cells of `to` from one cell of `from` to the next; 0 where that is no whole number.
    ratio: i64,
    /// What cell 0 meets, not clipped to the grid.
    first: i64,
    end: i64,
}

impl Crossing {
    /// The cells of `upstream` that a cell of `downstream` reads.
    #[must_use]
    pub fn inputs(downstream: &Axis, upstream: &Axis) -> Self {
        let begin = downstream.begin - downstream.context_lo;
        let end = downstream.begin + downstream.step + downstream.context_hi;
        let first = div_floor(begin - upstream.begin, upstream.step);
        let end = div_ceil(end - upstream.begin, upstream.step);
        Self::new(downstream, upstream, false, first..end)
    }

    /// The cells of `downstream` that read what a cell of `upstream` writes.
    #[must_use]
    pub fn readers(upstream: &Axis, downstream: &Axis) -> Self {
        let write = upstream.begin..upstream.begin + upstream.step;
        let first =
            div_floor(write.start - downstream.begin - downstream.context_hi, downstream.step);
        let end = div_ceil(write.end - downstream.begin + downstream.context_lo, downstream.step);
        Self::new(upstream, downstream, true, first..end)
    }

    fn new(from: &Axis, to: &Axis, is_reader: bool, met: Range<i64>) -> Self {
        let ratio = if from.step % to.step == 0 { from.step / to.step } else { 0 };
        Self { from: *from, to: *to, is_reader, ratio, first: met.start, end: met.end }
    }

    /// The cells met by a cell of the first axis.
    #[inline]
    #[must_use]
    pub fn cells(&self, index: i64) -> Range<i64> {
        // The last cell on either side may be cut.
        if self.ratio > 0 && (0..self.from.cells - 1).contains(&index) {
            let shift = index * self.ratio;
            let first = self.first + shift;
            if first < self.to.cells - 1 {
                let (start, end) = (first.max(0), (self.end + shift).min(self.to.cells));
                return if start < end { start..end } else { 0..0 };
            }
        }
        self.cells_by_division(index)
    }

    fn cells_by_division(&self, index: i64) -> Range<i64> {
        if self.is_reader {
            self.to.reading(&self.from.write(index))
        } else {
            self.to.written_in(&self.from.read(index))
        }
    }
}
