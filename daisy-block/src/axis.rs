//! One axis of a grid: all block maths is done axis by axis, here and nowhere else.

use core::ops::Range;

use daisy_geometry::{div_ceil, div_floor};

/// One axis of a [`Tiling`](crate::Tiling): where its cells begin, end, read and write.
///
/// Cell `k` writes `[begin + k * step, begin + (k + 1) * step)` and reads the context on top of
/// that; with [`Fit::Shrink`](crate::Fit::Shrink) both are cut at a limit, which only ever meets
/// the last cell. [`Layout::LIMIT`](crate::Layout::LIMIT) keeps every sum below within 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    pub(crate) begin: i64,
    pub(crate) step: i64,
    pub(crate) context_lo: i64,
    pub(crate) context_hi: i64,
    pub(crate) cells: i64,
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
        let begin = self.begin + index * self.step;
        begin..(begin + self.step).min(self.write_limit)
    }

    /// What cell `index` reads, half-open.
    #[inline]
    #[must_use]
    pub fn read(&self, index: i64) -> Range<i64> {
        let begin = self.begin + index * self.step;
        begin - self.context_lo..(begin + self.step + self.context_hi).min(self.read_limit)
    }

    fn uncut_read(&self, index: i64) -> Range<i64> {
        let begin = self.begin + index * self.step;
        begin - self.context_lo..begin + self.step + self.context_hi
    }

    /// The cells whose write interval meets `interval`.
    ///
    /// `interval` must lie within [`Roi::LIMIT`](daisy_geometry::Roi::LIMIT); an empty one meets nothing.
    #[inline]
    #[must_use]
    pub fn written_in(&self, interval: &Range<i64>) -> Range<i64> {
        let first = div_floor(interval.start - self.begin, self.step);
        let end = div_ceil(interval.end - self.begin, self.step);
        self.clip(first..end, interval, self.write_limit)
    }

    /// The cells whose read interval meets `interval`.
    ///
    /// `interval` must lie within [`Roi::LIMIT`](daisy_geometry::Roi::LIMIT); an empty one meets nothing.
    #[inline]
    #[must_use]
    pub fn reading(&self, interval: &Range<i64>) -> Range<i64> {
        let first = div_floor(interval.start - self.begin - self.context_hi, self.step);
        let end = div_ceil(interval.end - self.begin + self.context_lo, self.step);
        self.clip(first..end, interval, self.read_limit)
    }

    /// How many cells a read interval reaches below and above the cell's own.
    #[must_use]
    pub fn reach(&self) -> (i64, i64) {
        (div_ceil(self.context_lo, self.step), div_ceil(self.context_hi, self.step))
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
        let read = downstream.uncut_read(0);
        let first = div_floor(read.start - upstream.begin, upstream.step);
        let end = div_ceil(read.end - upstream.begin, upstream.step);
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
        let first = self.first + index * self.ratio;
        // The last cell on either side may be cut.
        if self.ratio > 0 && index + 1 < self.from.cells && first + 1 < self.to.cells {
            let start = first.max(0);
            let end = (self.end + index * self.ratio).min(self.to.cells);
            return if start < end { start..end } else { 0..0 };
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
