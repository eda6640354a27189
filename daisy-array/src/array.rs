//! [`Array`]: opening, and what is known without reading voxels.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use daisy_geometry::{Coordinate, Roi, Snap};
use serde_json::{Map, Value};
use zarrs::array::{ArrayMetadata, ArrayShardedExt, ChunkShape};

use crate::attributes::Attributes;
use crate::bounded;
#[cfg(feature = "remote")]
use crate::create::is_failure;
use crate::create::why_not_open;
use crate::store::Store;
use crate::voxels::{VoxelGrid, world_coordinate};
use crate::{
    ArrayError, ArrayId, Axis, AxisKind, ChunkSharing, Dtype, Durability, Location, MetadataKeys,
    Scalar, Source, ZarrVersion,
};

/// A Zarr array whose voxels have a place in the world.
///
/// ROIs are in world units, half-open, one entry per world axis (space and time). Data have all
/// axes in the order in which they are stored, mostly channels first, last axis fastest. An `Array`
/// can be shared between threads; see the [crate documentation](crate) for what concurrent writers
/// may do.
pub struct Array {
    path: PathBuf,
    pub(crate) inner: zarrs::array::Array<Store>,
    /// The same array for what its chunks hold, where that takes another: see [`Array::voxels`].
    bounded: Option<zarrs::array::Array<Store>>,
    dtype: Dtype,
    fill_value: Scalar,
    pub(crate) grid: VoxelGrid,
    axes: Vec<Axis>,
    axis_names: Vec<String>,
    units: Vec<String>,
    chunks: Chunks,
    pub(crate) sharing: ChunkSharing,
}

/// The shapes of chunks and shards along the world axes.
#[derive(Clone, Debug)]
struct Chunks {
    shape: Coordinate,
    channels: Vec<u64>,
    array: Coordinate,
    chunk: Coordinate,
    shard: Option<Coordinate>,
    unit_world: Coordinate,
}

/// How an array is opened; [`Array::open`] does it by default.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct OpenOptions {
    keys: MetadataKeys,
}

impl OpenOptions {
    /// Under which keys the attributes say where voxels lie.
    pub fn keys(mut self, keys: MetadataKeys) -> Self {
        self.keys = keys;
        self
    }
}

/// Opening.
impl Array {
    /// Opens the Zarr v2 or v3 array at a path, or in a store, for reading and writing. Nothing is
    /// written.
    ///
    /// Where voxels lie is read from the attributes `voxel_size` (or `resolution`), `offset`,
    /// `axis_names`, `units` and `types`; without them a voxel is one world unit and the array
    /// begins at zero. If `voxel_size` or `offset` is shorter than the shape, the leading axes are
    /// channels.
    ///
    /// With the feature `n5`, N5 arrays can be opened too, for reading. Their axes and the lists in
    /// their attributes are reversed, so that the last axis is the fastest as everywhere;
    /// `pixelResolution` is understood.
    ///
    /// # Errors
    /// - [`NotFound`](ArrayError::NotFound), [`NotAnArray`](ArrayError::NotAnArray).
    /// - [`Metadata`](ArrayError::Metadata) and
    ///   [`UnsupportedDtype`](ArrayError::UnsupportedDtype) for arrays that this crate cannot
    ///   read.
    /// - [`Attribute`](ArrayError::Attribute) and [`Geometry`](ArrayError::Geometry) for
    ///   attributes that contradict each other or the shape.
    /// - [`Io`](ArrayError::Io) and [`Remote`](ArrayError::Remote) for what cannot be read at all.
    pub fn open(location: impl Into<Location>) -> Result<Self, ArrayError> {
        Self::open_with(location, &OpenOptions::default())
    }

    /// Opens an array whose attributes have other keys; see [`MetadataKeys`] for an example.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_with(
        location: impl Into<Location>,
        options: &OpenOptions,
    ) -> Result<Self, ArrayError> {
        let store = location.into().into_store();
        bounded::register();
        let error = match zarrs::array::Array::open(Arc::new(store.clone()), "/") {
            Ok(inner) => return Self::new(inner, &options.keys),
            Err(error) => error,
        };
        // Whoever does not answer is not asked again and again.
        #[cfg(feature = "remote")]
        if let Store::Remote(folder) = &store
            && is_failure(&error)
        {
            return Err(folder.unreachable(error.into()));
        }
        let Some(store) = store.in_other_format()? else {
            return Err(why_not_open(&store, error));
        };
        match zarrs::array::Array::open(Arc::new(store.clone()), "/") {
            Ok(inner) => Self::new(inner, &options.keys),
            Err(error) => Err(ArrayError::Metadata { path: store.path(), source: error.into() }),
        }
    }

    /// Looks at an array that is open.
    pub(crate) fn new(
        inner: zarrs::array::Array<Store>,
        keys: &MetadataKeys,
    ) -> Result<Self, ArrayError> {
        let path = inner.storage().path();
        let names = match inner.metadata() {
            ArrayMetadata::V2(_) => None,
            ArrayMetadata::V3(v3) => v3.dimension_names.as_deref(),
        };
        let attributes = Attributes::read(inner.attributes(), keys, inner.dimensionality(), names)
            .map_err(|(key, problem)| ArrayError::Attribute { path: path.clone(), key, problem })?;
        Self::with_attributes(inner, attributes)
    }

    /// An array whose attributes are known.
    pub(crate) fn with_attributes(
        inner: zarrs::array::Array<Store>,
        attributes: Attributes,
    ) -> Result<Self, ArrayError> {
        let path = inner.storage().path();
        let fill_value = Dtype::of(inner.data_type())
            .and_then(|dtype| dtype.scalar(inner.fill_value().as_ne_bytes()))
            .ok_or_else(|| {
                let found = dtype_name(inner.metadata());
                ArrayError::UnsupportedDtype { path: path.clone(), found }
            })?;
        let Attributes { axes, voxel_size, offset } = attributes;
        let grid = VoxelGrid::new(inner.shape(), &axes, voxel_size, offset)?;
        let (unit, chunk) = chunk_shapes(&inner, &axes)
            .map_err(|source| ArrayError::Metadata { path: path.clone(), source })?;
        let bounded = bounded::for_voxels(&inner)
            .map_err(|source| ArrayError::Metadata { path: path.clone(), source })?;
        let world = || axes.iter().filter(|axis| axis.kind.is_world());
        let chunks = Chunks {
            shape: grid.shape(),
            channels: grid.channels(),
            array: unit.clone(),
            unit_world: unit.checked_mul(&grid.voxel_size)?,
            shard: chunk.is_some().then(|| unit.clone()),
            chunk: chunk.unwrap_or(unit),
        };
        Ok(Self {
            path,
            dtype: fill_value.dtype(),
            fill_value,
            grid,
            axis_names: world().map(|axis| axis.name.clone()).collect(),
            units: world().map(|axis| axis.unit.clone()).collect(),
            axes,
            chunks,
            sharing: ChunkSharing::default(),
            inner,
            bounded,
        })
    }

    /// The same array with another durability of its writes; [`Durability::Process`] by default.
    /// Arrays in memory have no other.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        let store = Arc::new(self.inner.storage().with_durability(durability));
        self.bounded = self.bounded.map(|array| array.with_storage(Arc::clone(&store)));
        self.inner = self.inner.with_storage(store);
        self
    }

    /// What reads and writes voxels.
    pub(crate) fn voxels(&self) -> &zarrs::array::Array<Store> {
        self.bounded.as_ref().unwrap_or(&self.inner)
    }

    /// The same array with another answer to blocks that share chunks; [`ChunkSharing::Refuse`] by
    /// default.
    #[must_use]
    pub fn with_sharing(mut self, sharing: ChunkSharing) -> Self {
        self.sharing = sharing;
        self
    }
}

/// What is known without reading voxels.
impl Array {
    /// The folder of the array; in memory, the name of its place.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which array this is: equal for two handles of one array, however they were opened. Looks at
    /// the file system.
    #[must_use]
    pub fn id(&self) -> ArrayId {
        self.inner.storage().id()
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

    /// All axes, in the order in which they are stored and in which data have them.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// The lengths of the channel axes, which mostly come first; mostly none.
    #[must_use]
    pub fn channels(&self) -> &[u64] {
        &self.chunks.channels
    }

    /// Voxels per world axis.
    #[must_use]
    pub fn shape(&self) -> &Coordinate {
        &self.chunks.shape
    }

    /// Voxels per chunk and world axis: what is compressed, and so read, as a whole.
    #[must_use]
    pub fn chunk_shape(&self) -> &Coordinate {
        &self.chunks.chunk
    }

    /// Voxels per shard and world axis, where chunks are collected in shards.
    #[must_use]
    pub fn shard_shape(&self) -> Option<&Coordinate> {
        self.chunks.shard.as_ref()
    }

    /// Voxels per world axis of what is written as a whole: the shard if there are shards, else
    /// the chunk.
    #[must_use]
    pub fn write_unit(&self) -> &Coordinate {
        &self.chunks.array
    }

    /// World units per world axis of what is written as a whole. These units begin at
    /// [`offset`](Self::offset) and every so many world units from there.
    #[must_use]
    pub fn write_unit_world(&self) -> &Coordinate {
        &self.chunks.unit_world
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

    /// The ROI whose bounds lie on borders of voxels, next to the bounds of a ROI. It may reach
    /// beyond the array.
    ///
    /// # Errors
    /// [`Dims`](ArrayError::Dims), [`Geometry`](ArrayError::Geometry).
    pub fn snap(&self, roi: &Roi, snap: Snap) -> Result<Roi, ArrayError> {
        self.grid.snap(roi, snap)
    }

    /// The name of each world axis.
    #[must_use]
    pub fn axis_names(&self) -> &[String] {
        &self.axis_names
    }

    /// The unit of each world axis; empty if it is not known.
    #[must_use]
    pub fn units(&self) -> &[String] {
        &self.units
    }

    /// All attributes, those that say where voxels lie among them.
    #[must_use]
    pub fn attributes(&self) -> &Map<String, Value> {
        self.inner.attributes()
    }

    /// What writes outlive.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.voxels().storage().durability()
    }

    /// Whether the array can be read and not written, as those of N5.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.storage().is_read_only()
    }

    /// What becomes of blocks that share chunks.
    #[must_use]
    pub fn sharing(&self) -> ChunkSharing {
        self.sharing
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Array")
            .field("path", &self.path)
            .field("dtype", &self.dtype)
            .field("channels", &self.chunks.channels)
            .field("shape", &self.chunks.shape)
            .field("voxel_size", &self.grid.voxel_size)
            .field("roi", &self.grid.roi)
            .field("chunk_shape", &self.chunks.chunk)
            .field("shard_shape", &self.chunks.shard)
            .field("sharing", &self.sharing)
            .finish_non_exhaustive()
    }
}

/// The world shape of what is written as a whole, if it is the same everywhere, and that of the
/// chunks in it, if those are smaller.
fn chunk_shapes(
    inner: &zarrs::array::Array<Store>,
    axes: &[Axis],
) -> Result<(Coordinate, Option<Coordinate>), Source> {
    if let ArrayMetadata::V3(v3) = inner.metadata()
        && v3.chunk_grid.name() != "regular"
    {
        let name = v3.chunk_grid.name();
        return Err(format!("the chunk grid is {name}, and must be regular").into());
    }
    let world = |shape: &ChunkShape| {
        let pairs = shape.iter().zip(axes);
        let world = pairs.filter(|(_, axis)| axis.kind != AxisKind::Channel);
        let lengths: Vec<u64> = world.map(|(length, _)| length.get()).collect();
        world_coordinate(&lengths)
    };
    let unit = world(&inner.chunk_shape(&vec![0; inner.dimensionality()])?)?;
    let chunk = inner.effective_subchunk_shape().map(|shape| world(&shape)).transpose()?;
    Ok((unit, chunk))
}

/// A data type as the metadata name it.
fn dtype_name(metadata: &ArrayMetadata) -> String {
    match metadata {
        ArrayMetadata::V2(v2) => v2.dtype.to_string(),
        ArrayMetadata::V3(v3) => v3.data_type.name().to_owned(),
    }
}
