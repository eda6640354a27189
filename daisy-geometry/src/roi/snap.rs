//! Aligning a ROI with the voxels of a grid.

use core::fmt;
use core::str::FromStr;

use super::Roi;
use crate::operand::check_dims;
use crate::scalar::{div_ceil, div_floor, div_round};
use crate::{GeometryError, Operand};

/// Which way the bounds of a ROI go when they are [aligned](Roi::snap_to_grid) with a grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Snap {
    /// Outwards: the result contains the ROI.
    #[default]
    Grow,
    /// Inwards: the result lies in the ROI.
    Shrink,
    /// Each bound to the grid line nearest to it, an exact half down.
    Closest,
}

impl Roi {
    /// The ROI with its bounds at multiples of a voxel size. Unbounded axes stay as they are.
    ///
    /// Shrinking to less than one voxel gives a shape of zero where the bounds would cross.
    ///
    /// ```
    /// use daisy_geometry::{Roi, Snap};
    ///
    /// let roi = Roi::new([-1], [8])?; // [-1:7]
    /// assert_eq!(roi.snap_to_grid(5, Snap::Grow)?, Roi::new([-5], [15])?);
    /// assert_eq!(roi.snap_to_grid(5, Snap::Shrink)?, Roi::new([0], [5])?);
    /// assert_eq!(roi.snap_to_grid(5, Snap::Closest)?, Roi::new([0], [5])?);
    /// assert_eq!(roi.snap_to_grid(100, Snap::Shrink)?, Roi::new([0], [0])?);
    /// assert!(roi.snap_to_grid(0, Snap::Grow).is_err());
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::NonPositiveVoxelSize`], [`GeometryError::DimsMismatch`] or
    /// [`GeometryError::Overflow`].
    #[inline]
    pub fn snap_to_grid(
        &self,
        voxel_size: impl Operand,
        mode: Snap,
    ) -> Result<Self, GeometryError> {
        check_dims(self.dims(), &voxel_size)?;
        for axis in 0..self.dims() {
            let size = voxel_size.at(axis);
            if size <= 0 {
                return Err(GeometryError::NonPositiveVoxelSize { axis, size });
            }
        }
        self.map_bounds(|axis, begin, end| {
            let size = voxel_size.at(axis);
            let (begin, end) = match mode {
                Snap::Grow => (div_floor(begin, size), div_ceil(end, size)),
                Snap::Shrink => {
                    let begin = div_ceil(begin, size);
                    (begin, div_floor(end, size).max(begin))
                }
                Snap::Closest => (div_round(begin, size), div_round(end, size)),
            };
            Some((begin.checked_mul(size)?, end.checked_mul(size)?))
        })
        .ok_or(GeometryError::Overflow { op: "snapping a ROI to a grid" })
    }
}

impl fmt::Display for Snap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Grow => "grow",
            Self::Shrink => "shrink",
            Self::Closest => "closest",
        })
    }
}

/// Reads what `Display` writes.
///
/// ```
/// use daisy_geometry::Snap;
///
/// assert_eq!("shrink".parse(), Ok(Snap::Shrink));
/// assert!("Shrink".parse::<Snap>().is_err());
/// ```
impl FromStr for Snap {
    type Err = GeometryError;

    fn from_str(text: &str) -> Result<Self, GeometryError> {
        match text {
            "grow" => Ok(Self::Grow),
            "shrink" => Ok(Self::Shrink),
            "closest" => Ok(Self::Closest),
            _ => Err(GeometryError::Parse {
                expected: "`grow`, `shrink` or `closest`",
                found: text.chars().next(),
                at: 0,
            }),
        }
    }
}
