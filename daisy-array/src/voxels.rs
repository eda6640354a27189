//! From ROIs in world units to boxes of voxels, exactly.

use daisy_geometry::{Coordinate, Roi};
use zarrs::array::ArraySubset;

use crate::{ArrayError, Dtype};

/// Where the voxels of an array lie in the world.
///
/// ```text
///   axis      |  0  |  1  |  2  |      shape 3 voxels of voxel_size 10
///   world    -5     5     15    25     offset -5, ROI [-5, 25)
/// ```
#[derive(Clone, Debug)]
pub(crate) struct VoxelGrid {
    /// Lengths of the axes before the spatial ones.
    pub(crate) channels: Vec<u64>,
    /// Voxels per spatial axis.
    pub(crate) shape: Coordinate,
    pub(crate) voxel_size: Coordinate,
    pub(crate) offset: Coordinate,
    pub(crate) roi: Roi,
}

impl VoxelGrid {
    /// A grid whose ROI fits the world. `shape` has all axes, the others the spatial ones.
    pub(crate) fn new(
        shape: &[u64],
        voxel_size: Coordinate,
        offset: Coordinate,
    ) -> Result<Self, ArrayError> {
        let (channels, spatial) = shape.split_at(shape.len().saturating_sub(voxel_size.dims()));
        let shape = spatial_coordinate(spatial)?;
        let roi = Roi::new(offset.clone(), shape.checked_mul(&voxel_size)?)?;
        Ok(Self { channels: channels.to_vec(), shape, voxel_size, offset, roi })
    }

    /// The voxels of a ROI; they need not be voxels of the array.
    ///
    /// A ROI that is empty along an axis has zero voxels there; the canonical empty ROI has no
    /// voxels along any.
    pub(crate) fn voxels(&self, roi: &Roi) -> Result<VoxelBox, ArrayError> {
        let dims = self.shape.dims();
        if roi.dims() != dims {
            return Err(ArrayError::Dims { expected: dims, found: roi.dims() });
        }
        let Some((begin, end)) = roi.bounds() else {
            if roi.is_unbounded() {
                return Err(ArrayError::Unbounded { roi: roi.clone().into() });
            }
            return Ok(VoxelBox { begin: vec![0; dims], shape: vec![0; dims] });
        };
        let mut voxels = VoxelBox { begin: Vec::new(), shape: Vec::new() };
        for axis in 0..dims {
            let (voxel_size, offset) = (self.voxel_size[axis], self.offset[axis]);
            // Bounds lie within `Roi::LIMIT`, so the difference of any two fits.
            let (low, high) = (begin[axis] - offset, end[axis] - offset);
            if low % voxel_size != 0 || high % voxel_size != 0 {
                let roi = roi.clone().into();
                return Err(ArrayError::Misaligned { roi, axis, voxel_size, offset });
            }
            voxels.begin.push(low / voxel_size);
            voxels.shape.push((high / voxel_size - low / voxel_size).max(0));
        }
        Ok(voxels)
    }

    /// The voxels of a ROI that lies in the array; any empty ROI does.
    pub(crate) fn voxels_inside(&self, roi: &Roi) -> Result<VoxelBox, ArrayError> {
        let voxels = self.voxels(roi)?;
        if !voxels.is_empty() && voxels.clip(&self.shape) != voxels {
            let (roi, array) = (roi.clone().into(), self.roi.clone().into());
            return Err(ArrayError::Outside { roi, array });
        }
        Ok(voxels)
    }

    /// The shape of a box with its channels, if so many elements can lie in memory.
    pub(crate) fn memory_shape<T>(
        &self,
        voxels: &VoxelBox,
        dtype: Dtype,
    ) -> Result<Vec<usize>, ArrayError> {
        let channels =
            self.channels.iter().map(|length| i64::try_from(*length).unwrap_or(i64::MAX));
        let shape: Vec<i64> = channels.chain(voxels.shape.iter().copied()).collect();
        let lengths: Option<Vec<usize>> =
            shape.iter().map(|length| usize::try_from(*length).ok()).collect();
        let fits = |lengths: &Vec<usize>| {
            // ndarray wants the product of all lengths but the zeros to fit an isize.
            let nonzero = lengths.iter().filter(|length| **length != 0);
            let count = nonzero.copied().try_fold(1, usize::checked_mul);
            count.is_some_and(|count| {
                isize::try_from(count).is_ok()
                    && (lengths.contains(&0) || Vec::<T>::new().try_reserve_exact(count).is_ok())
            })
        };
        lengths.filter(fits).ok_or(ArrayError::TooLarge { shape, dtype })
    }

    /// A box with its channels, as the Zarr library wants it. The box lies in the array.
    pub(crate) fn subset(&self, voxels: &VoxelBox) -> ArraySubset {
        let channels = self.channels.iter().map(|length| 0..*length);
        let spatial = voxels.begin.iter().zip(&voxels.shape).map(|(begin, length)| {
            let begin = begin.unsigned_abs();
            begin..begin + length.unsigned_abs()
        });
        let ranges: Vec<_> = channels.chain(spatial).collect();
        ArraySubset::new_with_ranges(&ranges)
    }
}

/// Lengths as a coordinate.
pub(crate) fn spatial_coordinate(lengths: &[u64]) -> Result<Coordinate, ArrayError> {
    let overflow = daisy_geometry::GeometryError::Overflow { op: "the shape of the array" };
    let lengths: Result<Vec<i64>, _> = lengths.iter().map(|l| i64::try_from(*l)).collect();
    Ok(lengths.map_err(|_| overflow)?.into())
}

/// A box of voxels, counted from the first voxel of the array, which may lie outside of the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VoxelBox {
    pub(crate) begin: Vec<i64>,
    /// Never negative.
    pub(crate) shape: Vec<i64>,
}

impl VoxelBox {
    pub(crate) fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The part of the box that lies in an array of this shape.
    pub(crate) fn clip(&self, array: &Coordinate) -> Self {
        let mut clipped = Self { begin: Vec::new(), shape: Vec::new() };
        for ((&begin, &length), limit) in self.begin.iter().zip(&self.shape).zip(array.iter()) {
            let low = begin.clamp(0, limit);
            let high = (begin + length).clamp(low, limit);
            clipped.begin.push(low);
            clipped.shape.push(high - low);
        }
        clipped
    }
}
