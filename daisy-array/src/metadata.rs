//! The metadata files of new arrays, in both versions of the format.

use serde_json::{Map, Value, json};

use crate::store::{Files, ZARR_JSON, ZARRAY, ZATTRS};
use crate::{Compression, Dtype};

/// The metadata files of an array that does not exist yet.
pub(crate) enum MetadataFiles {
    V2 { zarray: Value, zattrs: Map<String, Value> },
    V3 { zarr_json: Value },
}

impl MetadataFiles {
    /// Names and contents.
    pub(crate) fn files(&self) -> Result<Files, serde_json::Error> {
        Ok(match self {
            Self::V2 { zarray, zattrs } => vec![
                (ZATTRS, serde_json::to_vec_pretty(zattrs)?),
                (ZARRAY, serde_json::to_vec_pretty(zarray)?),
            ],
            Self::V3 { zarr_json } => vec![(ZARR_JSON, serde_json::to_vec_pretty(zarr_json)?)],
        })
    }
}

/// What the two formats write in different ways. Shapes have all axes.
pub(crate) struct Parts {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    pub(crate) chunk_shape: Vec<u64>,
    pub(crate) shard_shape: Option<Vec<u64>>,
    pub(crate) fill_value: Value,
    pub(crate) attributes: Map<String, Value>,
    pub(crate) names: Vec<String>,
    pub(crate) compression: Compression,
    pub(crate) checksum: bool,
}

impl Parts {
    pub(crate) fn v2(self) -> MetadataFiles {
        let compressor = match self.compression {
            Compression::None => Value::Null,
            Compression::Zstd { level } => json!({"id": "zstd", "level": level}),
            Compression::Gzip { level } => json!({"id": "gzip", "level": level}),
            #[cfg(feature = "blosc")]
            Compression::Blosc { codec, level } => json!({
                "id": "blosc", "cname": codec.name(), "clevel": level, "shuffle": 1, "blocksize": 0,
            }),
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

    pub(crate) fn v3(self) -> MetadataFiles {
        let codecs = self.codecs();
        let (written, codecs) = match &self.shard_shape {
            None => (&self.chunk_shape, codecs),
            Some(shard) => (shard, vec![sharding(&self.chunk_shape, codecs)]),
        };
        let zarr_json = json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": self.dtype.v3_name(),
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": written},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": self.fill_value,
            "codecs": codecs,
            "attributes": self.attributes,
            "dimension_names": self.names,
        });
        MetadataFiles::V3 { zarr_json }
    }

    /// What a chunk goes through: its bytes, compressed, with a checksum.
    fn codecs(&self) -> Vec<Value> {
        let codec = |name: &str, configuration: Value| Some(codec(name, configuration));
        let bytes = match self.dtype.size() {
            1 => json!({"name": "bytes"}),
            _ => little_endian(),
        };
        let compressor = match self.compression {
            Compression::None => None,
            Compression::Zstd { level } => {
                codec("zstd", json!({"level": level, "checksum": false}))
            }
            Compression::Gzip { level } => codec("gzip", json!({"level": level})),
            #[cfg(feature = "blosc")]
            Compression::Blosc { codec: inner, level } => codec(
                "blosc",
                json!({
                    "cname": inner.name(), "clevel": level, "shuffle": "shuffle",
                    "typesize": self.dtype.size(), "blocksize": 0,
                }),
            ),
        };
        let checksum = self.checksum.then(crc32c);
        std::iter::once(bytes).chain(compressor).chain(checksum).collect()
    }
}

#[cfg(feature = "blosc")]
impl crate::BloscCodec {
    fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

fn codec(name: &str, configuration: Value) -> Value {
    json!({"name": name, "configuration": configuration})
}

fn little_endian() -> Value {
    codec("bytes", json!({"endian": "little"}))
}

fn crc32c() -> Value {
    json!({"name": "crc32c"})
}

/// Shards of chunks that go through `codecs`. The index is checked, as readers rely on it.
fn sharding(chunk_shape: &[u64], codecs: Vec<Value>) -> Value {
    codec(
        "sharding_indexed",
        json!({
            "chunk_shape": chunk_shape,
            "codecs": codecs,
            "index_codecs": [little_endian(), crc32c()],
            "index_location": "end",
        }),
    )
}
