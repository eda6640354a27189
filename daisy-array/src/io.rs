//! Reading and writing of ROIs: the calls, and what they have in common with views.

use daisy_geometry::{Roi, Snap};
use ndarray::{ArrayD, ArrayView, ArrayViewD, ArrayViewMutD, Dimension, Slice};
use zarrs::array::{ArraySubset, CodecOptions};

use crate::voxels::{VoxelBox, VoxelGrid};
use crate::{Array, ArrayError, ChunkSharing, Element, Source};

/// What a read that may move the bounds of a ROI has read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapped<T> {
    /// The ROI that was read.
    pub roi: Roi,
    /// Whether that is another one than was asked for.
    pub has_moved: bool,
    /// Its voxels.
    pub voxels: ArrayD<T>,
}

/// Reading.
impl Array {
    /// Reads exactly the voxels of a ROI, channels first. Voxels of chunks that were never written
    /// hold the fill value.
    ///
    /// An empty ROI gives an array without elements, wherever it lies. Cost: every chunk that the
    /// ROI meets is read and decoded.
    ///
    /// ```
    /// # use daisy_array::{Array, ArrayError, ArraySpec, Dtype, IfExists};
    /// # use daisy_geometry::Roi;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let spec = ArraySpec::new([10, 10], Dtype::U8).voxel_size([4, 4]).offset([-8, 0]);
    /// # let array = Array::create(folder.path().join("a.zarr"), &spec, IfExists::Error)?;
    /// // 10 x 10 voxels of 4 units that begin at (-8, 0).
    /// assert_eq!(array.read::<u8>(&Roi::new([-8, 4], [12, 8])?)?.shape(), [3, 2]);
    /// let cuts = array.read::<u8>(&Roi::new([-8, 4], [12, 9])?);
    /// assert!(matches!(cuts, Err(ArrayError::Misaligned { axis: 1, .. })));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`DtypeMismatch`](ArrayError::DtypeMismatch): the array does not hold `T`.
    /// - [`Dims`](ArrayError::Dims), [`Unbounded`](ArrayError::Unbounded),
    ///   [`Misaligned`](ArrayError::Misaligned), [`Outside`](ArrayError::Outside): the ROI.
    /// - [`TooLarge`](ArrayError::TooLarge): the result does not fit into memory.
    /// - [`Read`](ArrayError::Read): the file system, or a broken chunk.
    pub fn read<T: Element>(&self, roi: &Roi) -> Result<ArrayD<T>, ArrayError> {
        self.read_in(&self.grid, roi)
    }

    /// Reads the voxels of a ROI that may reach beyond the array, or lie outside of it; what lies
    /// outside is `fill`.
    ///
    /// This is not the fill value of the array: that is what [`read`](Self::read) gives *inside*
    /// the array, where nothing was written.
    ///
    /// # Errors
    /// Those of [`read`](Self::read) but for [`Outside`](ArrayError::Outside).
    pub fn read_or_fill<T: Element>(&self, roi: &Roi, fill: T) -> Result<ArrayD<T>, ArrayError> {
        self.read_or_fill_in(&self.grid, roi, fill)
    }

    /// Reads the voxels of a ROI after moving its bounds to borders of voxels, and says which ROI
    /// that was.
    ///
    /// ```
    /// # use daisy_array::{Array, ArrayError, ArraySpec, Dtype, IfExists, MemoryStore};
    /// # use daisy_geometry::{Roi, Snap};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let spec = ArraySpec::new([10], Dtype::U8).voxel_size([4]).offset([-2]);
    /// let array = Array::create(MemoryStore::new().at("a"), &spec, IfExists::Error)?;
    /// let snapped = array.read_snapped::<u8>(&Roi::new([0], [10])?, Snap::Grow)?;
    /// assert_eq!(snapped.roi, Roi::new([-2], [12])?);
    /// assert!(snapped.has_moved);
    /// assert_eq!(snapped.voxels.shape(), [3]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`read`](Self::read) but for [`Misaligned`](ArrayError::Misaligned).
    pub fn read_snapped<T: Element>(
        &self,
        roi: &Roi,
        snap: Snap,
    ) -> Result<Snapped<T>, ArrayError> {
        let snapped = self.snap(roi, snap)?;
        let voxels = self.read(&snapped)?;
        Ok(Snapped { has_moved: snapped != *roi, roi: snapped, voxels })
    }
}

/// Writing.
impl Array {
    /// Writes the voxels of a ROI, which lies in the array. The data have its shape in voxels,
    /// channels first.
    ///
    /// Each chunk is replaced as a whole or not at all, chunk after chunk: after an error, or the
    /// death of the writer, some chunks may be new and others old. Writing the same again repairs
    /// that.
    ///
    /// Data without axes are one value for all voxels, as [`fill`](Self::fill) takes it.
    ///
    /// Concurrent writes to different chunks never disturb each other. Of a chunk that the ROI
    /// covers in part, the rest is read and written back, so two concurrent writes to one chunk
    /// lose one of them unless both lock it ([`ChunkSharing::Lock`]); chunks at the high end of the
    /// array count as covered in part. Where chunks are collected in shards, all of this is so of
    /// shards. A chunk that holds nothing but the fill value is not stored, and removed if it was.
    ///
    /// ```
    /// # use daisy_array::{Array, ArrayError, ArraySpec, Dtype, IfExists};
    /// # use daisy_geometry::Roi;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let spec = ArraySpec::new([10, 10], Dtype::U8).voxel_size([4, 4]).offset([-8, 0]);
    /// # let array = Array::create(folder.path().join("a.zarr"), &spec, IfExists::Error)?;
    /// let roi = Roi::new([-8, 4], [8, 12])?; // 2 x 3 voxels
    /// let ramp = ndarray::array![[1u8, 2, 3], [4, 5, 6]];
    /// array.write(&roi, ramp.view())?;
    /// assert_eq!(array.read::<u8>(&roi)?, ramp.into_dyn());
    ///
    /// let wide = ndarray::array![[1u16, 2, 3], [4, 5, 6]];
    /// let error = array.write(&roi, wide.view()).unwrap_err();
    /// assert!(matches!(error, ArrayError::DtypeMismatch { expected: Dtype::U8, .. }));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`DtypeMismatch`](ArrayError::DtypeMismatch), [`Shape`](ArrayError::Shape): the data.
    /// - [`Dims`](ArrayError::Dims), [`Unbounded`](ArrayError::Unbounded),
    ///   [`Misaligned`](ArrayError::Misaligned), [`Outside`](ArrayError::Outside): the ROI.
    /// - [`ReadOnly`](ArrayError::ReadOnly): an array that can only be read.
    /// - [`Write`](ArrayError::Write): the file system, or a broken chunk that is covered in part.
    pub fn write<T: Element, D: Dimension>(
        &self,
        roi: &Roi,
        voxels: ArrayView<'_, T, D>,
    ) -> Result<(), ArrayError> {
        self.write_in(&self.grid, roi, voxels.into_dyn())
    }

    /// Writes the voxels of a ROI after moving its bounds to borders of voxels, and says which ROI
    /// that was. The data must have the shape of the ROI that is written, which
    /// [`snap`](Self::snap) tells beforehand.
    ///
    /// # Errors
    /// Those of [`write`](Self::write) but for [`Misaligned`](ArrayError::Misaligned).
    pub fn write_snapped<T: Element, D: Dimension>(
        &self,
        roi: &Roi,
        snap: Snap,
        voxels: ArrayView<'_, T, D>,
    ) -> Result<Roi, ArrayError> {
        let snapped = self.snap(roi, snap)?;
        self.write(&snapped, voxels)?;
        Ok(snapped)
    }

    /// Sets all voxels of a ROI, which lies in the array, to one value, in all channels.
    ///
    /// Needs the memory of one chunk, however large the ROI. Otherwise like
    /// [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`write`](Self::write) but for [`Shape`](ArrayError::Shape).
    pub fn fill<T: Element>(&self, roi: &Roi, value: T) -> Result<(), ArrayError> {
        self.fill_in(&self.grid, roi, value)
    }
}

/// What arrays and views have in common. A grid says which voxels of the array are meant.
impl Array {
    pub(crate) fn read_in<T: Element>(
        &self,
        grid: &VoxelGrid,
        roi: &Roi,
    ) -> Result<ArrayD<T>, ArrayError> {
        self.check_dtype::<T>()?;
        let voxels = grid.voxels_inside(roi)?;
        self.read_voxels(grid, &voxels, roi)
    }

    pub(crate) fn read_or_fill_in<T: Element>(
        &self,
        grid: &VoxelGrid,
        roi: &Roi,
        fill: T,
    ) -> Result<ArrayD<T>, ArrayError> {
        self.check_dtype::<T>()?;
        self.assemble(grid, roi, fill, |inside| self.read_in(grid, inside))
    }

    /// Reads what lies in the grid, and surrounds it with `fill`.
    pub(crate) fn assemble<T: Element>(
        &self,
        grid: &VoxelGrid,
        roi: &Roi,
        fill: T,
        read: impl Fn(&Roi) -> Result<ArrayD<T>, ArrayError>,
    ) -> Result<ArrayD<T>, ArrayError> {
        let voxels = grid.voxels(roi)?;
        let inside = voxels.clip(&grid.window);
        if inside == voxels {
            return read(roi);
        }
        let shape = grid.memory_shape::<T>(&voxels, T::DTYPE)?;
        let mut result = ArrayD::from_elem(shape, fill);
        if !inside.is_empty() {
            let part = read(&roi.intersect(&grid.roi)?)?;
            part_mut(grid, &mut result, &voxels, &inside).assign(&part);
        }
        Ok(result)
    }

    /// Reads a box that lies in the array.
    fn read_voxels<T: Element>(
        &self,
        grid: &VoxelGrid,
        voxels: &VoxelBox,
        roi: &Roi,
    ) -> Result<ArrayD<T>, ArrayError> {
        let shape = grid.memory_shape::<T>(voxels, self.dtype())?;
        let failed = |source: Source| ArrayError::Read {
            path: self.path().to_path_buf(),
            roi: roi.clone().into(),
            source,
        };
        let elements: Vec<T> = match shape.contains(&0) {
            true => Vec::new(),
            false => self
                .voxels()
                .retrieve_array_subset_opt(&grid.subset(voxels), &one_thread())
                .map_err(|error| failed(error.into()))?,
        };
        ArrayD::from_shape_vec(shape, elements).map_err(|error| failed(error.into()))
    }

    pub(crate) fn write_in<T: Element>(
        &self,
        grid: &VoxelGrid,
        roi: &Roi,
        voxels: ArrayViewD<'_, T>,
    ) -> Result<(), ArrayError> {
        self.check_dtype::<T>()?;
        if self.is_read_only() {
            return Err(ArrayError::ReadOnly { path: self.path().to_path_buf() });
        }
        let target = grid.voxels_inside(roi)?;
        let expected = grid.memory_shape::<T>(&target, self.dtype())?;
        if let (0, Some(value)) = (voxels.ndim(), voxels.first()) {
            return self.fill_in(grid, roi, *value);
        }
        if voxels.shape() != expected {
            return Err(ArrayError::Shape { expected, found: voxels.shape().to_vec() });
        }
        if voxels.is_empty() {
            return Ok(());
        }
        let standard = voxels.as_standard_layout();
        let elements = standard.as_slice().unwrap_or_default();
        let subset = grid.subset(&target);
        let result = match self.sharing {
            ChunkSharing::Lock => self.store_locked(&subset, elements),
            _ => self.store(&subset, elements),
        };
        result.map_err(|error| self.failed(roi, error))
    }

    pub(crate) fn fill_in<T: Element>(
        &self,
        grid: &VoxelGrid,
        roi: &Roi,
        value: T,
    ) -> Result<(), ArrayError> {
        self.check_dtype::<T>()?;
        if self.is_read_only() {
            return Err(ArrayError::ReadOnly { path: self.path().to_path_buf() });
        }
        let target = grid.voxels_inside(roi)?;
        if target.is_empty() || grid.channels().contains(&0) {
            return Ok(());
        }
        let mut elements = Vec::new();
        let fill = |part: &ArraySubset| {
            elements.resize(part.num_elements_usize(), value);
            self.store(part, &elements)
        };
        self.each_chunk(&grid.subset(&target), fill).map_err(|error| self.failed(roi, error))
    }

    /// Writes the elements of a box in the array, each chunk under its lock.
    fn store_locked<T: Element>(&self, subset: &ArraySubset, elements: &[T]) -> Result<(), Source> {
        // The elements are in memory, so the lengths fit.
        let shape: Vec<usize> = subset.shape().iter().map(|length| *length as usize).collect();
        let voxels = ArrayViewD::from_shape(shape, elements)?;
        let start = subset.start();
        self.each_chunk(subset, |part| {
            let ranges = part.to_ranges();
            let part_of = voxels.slice_each_axis(|axis| {
                let axis = axis.axis.index();
                let begin = (ranges[axis].start - start[axis]) as isize;
                let length = (ranges[axis].end - ranges[axis].start) as isize;
                Slice::from(begin..begin + length)
            });
            let standard = part_of.as_standard_layout();
            self.store(part, standard.as_slice().unwrap_or_default())
        })
    }

    /// Calls for the part of each chunk that a box in the array covers, under the lock of the chunk
    /// if chunks are locked. One lock at a time, so no two writers wait for each other.
    fn each_chunk(
        &self,
        subset: &ArraySubset,
        mut write: impl FnMut(&ArraySubset) -> Result<(), Source>,
    ) -> Result<(), Source> {
        let chunks = self.inner.chunks_in_array_subset(subset)?;
        let store = self.inner.storage();
        for chunk in chunks.iter().flat_map(ArraySubset::indices) {
            let _lock = match self.sharing {
                ChunkSharing::Lock => Some(store.lock(&self.inner.chunk_key(&chunk))?),
                _ => None,
            };
            write(&subset.overlap(&self.inner.chunk_subset(&chunk)?)?)?;
        }
        Ok(())
    }

    /// Writes the elements of a box in the array.
    fn store<T: Element>(&self, subset: &ArraySubset, elements: &[T]) -> Result<(), Source> {
        let bytes = T::to_array_bytes(self.inner.data_type(), elements)?;
        Ok(self.voxels().store_array_subset_opt(subset, bytes, &one_thread())?)
    }

    fn failed(&self, roi: &Roi, source: Source) -> ArrayError {
        ArrayError::Write { path: self.path().to_path_buf(), roi: roi.clone().into(), source }
    }

    fn check_dtype<T: Element>(&self) -> Result<(), ArrayError> {
        if T::DTYPE == self.dtype() {
            return Ok(());
        }
        let path = self.path().to_path_buf();
        Err(ArrayError::DtypeMismatch { path, expected: self.dtype(), found: T::DTYPE })
    }
}

/// The part of `whole` (the voxels of a box) that shows the voxels of another box within it.
fn part_mut<'a, T>(
    grid: &VoxelGrid,
    whole: &'a mut ArrayD<T>,
    voxels: &VoxelBox,
    part: &VoxelBox,
) -> ArrayViewMutD<'a, T> {
    let axes = grid.memory_axes();
    whole.slice_each_axis_mut(|axis| match axes[axis.axis.index()] {
        None => Slice::from(..),
        Some(axis) => {
            // Lengths in memory fit, the part lies in the whole.
            let begin = (part.begin[axis] - voxels.begin[axis]) as isize;
            Slice::from(begin..begin + part.shape[axis] as isize)
        }
    })
}

/// Decodes and encodes in the thread that asks: block-wise runs have one per worker already. (The
/// calls of the Zarr library without options use all cores, whatever the options of its array.)
fn one_thread() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1).with_chunk_concurrent_minimum(1)
}
