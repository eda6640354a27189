//! From ROIs in world units to boxes of voxels, exactly.

use daisy_geometry::{Coordinate, GeometryError, Roi, Snap};
use zarrs::array::ArraySubset;

use crate::{ArrayError, Axis, Dtype};

/// Where the voxels of an array, or of a part of it, lie in the world.
///
/// ```text
///   axis      |  0  |  1  |  2  |      shape 3 voxels of voxel_size 10
///   world    -5     5     15    25     offset -5, ROI [-5, 25)
/// ```
#[derive(Clone, Debug)]
pub(crate) struct VoxelGrid {
    /// All axes, in the order in which they are stored.
    pub(crate) axes: Vec<GridAxis>,
    pub(crate) voxel_size: Coordinate,
    /// Where voxel zero of the array begins.
    pub(crate) offset: Coordinate,
    /// The voxels that may be asked for, counted from voxel zero of the array.
    pub(crate) window: VoxelBox,
    /// The window in world units.
    pub(crate) roi: Roi,
}

/// What becomes of a stored axis in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GridAxis {
    /// It is the next axis of a ROI.
    World,
    /// It is there as a whole, with so many entries.
    Channel(u64),
    /// One entry of it was selected, and the axis is gone.
    Fixed(u64),
}

impl VoxelGrid {
    /// A grid whose ROI fits the world. `lengths` and `axes` have all axes, the others those of the
    /// world.
    pub(crate) fn new(
        lengths: &[u64],
        axes: &[Axis],
        voxel_size: Coordinate,
        offset: Coordinate,
    ) -> Result<Self, ArrayError> {
        let pairs = || lengths.iter().zip(axes);
        let world: Vec<u64> =
            pairs().filter(|(_, axis)| axis.kind.is_world()).map(|(length, _)| *length).collect();
        let axes = pairs().map(|(length, axis)| match axis.kind.is_world() {
            true => GridAxis::World,
            false => GridAxis::Channel(*length),
        });
        let shape = world_coordinate(&world)?;
        let roi = Roi::new(offset.clone(), shape.checked_mul(&voxel_size)?)?;
        let window = VoxelBox { begin: vec![0; shape.dims()], shape: shape.to_vec() };
        Ok(Self { axes: axes.collect(), voxel_size, offset, window, roi })
    }

    /// The lengths of the channels.
    pub(crate) fn channels(&self) -> Vec<u64> {
        let channel = |axis: &GridAxis| match axis {
            GridAxis::Channel(length) => Some(*length),
            _ => None,
        };
        self.axes.iter().filter_map(channel).collect()
    }

    /// Voxels per world axis.
    pub(crate) fn shape(&self) -> Coordinate {
        Coordinate::from(self.window.shape.clone())
    }

    /// The voxels of a ROI; they need not be voxels of the array.
    ///
    /// A ROI that is empty along an axis has zero voxels there; the canonical empty ROI has no
    /// voxels along any.
    pub(crate) fn voxels(&self, roi: &Roi) -> Result<VoxelBox, ArrayError> {
        let dims = self.voxel_size.dims();
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

    /// The voxels of a ROI that lies in the window; any empty ROI does.
    pub(crate) fn voxels_inside(&self, roi: &Roi) -> Result<VoxelBox, ArrayError> {
        let voxels = self.voxels(roi)?;
        if !voxels.is_empty() && voxels.clip(&self.window) != voxels {
            let (roi, array) = (roi.clone().into(), self.roi.clone().into());
            return Err(ArrayError::Outside { roi, array });
        }
        Ok(voxels)
    }

    /// The ROI on the voxel grid that a ROI becomes.
    pub(crate) fn snap(&self, roi: &Roi, snap: Snap) -> Result<Roi, ArrayError> {
        let (expected, found) = (self.voxel_size.dims(), roi.dims());
        if expected != found {
            return Err(ArrayError::Dims { expected, found });
        }
        let from_origin = roi.shift_back(&self.offset)?;
        let snapped = from_origin.snap_to_grid(&self.voxel_size, snap)?;
        Ok(snapped.shift(&self.offset)?)
    }

    /// The shape of a box in memory, with its channels, if so many elements can lie there.
    pub(crate) fn memory_shape<T>(
        &self,
        voxels: &VoxelBox,
        dtype: Dtype,
    ) -> Result<Vec<usize>, ArrayError> {
        let mut world = voxels.shape.iter().copied();
        let length = |axis: &GridAxis| match axis {
            GridAxis::World => world.next(),
            GridAxis::Channel(length) => Some(i64::try_from(*length).unwrap_or(i64::MAX)),
            GridAxis::Fixed(_) => None,
        };
        let shape: Vec<i64> = self.axes.iter().filter_map(length).collect();
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

    /// A box with all its axes, as the Zarr library wants it. The box lies in the array.
    pub(crate) fn subset(&self, voxels: &VoxelBox) -> ArraySubset {
        let mut world = voxels.begin.iter().zip(&voxels.shape);
        let range = |axis: &GridAxis| match axis {
            GridAxis::World => world.next().map_or(0..0, |(begin, length)| {
                let begin = begin.unsigned_abs();
                begin..begin + length.unsigned_abs()
            }),
            GridAxis::Channel(length) => 0..*length,
            GridAxis::Fixed(index) => *index..*index + 1,
        };
        let ranges: Vec<_> = self.axes.iter().map(range).collect();
        ArraySubset::new_with_ranges(&ranges)
    }

    /// The stored axes that are there in memory.
    pub(crate) fn kept_axes(&self) -> impl Iterator<Item = &GridAxis> {
        self.axes.iter().filter(|axis| !matches!(axis, GridAxis::Fixed(_)))
    }

    /// The same, to be changed.
    pub(crate) fn kept_axes_mut(&mut self) -> impl Iterator<Item = &mut GridAxis> {
        self.axes.iter_mut().filter(|axis| !matches!(axis, GridAxis::Fixed(_)))
    }

    /// Forgets where voxels lie along a world axis.
    pub(crate) fn remove_world_axis(&mut self, axis: usize) -> Result<(), ArrayError> {
        self.voxel_size = self.voxel_size.squeeze(axis)?;
        self.offset = self.offset.squeeze(axis)?;
        self.roi = self.roi.squeeze(axis)?;
        self.window.begin.remove(axis);
        self.window.shape.remove(axis);
        Ok(())
    }

    /// For each axis in memory, which world axis it is; none for channels.
    pub(crate) fn memory_axes(&self) -> Vec<Option<usize>> {
        let mut world = 0..;
        let axis = |axis: &GridAxis| match axis {
            GridAxis::World => Some(world.next()),
            GridAxis::Channel(_) => Some(None),
            GridAxis::Fixed(_) => None,
        };
        self.axes.iter().filter_map(axis).collect()
    }
}

/// Lengths as a coordinate.
pub(crate) fn world_coordinate(lengths: &[u64]) -> Result<Coordinate, ArrayError> {
    let overflow = GeometryError::Overflow { op: "the shape of the array" };
    let lengths: Result<Vec<i64>, _> = lengths.iter().map(|l| i64::try_from(*l)).collect();
    Ok(lengths.map_err(|_| overflow)?.into())
}

/// A box of voxels, counted from voxel zero of the array, which may lie outside of the array.
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

    /// The part of the box that lies in another one.
    pub(crate) fn clip(&self, window: &Self) -> Self {
        let mut clipped = Self { begin: Vec::new(), shape: Vec::new() };
        let limits = window.begin.iter().zip(&window.shape);
        for ((&begin, &length), (&first, &count)) in self.begin.iter().zip(&self.shape).zip(limits)
        {
            let low = begin.clamp(first, first + count);
            let high = (begin + length).clamp(low, first + count);
            clipped.begin.push(low);
            clipped.shape.push(high - low);
        }
        clipped
    }
}
