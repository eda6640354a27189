//! [`Array`]: opening, looking at, reading and writing.

use std::fmt;
use std::path::{Path, PathBuf};

use daisy_geometry::{Coordinate, Roi};
use ndarray::{ArrayD, ArrayView, ArrayViewMutD, Dimension, Slice};
use zarrs::array::{ArrayMetadata, ArraySubset, CodecOptions};

use crate::attributes::Attributes;
use crate::create::why_not_open;
use crate::store::AtomicStore;
use crate::voxels::{VoxelBox, VoxelGrid, spatial_coordinate};
use crate::{ArrayError, Dtype, Durability, Element, Scalar, Source, ZarrVersion};

/// A Zarr array on local disk whose voxels have a place in the world.
///
/// ROIs are in world units, half-open, one entry per spatial axis. Data have the channels first,
/// then the spatial axes, last axis fastest. An `Array` can be shared between threads; see the
/// [crate documentation](crate) for what concurrent writers may do.
pub struct Array {
    path: PathBuf,
    inner: zarrs::array::Array<AtomicStore>,
    dtype: Dtype,
    fill_value: Scalar,
    grid: VoxelGrid,
    chunk_shape: Coordinate,
    chunk_shape_world: Coordinate,
    axis_names: Vec<String>,
    units: Vec<String>,
}

/// Opening.
impl Array {
    /// Opens the Zarr v2 or v3 array in a folder, for reading and writing. Nothing is written.
    ///
    /// Where voxels lie is read from the attributes `voxel_size` (or `resolution`), `offset`,
    /// `axis_names`, `units` and `types`; without them a voxel is one world unit and the array
    /// begins at zero. If `voxel_size` or `offset` is shorter than the shape, the leading axes are
    /// channels.
    ///
    /// # Errors
    /// - [`NotFound`](ArrayError::NotFound), [`NotAnArray`](ArrayError::NotAnArray).
    /// - [`Metadata`](ArrayError::Metadata) and
    ///   [`UnsupportedDtype`](ArrayError::UnsupportedDtype) for arrays that this crate cannot
    ///   read.
    /// - [`Attribute`](ArrayError::Attribute) and [`Geometry`](ArrayError::Geometry) for
    ///   attributes that contradict each other or the shape.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ArrayError> {
        let path = path.as_ref();
        let store = AtomicStore::new(path, Durability::default());
        match zarrs::array::Array::open(store.into(), "/") {
            Ok(inner) => Self::new(path, inner),
            Err(error) => Err(why_not_open(path, error)),
        }
    }

    /// Looks at an array that is open.
    pub(crate) fn new(
        path: &Path,
        inner: zarrs::array::Array<AtomicStore>,
    ) -> Result<Self, ArrayError> {
        let names = match inner.metadata() {
            ArrayMetadata::V2(_) => None,
            ArrayMetadata::V3(v3) => v3.dimension_names.as_deref(),
        };
        let axes = inner.dimensionality();
        let attributes =
            Attributes::read(inner.attributes(), axes, names).map_err(|(key, problem)| {
                ArrayError::Attribute { path: path.to_path_buf(), key, problem }
            })?;
        let dtype = Dtype::of(inner.data_type());
        let fill_value = dtype
            .and_then(|dtype| dtype.scalar(inner.fill_value().as_ne_bytes()))
            .ok_or_else(|| {
                let found = dtype_name(inner.metadata());
                ArrayError::UnsupportedDtype { path: path.to_path_buf(), found }
            })?;
        let Attributes { voxel_size, offset, axis_names, units } = attributes;
        let grid = VoxelGrid::new(inner.shape(), voxel_size, offset)?;
        let chunk_shape = chunk_shape(&inner, grid.channels.len())
            .map_err(|source| ArrayError::Metadata { path: path.to_path_buf(), source })?;
        let chunk_shape_world = chunk_shape.checked_mul(&grid.voxel_size)?;
        let path = path.to_path_buf();
        Ok(Self {
            path,
            inner,
            dtype: fill_value.dtype(),
            fill_value,
            grid,
            chunk_shape,
            chunk_shape_world,
            axis_names,
            units,
        })
    }

    /// The same array with another durability of its writes; [`Durability::Process`] by default.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        let store = AtomicStore::new(&self.path, durability);
        self.inner = self.inner.with_storage(store.into());
        self
    }
}

/// What is known without reading voxels.
impl Array {
    /// The folder of the array.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version of its Zarr format.
    #[must_use]
    pub fn version(&self) -> ZarrVersion {
        match self.inner.metadata() {
            ArrayMetadata::V2(_) => ZarrVersion::V2,
            ArrayMetadata::V3(_) => ZarrVersion::V3,
        }
    }

    /// The type of its voxels.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// What voxels hold that were never written.
    #[must_use]
    pub fn fill_value(&self) -> Scalar {
        self.fill_value
    }

    /// The lengths of the channel axes, which come before the spatial ones; mostly none.
    #[must_use]
    pub fn channels(&self) -> &[u64] {
        &self.grid.channels
    }

    /// Voxels per spatial axis.
    #[must_use]
    pub fn shape(&self) -> &Coordinate {
        &self.grid.shape
    }

    /// Voxels per chunk and spatial axis: what is written as a whole. That is the shard where
    /// chunks are collected in shards.
    #[must_use]
    pub fn chunk_shape(&self) -> &Coordinate {
        &self.chunk_shape
    }

    /// World units per chunk and axis. Chunks begin at [`offset`](Self::offset) and every so many
    /// units from there.
    #[must_use]
    pub fn chunk_shape_world(&self) -> &Coordinate {
        &self.chunk_shape_world
    }

    /// World units per voxel.
    #[must_use]
    pub fn voxel_size(&self) -> &Coordinate {
        &self.grid.voxel_size
    }

    /// Where the first voxel begins, in world units.
    #[must_use]
    pub fn offset(&self) -> &Coordinate {
        &self.grid.offset
    }

    /// The part of the world that has voxels: from [`offset`](Self::offset),
    /// [`shape`](Self::shape) times [`voxel_size`](Self::voxel_size).
    #[must_use]
    pub fn roi(&self) -> &Roi {
        &self.grid.roi
    }

    /// The name of each spatial axis.
    #[must_use]
    pub fn axis_names(&self) -> &[String] {
        &self.axis_names
    }

    /// The world unit of each spatial axis; empty if it is not known.
    #[must_use]
    pub fn units(&self) -> &[String] {
        &self.units
    }

    /// What writes outlive.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.inner.storage().durability()
    }
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
        self.check_dtype::<T>()?;
        let voxels = self.grid.voxels_inside(roi)?;
        self.read_voxels(&voxels, roi)
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
        self.check_dtype::<T>()?;
        let voxels = self.grid.voxels(roi)?;
        let inside = voxels.clip(&self.grid.shape);
        if inside == voxels {
            return self.read_voxels(&voxels, roi);
        }
        let shape = self.grid.memory_shape::<T>(&voxels, self.dtype)?;
        let mut result = ArrayD::from_elem(shape, fill);
        if !inside.is_empty() {
            let part = self.read_voxels(&inside, roi)?;
            self.part_mut(&mut result, &voxels, &inside).assign(&part);
        }
        Ok(result)
    }

    /// Reads a box that lies in the array.
    fn read_voxels<T: Element>(
        &self,
        voxels: &VoxelBox,
        roi: &Roi,
    ) -> Result<ArrayD<T>, ArrayError> {
        let shape = self.grid.memory_shape::<T>(voxels, self.dtype)?;
        let failed =
            |source| ArrayError::Read { path: self.path.clone(), roi: roi.clone().into(), source };
        if shape.contains(&0) {
            return ArrayD::from_shape_vec(shape, Vec::new()).map_err(|error| failed(error.into()));
        }
        let subset = self.grid.subset(voxels);
        self.inner
            .retrieve_array_subset_opt(&subset, &one_thread())
            .map_err(|error| failed(error.into()))
    }

    /// The part of `whole` (the voxels of a box) that shows the voxels of another box within it.
    fn part_mut<'a, T>(
        &self,
        whole: &'a mut ArrayD<T>,
        voxels: &VoxelBox,
        part: &VoxelBox,
    ) -> ArrayViewMutD<'a, T> {
        let channels = self.grid.channels.len();
        whole.slice_each_axis_mut(|axis| match axis.axis.index().checked_sub(channels) {
            None => Slice::from(..),
            Some(axis) => {
                // Lengths in memory fit, the part lies in the whole.
                let begin = (part.begin[axis] - voxels.begin[axis]) as isize;
                Slice::from(begin..begin + part.shape[axis] as isize)
            }
        })
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
    /// Concurrent writes to different chunks never disturb each other. Of a chunk that the ROI
    /// covers in part, the rest is read and written back, so two concurrent writes to one chunk
    /// lose one of them; chunks at the high end of the array count as covered in part. A chunk
    /// that holds nothing but the fill value is not stored, and removed if it was.
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
    /// - [`Write`](ArrayError::Write): the file system, or a broken chunk that is covered in part.
    pub fn write<T: Element, D: Dimension>(
        &self,
        roi: &Roi,
        voxels: ArrayView<'_, T, D>,
    ) -> Result<(), ArrayError> {
        self.check_dtype::<T>()?;
        let target = self.grid.voxels_inside(roi)?;
        let expected = self.grid.memory_shape::<T>(&target, self.dtype)?;
        if voxels.shape() != expected {
            return Err(ArrayError::Shape { expected, found: voxels.shape().to_vec() });
        }
        if voxels.is_empty() {
            return Ok(());
        }
        let standard = voxels.as_standard_layout();
        let elements = standard.as_slice().unwrap_or_default();
        self.store(&self.grid.subset(&target), elements).map_err(|error| self.failed(roi, error))
    }

    /// Sets all voxels of a ROI, which lies in the array, to one value, in all channels.
    ///
    /// Needs the memory of one chunk, however large the ROI. Otherwise like
    /// [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`write`](Self::write) but for [`Shape`](ArrayError::Shape).
    pub fn fill<T: Element>(&self, roi: &Roi, value: T) -> Result<(), ArrayError> {
        self.check_dtype::<T>()?;
        let target = self.grid.voxels_inside(roi)?;
        if target.is_empty() || self.grid.channels.contains(&0) {
            return Ok(());
        }
        let failed = |error: Source| self.failed(roi, error);
        let subset = self.grid.subset(&target);
        let chunks = self.inner.chunks_in_array_subset(&subset).map_err(|e| failed(e.into()))?;
        let mut elements = Vec::new();
        for chunk in chunks.iter().flat_map(ArraySubset::indices) {
            let chunk = self.inner.chunk_subset(&chunk).map_err(|e| failed(e.into()))?;
            let part = subset.overlap(&chunk).map_err(|e| failed(e.into()))?;
            elements.resize(part.num_elements_usize(), value);
            self.store(&part, &elements).map_err(failed)?;
        }
        Ok(())
    }

    /// Writes the elements of a box in the array.
    fn store<T: Element>(&self, subset: &ArraySubset, elements: &[T]) -> Result<(), Source> {
        let bytes = T::to_array_bytes(self.inner.data_type(), elements)?;
        Ok(self.inner.store_array_subset_opt(subset, bytes, &one_thread())?)
    }

    fn failed(&self, roi: &Roi, source: Source) -> ArrayError {
        ArrayError::Write { path: self.path.clone(), roi: roi.clone().into(), source }
    }

    fn check_dtype<T: Element>(&self) -> Result<(), ArrayError> {
        if T::DTYPE == self.dtype {
            return Ok(());
        }
        let path = self.path.clone();
        Err(ArrayError::DtypeMismatch { path, expected: self.dtype, found: T::DTYPE })
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Array")
            .field("path", &self.path)
            .field("dtype", &self.dtype)
            .field("channels", &self.grid.channels)
            .field("shape", &self.grid.shape)
            .field("voxel_size", &self.grid.voxel_size)
            .field("roi", &self.grid.roi)
            .field("chunk_shape", &self.chunk_shape)
            .finish_non_exhaustive()
    }
}

/// Decodes and encodes in the thread that asks: block-wise runs have one per worker already. (The
/// calls of the Zarr library without options use all cores, whatever the options of its array.)
fn one_thread() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1).with_chunk_concurrent_minimum(1)
}

/// The shape of the chunks without their channels, if all chunks have one.
fn chunk_shape(
    inner: &zarrs::array::Array<AtomicStore>,
    channels: usize,
) -> Result<Coordinate, Source> {
    if let ArrayMetadata::V3(v3) = inner.metadata()
        && v3.chunk_grid.name() != "regular"
    {
        let name = v3.chunk_grid.name();
        return Err(format!("the chunk grid is {name}, and must be regular").into());
    }
    let chunk_shape = inner.chunk_shape(&vec![0; inner.dimensionality()])?;
    let spatial: Vec<u64> = chunk_shape.iter().skip(channels).map(|length| length.get()).collect();
    Ok(spatial_coordinate(&spatial)?)
}

/// A data type as the metadata name it.
fn dtype_name(metadata: &ArrayMetadata) -> String {
    match metadata {
        ArrayMetadata::V2(v2) => v2.dtype.to_string(),
        ArrayMetadata::V3(v3) => v3.data_type.name().to_owned(),
    }
}
