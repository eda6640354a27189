//! The proof that every voxel is written exactly once, or where it is not and why.

use alloc::vec::Vec;
use core::fmt;

use daisy_geometry::{Coordinate, Roi};

use crate::{Fit, Layout, Tiling};

/// Which part of the total write ROI the blocks of a layout write.
///
/// Blocks never overlap: they are one write shape apart. So every voxel of [`Coverage::written`] is
/// written exactly once, and the only voxels that can be missed are those of a remainder at the high
/// end of an axis.
///
/// ```
/// use daisy_block::{Coverage, Fit, Layout};
/// use daisy_geometry::Roi;
///
/// let block = Roi::new([0], [6])?;
/// let layout = Layout::new(Roi::new([0], [27])?, block.clone(), block, Fit::Valid)?;
/// let coverage = Coverage::of(&layout);
/// assert!(!coverage.is_complete());
/// assert_eq!(coverage.missed[0].roi, Roi::new([24], [3])?);
/// assert_eq!(
///     coverage.to_string(),
///     "not written: [24:27] (3): fit valid leaves a remainder of 3 along axis 0, where blocks \
///      write 6; use fit shrink or overhang"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Everything that is to be written.
    pub total_write_roi: Roi,
    /// Everything that is written, exactly once; `None` where there are no blocks.
    pub written: Option<Roi>,
    /// What is not written: disjoint, together exactly the rest of the total write ROI.
    pub missed: Vec<Missed>,
    /// The axes along which blocks write beyond the total write ROI (fit overhang), and how far.
    pub overhangs: Vec<(usize, i64)>,
}

/// A part of the total write ROI that no block writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The part.
    pub roi: Roi,
    /// The axis along which the blocks end too early.
    pub axis: usize,
    /// How much is left along that axis.
    pub remainder: i64,
    /// What a block writes along that axis.
    pub write_shape: i64,
}

impl Coverage {
    /// Proves what the blocks of `layout` write. O(axes).
    #[must_use]
    pub fn of(layout: &Layout) -> Self {
        let tiling = Tiling::new(layout);
        let total_write_roi = layout.total_write_roi();
        let written = tiling.written_by_unchecked(&tiling.all_cells());
        let mut missed = Vec::new();
        let mut overhangs = Vec::new();
        if !total_write_roi.is_empty() {
            let mut rest = total_write_roi.clone();
            for (axis, grid) in tiling.axes().iter().enumerate() {
                let (Some(begin), Some(end)) =
                    (total_write_roi.begin_at(axis), total_write_roi.end_at(axis))
                else {
                    continue;
                };
                let covered = match grid.num_cells() {
                    0 => begin,
                    cells => grid.write(cells - 1).end,
                };
                if covered > end {
                    overhangs.push((axis, covered - end));
                } else if covered < end {
                    missed.extend(with_axis(&rest, axis, covered, end).map(|roi| Missed {
                        roi,
                        axis,
                        remainder: end - covered,
                        write_shape: grid.step(),
                    }));
                    rest = with_axis(&rest, axis, begin, covered)
                        .unwrap_or_else(|| Roi::empty(layout.dims()));
                }
                if rest.is_empty() {
                    break;
                }
            }
        }
        debug_assert!(layout.fit() == Fit::Overhang || overhangs.is_empty());
        Self { total_write_roi, written, missed, overhangs }
    }

    /// Whether every voxel of the total write ROI is written.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missed.is_empty()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_complete() {
            return write!(f, "every voxel of {} is written exactly once", self.total_write_roi);
        }
        for (place, missed) in self.missed.iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            write!(
                f,
                "not written: {}: fit valid leaves a remainder of {} along axis {}, where blocks \
                 write {}; use fit shrink or overhang",
                missed.roi, missed.remainder, missed.axis, missed.write_shape
            )?;
        }
        Ok(())
    }
}

/// `roi` with another interval along one axis.
fn with_axis(roi: &Roi, axis: usize, begin: i64, end: i64) -> Option<Roi> {
    let (old_begin, old_end) = roi.bounds()?;
    let pick = |old: &Coordinate, new: i64| {
        Coordinate::from_fn(roi.dims(), |i| if i == axis { new } else { old[i] })
    };
    Roi::from_begin_end(pick(old_begin, begin), pick(old_end, end)).ok()
}
