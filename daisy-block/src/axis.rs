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
