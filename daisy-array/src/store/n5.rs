//! An N5 array, seen as an array of Zarr v3 with its axes the other way round.
//!
//! ```text
//!   a block:  mode (u16) | axes (u16) | voxels per axis (u32 each) | compressed voxels
//! ```
//!
//! N5 names the fastest axis first, and Zarr last. So shapes, lists in attributes and the parts of
//! chunk keys are reversed here, and voxels need not be moved. Blocks are unpacked here too, as
//! those at the border hold fewer voxels. All numbers are big-endian.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use zarrs::array::{BytesRepresentation, BytesToBytesCodecTraits, CodecError, CodecOptions};
use zarrs::storage::byte_range::ByteRangeIterator;
use zarrs::storage::{Bytes, MaybeBytesIterator, ReadableStorageTraits, StorageError, StoreKey};
use zarrs_n5::{N5ArrayMetadata, N5Compression};

use super::{Store, ZARR_JSON, local::extent};
use crate::{ArrayError, Source, bounded};

/// The metadata of N5.
pub(crate) const ATTRIBUTES_JSON: &str = "attributes.json";

/// Lists in attributes with an entry per axis.
const PER_AXIS: [&str; 6] = ["resolution", "voxel_size", "offset", "axis_names", "units", "types"];

/// Blocks of plain voxels; others have strings or objects in them.
const PLAIN: u16 = 0;

/// A place with an N5 array, for reading.
#[derive(Clone, Debug)]
pub(crate) struct N5Folder {
    store: Box<Store>,
    metadata: Arc<N5ArrayMetadata>,
}

impl N5Folder {
    /// The N5 array at a place, if there is one.
    pub(crate) fn find(store: &Store) -> Result<Option<Self>, ArrayError> {
        let bad = |source: Source| ArrayError::Metadata { path: store.path(), source };
        let key = StoreKey::new(ATTRIBUTES_JSON).map_err(|error| bad(error.into()))?;
        // A place that cannot be read has been complained about before.
        let Ok(Some(bytes)) = store.get(&key) else { return Ok(None) };
        let json: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if json.get("dimensions").is_none() {
            return Ok(None);
        }
        let metadata: N5ArrayMetadata =
            serde_json::from_value(json).map_err(|error| bad(error.into()))?;
        Ok(Some(Self { store: Box::new(store.clone()), metadata: Arc::new(metadata) }))
    }

    pub(crate) fn plain(&self) -> &Store {
        &self.store
    }

    pub(crate) fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, StorageError> {
        if key.as_str() == ZARR_JSON {
            let json = serde_json::to_vec(&self.zarr_json()?).map_err(io::Error::from)?;
            return Ok(Some(json.into()));
        }
        let Some(key) = reversed_key(key)? else { return Ok(None) };
        let block = self.store.get(&key)?;
        block.map(|block| self.unpack(&block)).transpose()
    }

    pub(crate) fn get_partial_many<'a>(
        &self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let Some(value) = self.get(key)? else { return Ok(None) };
        let parts =
            byte_ranges.map(move |range| Ok(extent(range, value.len() as u64)?.slice(&value)));
        Ok(Some(Box::new(parts)))
    }

    /// The voxels of a block, as many as blocks have that do not lie at the border.
    fn unpack(&self, block: &[u8]) -> Result<Bytes, StorageError> {
        let bad = || StorageError::Other("a block of N5 has a wrong header or length".to_owned());
        let axes = self.metadata.block_size.len();
        let (mode, rest) = block.split_first_chunk().ok_or_else(bad)?;
        let (found, mut rest) = rest.split_first_chunk().ok_or_else(bad)?;
        if u16::from_be_bytes(*mode) != PLAIN || usize::from(u16::from_be_bytes(*found)) != axes {
            return Err(bad());
        }
        let mut shape = Vec::new();
        for most in &self.metadata.block_size {
            let (length, more) = rest.split_first_chunk().ok_or_else(bad)?;
            let length = u32::from_be_bytes(*length);
            if u64::from(length) > most.get() {
                return Err(bad());
            }
            shape.push(length as usize);
            rest = more;
        }
        let voxel = self.voxel_bytes().ok_or_else(bad)?;
        let whole: Option<Vec<usize>> =
            self.metadata.block_size.iter().map(|length| length.get().try_into().ok()).collect();
        let whole = whole.ok_or_else(bad)?;
        let length = |shape: &[usize]| shape.iter().copied().try_fold(voxel, usize::checked_mul);
        let (found, wanted) = (length(&shape).ok_or_else(bad)?, length(&whole).ok_or_else(bad)?);
        let voxels = self.decompress(rest, found as u64)?;
        if voxels.len() != found {
            return Err(bad());
        }
        if shape == whole {
            return Ok(voxels.into_owned().into());
        }
        let mut padded = Vec::new();
        padded.try_reserve_exact(wanted).map_err(|_| bad())?;
        padded.resize(wanted, 0);
        copy_rows(&voxels, &mut padded, &Rows { shape: &shape, whole: &whole, voxel });
        Ok(padded.into())
    }

    fn decompress<'a>(&self, block: &'a [u8], length: u64) -> Result<Cow<'a, [u8]>, StorageError> {
        let failed = |error: CodecError| StorageError::Other(error.to_string());
        let Some(codec) = self.codec()? else { return Ok(Cow::Borrowed(block)) };
        let block = Cow::Borrowed(block);
        match self.kind() {
            Some(kind) => bounded::decode(kind, &*codec, block, length).map_err(failed),
            None => codec
                .decode(block, &BytesRepresentation::FixedSize(length), &CodecOptions::default())
                .map_err(failed),
        }
    }

    fn kind(&self) -> Option<bounded::Kind> {
        match self.metadata.compression {
            N5Compression::Gzip { .. } => Some(bounded::Kind::Gzip),
            N5Compression::Zstd { .. } => Some(bounded::Kind::Zstd),
            N5Compression::Bzip2 { .. } => Some(bounded::Kind::Bzip2),
            N5Compression::Blosc { .. } => Some(bounded::Kind::Blosc),
            _ => None,
        }
    }

    fn codec(&self) -> Result<Option<Arc<dyn BytesToBytesCodecTraits>>, StorageError> {
        self.metadata
            .compression
            .to_bytes_to_bytes_codec()
            .map_err(|error| StorageError::Other(error.to_string()))
    }

    /// Bytes per voxel: what is left of the name of the type.
    fn voxel_bytes(&self) -> Option<usize> {
        let bits = self.metadata.data_type.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        bits.parse::<usize>().ok().filter(|bits| bits % 8 == 0).map(|bits| bits / 8)
    }

    /// The metadata of the array in Zarr v3, with its axes the other way round.
    fn zarr_json(&self) -> Result<Value, StorageError> {
        // Compressions that are not supported are known before any voxel is read.
        self.codec()?;
        let reversed =
            |lengths: &mut dyn DoubleEndedIterator<Item = u64>| lengths.rev().collect::<Vec<u64>>();
        let mut attributes = self.metadata.attributes.clone();
        reverse_attributes(&mut attributes, self.metadata.dimensions.len())?;
        Ok(json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": reversed(&mut self.metadata.dimensions.iter().copied()),
            "data_type": self.metadata.data_type,
            "chunk_grid": {"name": "regular", "configuration": {
                "chunk_shape": reversed(&mut self.metadata.block_size.iter().map(|l| l.get())),
            }},
            "chunk_key_encoding": {"name": "v2", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "big"}}],
            "attributes": attributes,
        }))
    }
}

/// The shape of a block and of a whole one, first axis fastest, and bytes per voxel.
struct Rows<'a> {
    shape: &'a [usize],
    whole: &'a [usize],
    voxel: usize,
}

/// Copies the rows of a block to their places in a whole one.
fn copy_rows(from: &[u8], to: &mut [u8], rows: &Rows<'_>) {
    let row = rows.shape.first().map_or(1, |length| *length) * rows.voxel;
    if row == 0 {
        return;
    }
    for (number, bytes) in from.chunks_exact(row).enumerate() {
        // The index of the row along all axes but the first, and where that is in the whole block.
        let (mut rest, mut stride, mut begin) = (number, rows.voxel, 0);
        for (axis, (length, whole)) in rows.shape.iter().zip(rows.whole).enumerate() {
            if axis > 0 {
                begin += rest % length * stride;
                rest /= length;
            }
            stride *= whole;
        }
        to[begin..begin + row].copy_from_slice(bytes);
    }
}

/// The key of a chunk in N5; none for what N5 does not have.
fn reversed_key(key: &StoreKey) -> Result<Option<StoreKey>, StorageError> {
    let parts: Vec<&str> = key.as_str().split('/').rev().collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !parts.iter().all(is_number) {
        return Ok(None);
    }
    Ok(Some(StoreKey::new(parts.join("/"))?))
}

fn reverse(list: Option<&mut Value>) {
    if let Some(Value::Array(list)) = list {
        list.reverse();
    }
}

/// Reverses lists, and says in our way what other programs say in theirs.
fn reverse_attributes(
    attributes: &mut Map<String, Value>,
    axes: usize,
) -> Result<(), StorageError> {
    PER_AXIS.iter().for_each(|key| reverse(attributes.get_mut(*key)));
    let has_size = ["resolution", "voxel_size"].iter().any(|key| attributes.contains_key(*key));
    let Some(pixel) = attributes.get("pixelResolution").cloned().filter(|_| !has_size) else {
        return Ok(());
    };
    let is_one = |factor: &Value| factor.as_f64() == Some(1.0);
    let factors = attributes.get("downsamplingFactors").and_then(Value::as_array);
    if factors.is_some_and(|factors| !factors.iter().all(is_one)) {
        // Whether the resolution is that of this level or of the finest one, and where the level
        // begins, is not said.
        let problem = "has downsamplingFactors and no resolution; give it a resolution and offset";
        return Err(StorageError::Other(problem.to_owned()));
    }
    let mut size = pixel.get("dimensions").unwrap_or(&pixel).clone();
    reverse(Some(&mut size));
    attributes.insert("voxel_size".to_owned(), size);
    if let Some(unit) = pixel.get("unit").filter(|_| !attributes.contains_key("units")).cloned() {
        attributes.insert("units".to_owned(), vec![unit; axes].into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_chunks_are_reversed_and_others_are_none() {
        let reversed = |key: &str| reversed_key(&StoreKey::new(key).unwrap()).unwrap();
        assert_eq!(reversed("0/1/20"), Some(StoreKey::new("20/1/0").unwrap()));
        assert_eq!(reversed("7"), Some(StoreKey::new("7").unwrap()));
        for none in [".zarray", "c/0/1", "attributes.json"] {
            assert_eq!(reversed(none), None);
        }
    }
}
