//! The description of an array that is to be created, checked and turned into Zarr metadata.

use std::num::NonZeroU64;

use daisy_geometry::Coordinate;
use serde_json::{Map, Value, json};

use crate::attributes::{Attributes, default_names};
use crate::{ArrayError, Dtype, Scalar};

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
    /// Delete it and create a new one. Refused if files that are no part of a Zarr array lie in
    /// its folder.
    Overwrite,
}

/// The description of an array: what [`Array::create`](crate::Array::create) needs.
///
/// Only shape and data type must be given. All coordinates have one entry per spatial axis.
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
    chunk_shape: Option<Coordinate>,
    voxel_size: Option<Coordinate>,
    offset: Option<Coordinate>,
    axis_names: Option<Vec<String>>,
    units: Option<Vec<String>>,
    fill_value: Option<Scalar>,
    version: ZarrVersion,
    compression: Compression,
}

impl ArraySpec {
    /// An array of `shape` voxels, uncompressed about a quarter of a million voxels per chunk,
    /// Zarr v3, Zstandard.
    pub fn new(shape: impl Into<Coordinate>, dtype: Dtype) -> Self {
        Self {
            shape: shape.into(),
            dtype,
            channels: Vec::new(),
            chunk_shape: None,
            voxel_size: None,
            offset: None,
            axis_names: None,
            units: None,
            fill_value: None,
            version: ZarrVersion::default(),
            compression: Compression::default(),
        }
    }

    /// Axes before the spatial ones, by their lengths: `[3]` for three values per voxel. A chunk
    /// holds all of them. None by default.
    pub fn channels(mut self, lengths: impl IntoIterator<Item = NonZeroU64>) -> Self {
        self.channels = lengths.into_iter().collect();
        self
    }

    /// Voxels per chunk: what is compressed, read and written as a whole.
    pub fn chunk_shape(mut self, voxels: impl Into<Coordinate>) -> Self {
        self.chunk_shape = Some(voxels.into());
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

    /// Names of the axes; `d0`, `d1`, ... by default.
    pub fn axis_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.axis_names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The world unit of each axis, such as `nm`; empty by default.
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

    /// Checks everything and makes the metadata.
    pub(crate) fn metadata(&self) -> Result<MetadataFiles, ArrayError> {
        let dims = self.shape.dims();
        at_least("shape", &self.shape, 0)?;
        let chunk_shape = self.chunk_shape.clone().unwrap_or_else(|| self.default_chunk_shape());
        let attributes = Attributes {
            voxel_size: self.voxel_size.clone().unwrap_or_else(|| Coordinate::ones(dims)),
            offset: self.offset.clone().unwrap_or_else(|| Coordinate::zeros(dims)),
            axis_names: self.axis_names.clone().unwrap_or_else(|| default_names(dims, &[])),
            units: self.units.clone().unwrap_or_else(|| vec![String::new(); dims]),
        };
        let lengths = [
            ("chunk_shape", chunk_shape.dims()),
            ("voxel_size", attributes.voxel_size.dims()),
            ("offset", attributes.offset.dims()),
            ("axis_names", attributes.axis_names.len()),
            ("units", attributes.units.len()),
        ];
        if let Some((field, found)) = lengths.into_iter().find(|(_, found)| *found != dims) {
            return Err(ArrayError::SpecDims { field, expected: dims, found });
        }
        at_least("chunk_shape", &chunk_shape, 1)?;
        at_least("voxel_size", &attributes.voxel_size, 1)?;
        self.compression.check()?;
        let fill_value = self.fill_value.unwrap_or_else(|| self.dtype.zero());
        if fill_value.dtype() != self.dtype {
            let (expected, found) = (self.dtype, fill_value.dtype());
            return Err(ArrayError::SpecFillValue { expected, found });
        }
        let parts = Parts {
            dtype: self.dtype,
            shape: self.all_axes(&self.shape),
            chunk_shape: self.all_axes(&chunk_shape),
            fill_value: fill_value.to_json(),
            attributes: attributes.to_json(self.channels.len()),
            names: attributes.names_of_all_axes(self.channels.len()),
            compression: self.compression,
        };
        Ok(match self.version {
            ZarrVersion::V2 => parts.v2(),
            ZarrVersion::V3 => parts.v3(),
        })
    }

    /// A power of two per axis, such that a chunk has about 2^18 voxels, but no longer than the
    /// array.
    fn default_chunk_shape(&self) -> Coordinate {
        let dims = self.shape.dims();
        let side = 1i64 << (18 / dims.max(1)).max(1);
        Coordinate::from_fn(dims, |axis| self.shape[axis].clamp(1, side))
    }

    /// Channel lengths, then one entry per spatial axis; those are not negative.
    fn all_axes(&self, spatial: &Coordinate) -> Vec<u64> {
        let channels = self.channels.iter().map(|length| length.get());
        channels.chain(spatial.iter().map(i64::unsigned_abs)).collect()
    }
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
            _ => Ok(()),
        }
    }
}

/// The metadata files of an array that does not exist yet.
pub(crate) enum MetadataFiles {
    V2 { zarray: Value, zattrs: Map<String, Value> },
    V3 { zarr_json: Value },
}

/// What the two formats write in different ways.
struct Parts {
    dtype: Dtype,
    shape: Vec<u64>,
    chunk_shape: Vec<u64>,
    fill_value: Value,
    attributes: Map<String, Value>,
    names: Vec<String>,
    compression: Compression,
}

impl Parts {
    fn v2(self) -> MetadataFiles {
        let compressor = match self.compression {
            Compression::None => Value::Null,
            Compression::Zstd { level } => json!({"id": "zstd", "level": level}),
            Compression::Gzip { level } => json!({"id": "gzip", "level": level}),
        };
        let zarray = json!({
            "zarr_format": 2,
            "shape": self.shape,
            "chunks": self.chunk_shape,
            "dtype": self.dtype.v2_name(),
            "compressor": compressor,
            "fill_value": self.fill_value,
            "order": "C",
            "filters": null,
            // Folders of folders: one folder with millions of chunks is slow everywhere.
            "dimension_separator": "/",
        });
        MetadataFiles::V2 { zarray, zattrs: self.attributes }
    }

    fn v3(self) -> MetadataFiles {
        let bytes = match self.dtype.size() {
            1 => json!({"name": "bytes"}),
            _ => json!({"name": "bytes", "configuration": {"endian": "little"}}),
        };
        let compressor = match self.compression {
            Compression::None => None,
            Compression::Zstd { level } => {
                Some(json!({"name": "zstd", "configuration": {"level": level, "checksum": false}}))
            }
            Compression::Gzip { level } => {
                Some(json!({"name": "gzip", "configuration": {"level": level}}))
            }
        };
        let codecs: Vec<Value> = std::iter::once(bytes).chain(compressor).collect();
        let zarr_json = json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": self.dtype.v3_name(),
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": self.chunk_shape},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": self.fill_value,
            "codecs": codecs,
            "attributes": self.attributes,
            "dimension_names": self.names,
        });
        MetadataFiles::V3 { zarr_json }
    }
}
