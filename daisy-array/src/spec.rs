//! The description of an array that is to be created, checked and turned into Zarr metadata.

use std::num::NonZeroU64;

use daisy_geometry::Coordinate;
#[cfg(feature = "ome")]
use daisy_geometry::div_ceil;
use serde_json::{Map, Value};

use crate::attributes::{Attributes, default_name};
use crate::metadata::{MetadataFiles, Parts};
use crate::plan::{Shapes, divisor_near};
use crate::{ArrayError, Axis, AxisKind, ChunkPlan, Dtype, MetadataKeys, Scalar};

/// The version of the Zarr format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZarrVersion {
    /// Version 2: `.zarray` and `.zattrs`.
    V2,
    /// Version 3: `zarr.json`.
    #[default]
    V3,
}

/// How chunks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// Zstandard: fast, and small files.
    Zstd {
        /// 1 to 22; 0 is the default of the codec, which is 3.
        level: u32,
    },
    /// Gzip: for readers that know nothing else.
    Gzip {
        /// 0 to 9.
        level: u32,
    },
    /// Blosc, which sorts the bytes of elements by their place first.
    #[cfg(feature = "blosc")]
    Blosc {
        /// What compresses the sorted bytes.
        codec: BloscCodec,
        /// 0 to 9.
        level: u32,
    },
}

/// What compresses inside of Blosc.
#[cfg(feature = "blosc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BloscCodec {
    /// LZ4: the fastest.
    Lz4,
    /// Zstandard: smaller files.
    Zstd,
}

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd { level: 3 }
    }
}

/// What to do when there is an array already where one should be created.
///
/// Whatever the choice, something that is not a Zarr array is never touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfExists {
    /// Refuse.
    #[default]
    Error,
    /// Open it, contents and all, if it is the array that was described; refuse otherwise, with
    /// every difference. How chunks are compressed does not matter, and the existing array stays
    /// as it is.
    ReuseIfCompatible,
    /// Open it, contents and all, if it is the array that was described; delete it otherwise, and
    /// create a new one. Of several processes that do so at once (on local disk or in memory) one
    /// deletes and creates, and the others open what that one has made.
    ReplaceIfDifferent,
    /// Delete it, also if it is the same, and create a new one: not for runs that are resumed.
    /// Refused if files that are no part of a Zarr array lie in its folder.
    Overwrite,
}

/// The description of an array: what [`Array::create`](crate::Array::create) needs.
///
/// Only shape and data type must be given. All coordinates have one entry per world axis, which are
/// the axes of space and time.
///
/// ```
/// use daisy_array::{ArraySpec, Compression, Dtype, ZarrVersion};
///
/// let spec = ArraySpec::new([512, 512], Dtype::F32)
///     .chunk_shape([64, 64])
///     .fill_value(f32::NAN)
///     .version(ZarrVersion::V2)
///     .compression(Compression::Gzip { level: 5 });
/// # let _ = spec;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ArraySpec {
    shape: Coordinate,
    dtype: Dtype,
    channels: Vec<NonZeroU64>,
    channel_position: usize,
    channel_names: Option<Vec<String>>,
    plan: Option<ChunkPlan>,
    shard_shape: Option<Coordinate>,
    voxel_size: Option<Coordinate>,
    offset: Option<Coordinate>,
    axis_names: Option<Vec<String>>,
    axis_kinds: Option<Vec<AxisKind>>,
    units: Option<Vec<String>>,
    fill_value: Option<Scalar>,
    version: ZarrVersion,
    compression: Compression,
    checksum: bool,
    keys: MetadataKeys,
    attributes: Map<String, Value>,
}

impl ArraySpec {
    /// An array of `shape` voxels, uncompressed about a quarter of a million voxels per chunk,
    /// Zarr v3, Zstandard.
    pub fn new(shape: impl Into<Coordinate>, dtype: Dtype) -> Self {
        Self {
            shape: shape.into(),
            dtype,
            channels: Vec::new(),
            channel_position: 0,
            channel_names: None,
            plan: None,
            shard_shape: None,
            voxel_size: None,
            offset: None,
            axis_names: None,
            axis_kinds: None,
            units: None,
            fill_value: None,
            version: ZarrVersion::default(),
            compression: Compression::default(),
            checksum: false,
            keys: MetadataKeys::default(),
            attributes: Map::new(),
        }
    }

    /// Channel axes, by their lengths: `[3]` for three values per voxel. A chunk holds all of
    /// them. None by default.
    pub fn channels(mut self, lengths: impl IntoIterator<Item = NonZeroU64>) -> Self {
        self.channels = lengths.into_iter().collect();
        self
    }

    /// Before which world axis the channels stand; 0 by default, so that they come first. 1 makes
    /// `t c z y x` of `t z y x`.
    pub fn channel_position(mut self, world_axis: usize) -> Self {
        self.channel_position = world_axis;
        self
    }

    /// Names of the channel axes; `c0`, `c1`, ... by default.
    pub fn channel_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.channel_names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Voxels per chunk: what is compressed as a whole.
    pub fn chunk_shape(self, voxels: impl Into<Coordinate>) -> Self {
        self.chunks(ChunkPlan::exact(voxels))
    }

    /// Voxels per shard, a multiple of the chunk shape: what is written as a whole, and one file.
    /// No shards by default. Zarr v3 only.
    pub fn shard_shape(mut self, voxels: impl Into<Coordinate>) -> Self {
        self.shard_shape = Some(voxels.into());
        self
    }

    /// How the array is cut into chunks and shards.
    pub fn chunks(mut self, plan: ChunkPlan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// World units per voxel, 1 by default.
    pub fn voxel_size(mut self, world_units: impl Into<Coordinate>) -> Self {
        self.voxel_size = Some(world_units.into());
        self
    }

    /// Where the first voxel begins in world units, 0 by default. May be negative and need not be
    /// a multiple of the voxel size.
    pub fn offset(mut self, world_units: impl Into<Coordinate>) -> Self {
        self.offset = Some(world_units.into());
        self
    }

    /// Names of the world axes; `d0`, `d1`, ... by default.
    pub fn axis_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.axis_names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Which of the world axes are space and which are time; all space by default.
    pub fn axis_kinds(mut self, kinds: impl IntoIterator<Item = AxisKind>) -> Self {
        self.axis_kinds = Some(kinds.into_iter().collect());
        self
    }

    /// The unit of each world axis, such as `nm`; empty by default.
    pub fn units<S: Into<String>>(mut self, units: impl IntoIterator<Item = S>) -> Self {
        self.units = Some(units.into_iter().map(Into::into).collect());
        self
    }

    /// What voxels hold that were never written, zero by default. Must be of the array's type.
    pub fn fill_value(mut self, value: impl Into<Scalar>) -> Self {
        self.fill_value = Some(value.into());
        self
    }

    /// The Zarr format, version 3 by default.
    pub fn version(mut self, version: ZarrVersion) -> Self {
        self.version = version;
        self
    }

    /// How chunks are compressed, Zstandard level 3 by default.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Whether each chunk ends in a CRC-32C, so that damage is noticed where the compression does
    /// not notice it; no by default. Zarr v3 only.
    pub fn checksum(mut self, checksum: bool) -> Self {
        self.checksum = checksum;
        self
    }

    /// Under which keys the attributes say where voxels lie.
    pub fn keys(mut self, keys: MetadataKeys) -> Self {
        self.keys = keys;
        self
    }

    /// More attributes; none by default. Those that say where voxels lie are added to them.
    pub fn attributes(mut self, attributes: Map<String, Value>) -> Self {
        self.attributes = attributes;
        self
    }

    /// The number of world axes.
    #[cfg(feature = "ome")]
    pub(crate) fn dims(&self) -> usize {
        self.shape.dims()
    }

    /// The same part of the world with voxels so many times larger, and chunks of as many voxels.
    #[cfg(feature = "ome")]
    pub(crate) fn coarser(&self, factor: &Coordinate) -> Result<Self, ArrayError> {
        let dims = self.shape.dims();
        let voxel_size = self.geometry()?.voxel_size;
        let (chunk, shard) = self.chunks_and_shards(&voxel_size)?;
        let mut coarser =
            self.clone().chunk_shape(chunk).voxel_size(voxel_size.checked_mul(factor)?);
        coarser.shard_shape = shard;
        coarser.shape = Coordinate::from_fn(dims, |axis| div_ceil(self.shape[axis], factor[axis]));
        Ok(coarser)
    }

    pub(crate) fn metadata_keys(&self) -> &MetadataKeys {
        &self.keys
    }

    /// Checks everything and makes the metadata.
    pub(crate) fn metadata(&self) -> Result<MetadataFiles, ArrayError> {
        at_least("shape", &self.shape, 0)?;
        let geometry = self.geometry()?;
        let (chunk_shape, shard_shape) = self.chunks_and_shards(&geometry.voxel_size)?;
        self.check_codecs(shard_shape.is_some())?;
        let fill_value = self.fill_value.unwrap_or_else(|| self.dtype.zero());
        if fill_value.dtype() != self.dtype {
            let (expected, found) = (self.dtype, fill_value.dtype());
            return Err(ArrayError::SpecFillValue { expected, found });
        }
        let mut attributes = self.attributes.clone();
        geometry
            .write(&mut attributes, &self.keys)
            .map_err(|(key, problem)| ArrayError::SpecAttribute { key, problem })?;
        let parts = Parts {
            dtype: self.dtype,
            shape: self.all_axes(&self.shape),
            chunk_shape: self.all_axes(&chunk_shape),
            shard_shape: shard_shape.map(|shard| self.all_axes(&shard)),
            fill_value: fill_value.to_json(),
            attributes,
            names: geometry.axes.into_iter().map(|axis| axis.name).collect(),
            compression: self.compression,
            checksum: self.checksum,
        };
        Ok(match self.version {
            ZarrVersion::V2 => parts.v2(),
            ZarrVersion::V3 => parts.v3(),
        })
    }

    /// Where voxels lie, and the names of the axes.
    pub(crate) fn geometry(&self) -> Result<Attributes, ArrayError> {
        let dims = self.shape.dims();
        let voxel_size = self.voxel_size.clone().unwrap_or_else(|| Coordinate::ones(dims));
        let offset = self.offset.clone().unwrap_or_else(|| Coordinate::zeros(dims));
        let names = self.axis_names.clone();
        let names = names.unwrap_or_else(|| (0..dims).map(default_name).collect());
        let units = self.units.clone().unwrap_or_else(|| vec![String::new(); dims]);
        let kinds = self.axis_kinds.clone().unwrap_or_else(|| vec![AxisKind::Space; dims]);
        let channel_name = |channel| format!("c{channel}");
        let channel_names = self.channel_names.clone();
        let channel_names =
            channel_names.unwrap_or_else(|| (0..self.channels.len()).map(channel_name).collect());
        has_dims("voxel_size", voxel_size.dims(), dims)?;
        has_dims("offset", offset.dims(), dims)?;
        has_dims("axis_names", names.len(), dims)?;
        has_dims("axis_kinds", kinds.len(), dims)?;
        has_dims("units", units.len(), dims)?;
        has_dims("channel_names", channel_names.len(), self.channels.len())?;
        at_least("voxel_size", &voxel_size, 1)?;
        if self.channel_position > dims {
            let found = self.channel_position;
            return Err(ArrayError::SpecDims { field: "channel_position", expected: dims, found });
        }
        if let Some(axis) = kinds.iter().position(|kind| !kind.is_world()) {
            return Err(ArrayError::SpecChannel { axis });
        }
        let world = names.into_iter().zip(kinds).zip(units);
        let mut axes: Vec<Axis> =
            world.map(|((name, kind), unit)| Axis { name, kind, unit }).collect();
        let channels = channel_names.into_iter().map(Axis::channel);
        axes.splice(self.channel_position..self.channel_position, channels);
        Ok(Attributes { axes, voxel_size, offset })
    }

    /// The shapes of chunk and shard in voxels, checked.
    fn chunks_and_shards(&self, voxel_size: &Coordinate) -> Result<Shapes, ArrayError> {
        let dims = self.shape.dims();
        let (chunk, planned) = match &self.plan {
            Some(plan) => plan.shapes(voxel_size)?,
            None => (self.default_chunk_shape(), None),
        };
        let shard = self.shard_shape.clone().or(planned);
        has_dims("chunk_shape", chunk.dims(), dims)?;
        at_least("chunk_shape", &chunk, 1)?;
        let Some(shard) = shard else { return Ok((chunk, None)) };
        has_dims("shard_shape", shard.dims(), dims)?;
        at_least("shard_shape", &shard, 1)?;
        if let Some(axis) = (0..dims).find(|axis| shard[*axis] % chunk[*axis] != 0) {
            let (chunk, shard) = (chunk[axis], shard[axis]);
            return Err(ArrayError::SpecShard { axis, chunk, shard });
        }
        Ok((chunk, Some(shard)))
    }

    /// A power of two per axis, such that a chunk has about 2^18 voxels, but no longer than the
    /// array; in shards, what divides those.
    fn default_chunk_shape(&self) -> Coordinate {
        let dims = self.shape.dims();
        let side = 1i64 << (18 / dims.max(1)).max(1);
        let shard = self.shard_shape.as_ref();
        Coordinate::from_fn(dims, |axis| match shard.and_then(|shard| shard.get(axis)) {
            Some(shard) if shard > 0 => divisor_near(shard, side),
            _ => self.shape[axis].clamp(1, side),
        })
    }

    fn check_codecs(&self, is_sharded: bool) -> Result<(), ArrayError> {
        self.compression.check()?;
        let only_v3 = [("shards", is_sharded), ("checksum", self.checksum)];
        match only_v3.into_iter().find(|(_, is_wanted)| *is_wanted) {
            Some((field, _)) if self.version == ZarrVersion::V2 => {
                Err(ArrayError::SpecNotInV2 { field })
            }
            _ => Ok(()),
        }
    }

    /// One entry per stored axis, from those of the world, which are not negative.
    fn all_axes(&self, world: &Coordinate) -> Vec<u64> {
        let mut lengths: Vec<u64> = world.iter().map(i64::unsigned_abs).collect();
        let channels = self.channels.iter().map(|length| length.get());
        lengths.splice(self.channel_position..self.channel_position, channels);
        lengths
    }
}

/// Refuses a field with the wrong number of entries.
fn has_dims(field: &'static str, found: usize, expected: usize) -> Result<(), ArrayError> {
    if found == expected { Ok(()) } else { Err(ArrayError::SpecDims { field, expected, found }) }
}

/// Refuses entries below `least`.
fn at_least(field: &'static str, value: &Coordinate, least: i64) -> Result<(), ArrayError> {
    match value.iter().enumerate().find(|(_, entry)| *entry < least) {
        Some((axis, found)) => Err(ArrayError::SpecTooSmall { field, axis, least, found }),
        None => Ok(()),
    }
}

impl Compression {
    fn check(self) -> Result<(), ArrayError> {
        match self {
            Self::Zstd { level: found } if found > 22 => {
                Err(ArrayError::SpecLevel { most: 22, found })
            }
            Self::Gzip { level: found } if found > 9 => {
                Err(ArrayError::SpecLevel { most: 9, found })
            }
            #[cfg(feature = "blosc")]
            Self::Blosc { level: found, .. } if found > 9 => {
                Err(ArrayError::SpecLevel { most: 9, found })
            }
            _ => Ok(()),
        }
    }
}
