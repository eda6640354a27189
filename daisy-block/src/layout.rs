//! The validated layout of one task: the only place where its ROIs are checked.

use daisy_geometry::{Coordinate, Roi};

use crate::{Field, Fit, LayoutError, axis::Axis, cantor::index_along};

/// Total, read and write ROI and the fit of one task, checked once.
///
/// The write ROI is shifted over the total ROI in steps of its own shape; the read ROI moves along.
/// All ROIs are half-open boxes in one unit (voxels or world units).
///
/// ```
/// use daisy_block::{Fit, Layout, LayoutError};
/// use daisy_geometry::Roi;
///
/// let layout = Layout::new(Roi::new([0], [27])?, Roi::new([0], [10])?, Roi::new([2], [6])?, Fit::Valid)?;
/// assert_eq!(layout.context_lo().as_slice(), [2]);
/// assert_eq!(layout.total_write_roi(), Roi::new([2], [23])?);
///
/// let outside = Layout::new(Roi::new([0], [27])?, Roi::new([2], [6])?, Roi::new([0], [10])?, Fit::Valid);
/// assert!(matches!(outside, Err(LayoutError::WriteOutsideRead { axis: 0, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    total_roi: Roi,
    read_roi: Roi,
    write_roi: Roi,
    fit: Fit,
}

impl Layout {
    /// The largest absolute coordinate that any block of a layout may have.
    ///
    /// It keeps every sum of the block maths within 64 bits, so that nothing has to be checked where
    /// blocks are handed out.
    pub const LIMIT: i64 = 1 << 60;

    /// The largest number of blocks of one layout.
    pub const MAX_BLOCKS: u64 = 1 << 62;

    /// The largest number of axes.
    pub const MAX_DIMS: usize = 16;

    /// Checks the ROIs of a task.
    ///
    /// A total ROI too small for one block is no error: such a layout has no blocks.
    ///
    /// # Errors
    /// Unbounded ROIs, zero or negative shapes, differing numbers of axes, none or more than
    /// [`Layout::MAX_DIMS`], a write ROI that is not inside the read ROI, coordinates beyond
    /// [`Layout::LIMIT`], and more than [`Layout::MAX_BLOCKS`] blocks.
    pub fn new(
        total_roi: Roi,
        read_roi: Roi,
        write_roi: Roi,
        fit: Fit,
    ) -> Result<Self, LayoutError> {
        let dims = total_roi.dims();
        if dims == 0 {
            return Err(LayoutError::NoAxes);
        }
        if dims > Self::MAX_DIMS {
            return Err(LayoutError::TooManyAxes { limit: Self::MAX_DIMS, found: dims });
        }
        for (field, roi) in [
            (Field::TotalRoi, &total_roi),
            (Field::ReadRoi, &read_roi),
            (Field::WriteRoi, &write_roi),
        ] {
            check_roi(field, roi, dims)?;
        }
        let layout = Self { total_roi, read_roi, write_roi, fit };
        layout.check_nesting()?;
        layout.check_extent()?;
        Ok(layout)
    }

    /// The number of axes.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.total_roi.dims()
    }

    /// Everything that blocks may read.
    #[must_use]
    pub const fn total_roi(&self) -> &Roi {
        &self.total_roi
    }

    /// The read ROI as given; only its place relative to the write ROI matters.
    #[must_use]
    pub const fn read_roi(&self) -> &Roi {
        &self.read_roi
    }

    /// The write ROI as given; only its shape and its place in the read ROI matter.
    #[must_use]
    pub const fn write_roi(&self) -> &Roi {
        &self.write_roi
    }

    /// How blocks are fitted to the high end.
    #[must_use]
    pub const fn fit(&self) -> Fit {
        self.fit
    }

    /// What a block reads below its write ROI, per axis: `write.begin - read.begin`.
    #[must_use]
    pub fn context_lo(&self) -> Coordinate {
        Coordinate::from_fn(self.dims(), |axis| self.context_at(axis).0)
    }

    /// What a block reads above its write ROI, per axis: `read.end - write.end`.
    #[must_use]
    pub fn context_hi(&self) -> Coordinate {
        Coordinate::from_fn(self.dims(), |axis| self.context_at(axis).1)
    }

    /// The step between blocks: the shape of the write ROI.
    #[must_use]
    pub fn write_shape(&self) -> Coordinate {
        Coordinate::from_fn(self.dims(), |axis| span(&self.write_roi, axis).shape())
    }

    /// Everything that is to be written: the total ROI without the contexts.
    ///
    /// Where the total ROI is smaller than the contexts, the result is empty.
    #[must_use]
    pub fn total_write_roi(&self) -> Roi {
        let begin = Coordinate::from_fn(self.dims(), |axis| self.total_write_at(axis).0);
        let end = Coordinate::from_fn(self.dims(), |axis| self.total_write_at(axis).1);
        Roi::from_begin_end(begin, end).unwrap_or_else(|_| Roi::empty(self.dims()))
    }

    /// One axis of the grid.
    pub(crate) fn axis(&self, axis: usize) -> Axis {
        let (context_lo, context_hi) = self.context_at(axis);
        let (begin, end) = self.total_write_at(axis);
        let step = span(&self.write_roi, axis).shape();
        let extent = end.saturating_sub(begin).max(0);
        let cells = match self.fit {
            Fit::Valid => extent / step,
            Fit::Overhang | Fit::Shrink => daisy_geometry::div_ceil(extent, step),
        };
        let shrink = self.fit == Fit::Shrink;
        Axis {
            begin,
            step,
            context_lo,
            context_hi,
            cells,
            first: index_along(span(&self.total_roi, axis).begin, begin, step),
            write_limit: if shrink { end } else { i64::MAX },
            read_limit: if shrink { span(&self.total_roi, axis).end } else { i64::MAX },
        }
    }

    /// Context below and above the write ROI along `axis`.
    fn context_at(&self, axis: usize) -> (i64, i64) {
        let (read, write) = (span(&self.read_roi, axis), span(&self.write_roi, axis));
        (write.begin.saturating_sub(read.begin), read.end.saturating_sub(write.end))
    }

    /// Begin and end of the total write ROI along `axis`; end below begin where nothing fits.
    fn total_write_at(&self, axis: usize) -> (i64, i64) {
        let total = span(&self.total_roi, axis);
        let (lo, hi) = self.context_at(axis);
        let begin = total.begin.saturating_add(lo);
        (begin, total.end.saturating_sub(hi).max(begin))
    }

    fn check_nesting(&self) -> Result<(), LayoutError> {
        for axis in 0..self.dims() {
            let (read, write) = (span(&self.read_roi, axis), span(&self.write_roi, axis));
            if write.begin < read.begin || write.end > read.end {
                return Err(LayoutError::WriteOutsideRead {
                    axis,
                    read: (read.begin, read.end),
                    write: (write.begin, write.end),
                });
            }
        }
        Ok(())
    }

    /// Refuses coordinates and grids for which the block maths could leave 64 bits.
    fn check_extent(&self) -> Result<(), LayoutError> {
        let mut blocks = 1_u128;
        for axis in 0..self.dims() {
            for roi in [&self.total_roi, &self.read_roi, &self.write_roi] {
                let span = span(roi, axis);
                if span.begin.max(span.end.saturating_neg()) > Self::LIMIT
                    || span.end.max(span.begin.saturating_neg()) > Self::LIMIT
                {
                    return Err(LayoutError::TooFar { axis, limit: Self::LIMIT });
                }
            }
            let grid = self.axis(axis);
            let last_end = i128::from(grid.begin)
                + i128::from(grid.cells) * i128::from(grid.step)
                + i128::from(grid.context_hi);
            if last_end > i128::from(Self::LIMIT) || grid.begin > Self::LIMIT {
                return Err(LayoutError::TooFar { axis, limit: Self::LIMIT });
            }
            blocks = blocks.saturating_mul(grid.cells.unsigned_abs().into());
        }
        if blocks > u128::from(Self::MAX_BLOCKS) {
            return Err(LayoutError::TooManyBlocks { limit: Self::MAX_BLOCKS });
        }
        Ok(())
    }
}

/// Begin and end of a bounded ROI along one axis.
#[derive(Clone, Copy)]
struct Span {
    begin: i64,
    end: i64,
}

impl Span {
    const fn shape(self) -> i64 {
        self.end.saturating_sub(self.begin)
    }
}

/// `check_roi` has made sure that both ends exist; an impossible absence reads as an empty span.
fn span(roi: &Roi, axis: usize) -> Span {
    let begin = roi.begin_at(axis).unwrap_or(0);
    Span { begin, end: roi.end_at(axis).unwrap_or(begin) }
}

fn check_roi(field: Field, roi: &Roi, dims: usize) -> Result<(), LayoutError> {
    if roi.dims() != dims {
        return Err(LayoutError::DimsMismatch { field, expected: dims, found: roi.dims() });
    }
    if roi.bounds().is_none() {
        return Err(LayoutError::Unbounded { field });
    }
    for axis in 0..dims {
        let shape = span(roi, axis).shape();
        if shape <= 0 {
            return Err(LayoutError::NotPositive { field, axis, shape });
        }
    }
    Ok(())
}
