//! Making arrays, and what to do about what is there already.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zarrs::array::{ArrayCreateError, ArrayMetadata};

use crate::spec::MetadataFiles;
use crate::store::{AtomicStore, TEMPORARY_PREFIX, temporary_name};
use crate::{Array, ArrayError, ArraySpec, Difference, Durability, IfExists, Occupant};

const ZARR_JSON: &str = "zarr.json";
const ZARRAY: &str = ".zarray";
const ZATTRS: &str = ".zattrs";
const ZGROUP: &str = ".zgroup";

impl Array {
    /// Makes an array on disk and opens it. Folders above it are made as needed.
    ///
    /// If several processes create the same array at once, one of them does and the others find it
    /// there, so workers may all start with [`IfExists::ReuseIfCompatible`].
    ///
    /// ```
    /// use daisy_array::{Array, ArrayError, ArraySpec, Dtype, IfExists};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("labels.zarr");
    /// let spec = ArraySpec::new([64, 64], Dtype::U64).voxel_size([4, 4]);
    /// Array::create(&path, &spec, IfExists::Error)?;
    /// Array::create(&path, &spec, IfExists::ReuseIfCompatible)?;
    ///
    /// let coarser = spec.voxel_size([8, 8]);
    /// match Array::create(&path, &coarser, IfExists::ReuseIfCompatible) {
    ///     Err(ArrayError::Incompatible { differences, .. }) => {
    ///         assert_eq!(differences[0].field, "voxel_size");
    ///         assert_eq!(differences[0].existing, "(4, 4)");
    ///         assert_eq!(differences[0].wanted, "(8, 8)");
    ///     }
    ///     _ => panic!("a voxel size must never be reinterpreted"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - A wrong description: [`SpecDims`](ArrayError::SpecDims),
    ///   [`SpecTooSmall`](ArrayError::SpecTooSmall), [`SpecFillValue`](ArrayError::SpecFillValue),
    ///   [`SpecLevel`](ArrayError::SpecLevel), [`Geometry`](ArrayError::Geometry). Nothing was
    ///   touched.
    /// - Something in the way: [`AlreadyExists`](ArrayError::AlreadyExists),
    ///   [`Incompatible`](ArrayError::Incompatible), [`Occupied`](ArrayError::Occupied). Nothing
    ///   was touched.
    /// - The file system: [`Io`](ArrayError::Io).
    pub fn create(
        path: impl AsRef<Path>,
        spec: &ArraySpec,
        if_exists: IfExists,
    ) -> Result<Self, ArrayError> {
        let path = path.as_ref();
        let files = spec.metadata()?;
        let new = Self::draft(path, &files)?;
        match (look(path)?, if_exists) {
            (Place::Free, _) => {}
            (Place::Array, IfExists::Overwrite) => remove_array(path)?,
            (Place::Array, _) => return new.existing(if_exists),
            (Place::Taken(found), _) => {
                return Err(ArrayError::Occupied { path: path.to_path_buf(), found });
            }
        }
        let Err(source) = publish(path, &files) else { return Ok(new) };
        let path = path.to_path_buf();
        match look(&path)? {
            // Another process was faster.
            Place::Array => new.existing(if_exists),
            Place::Taken(found) => Err(ArrayError::Occupied { path, found }),
            Place::Free => Err(ArrayError::Io { path, source }),
        }
    }

    /// The array of a description, with nothing on disk yet.
    fn draft(path: &Path, files: &MetadataFiles) -> Result<Self, ArrayError> {
        let metadata = match files {
            MetadataFiles::V2 { zarray, zattrs } => serde_json::from_value(zarray.clone())
                .map(|v2| ArrayMetadata::V2(with_attributes(v2, zattrs.clone()))),
            MetadataFiles::V3 { zarr_json } => {
                serde_json::from_value(zarr_json.clone()).map(ArrayMetadata::V3)
            }
        };
        let bad = |source| ArrayError::Metadata { path: path.to_path_buf(), source };
        let store = AtomicStore::new(path, Durability::default()).into();
        let inner = metadata.map_err(|error| bad(error.into())).and_then(|metadata| {
            zarrs::array::Array::new_with_metadata(store, "/", metadata)
                .map_err(|error| bad(error.into()))
        })?;
        Self::new(path, inner)
    }

    /// The array that is there instead of this one, if that will do.
    fn existing(&self, if_exists: IfExists) -> Result<Self, ArrayError> {
        let path = self.path().to_path_buf();
        if if_exists != IfExists::ReuseIfCompatible {
            return Err(ArrayError::AlreadyExists { path });
        }
        let existing = Self::open(&path)?;
        let pairs = existing.fields().into_iter().zip(self.fields());
        let differences: Vec<Difference> = pairs
            .filter(|((_, existing), (_, wanted))| existing != wanted)
            .map(|((field, existing), (_, wanted))| Difference { field, existing, wanted })
            .collect();
        if !differences.is_empty() {
            return Err(ArrayError::Incompatible { path, differences });
        }
        Ok(existing)
    }

    /// Everything that changes what voxels mean or where they are stored, as text.
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("zarr_version", format!("{:?}", self.version())),
            ("channels", format!("{:?}", self.channels())),
            ("shape", self.shape().to_string()),
            ("dtype", self.dtype().to_string()),
            ("chunk_shape", self.chunk_shape().to_string()),
            ("voxel_size", self.voxel_size().to_string()),
            ("offset", self.offset().to_string()),
            ("axis_names", format!("{:?}", self.axis_names())),
            ("units", format!("{:?}", self.units())),
            ("fill_value", self.fill_value().to_string()),
        ]
    }
}

fn with_attributes(
    mut metadata: zarrs::array::ArrayMetadataV2,
    attributes: serde_json::Map<String, Value>,
) -> zarrs::array::ArrayMetadataV2 {
    metadata.attributes = attributes;
    metadata
}

/// Makes the folder with the metadata in it.
fn publish(path: &Path, files: &MetadataFiles) -> std::io::Result<()> {
    let files = match files {
        MetadataFiles::V2 { zarray, zattrs } => vec![
            (ZATTRS, serde_json::to_vec_pretty(zattrs)?),
            (ZARRAY, serde_json::to_vec_pretty(zarray)?),
        ],
        MetadataFiles::V3 { zarr_json } => vec![(ZARR_JSON, serde_json::to_vec_pretty(zarr_json)?)],
    };
    // Metadata are few and everything depends on them.
    AtomicStore::new(path, Durability::Power).create(&files)
}

/// What is at a path.
enum Place {
    /// Nothing, or an empty folder.
    Free,
    Array,
    Taken(Occupant),
}

/// Why an array could not be opened, when the Zarr library said `error`.
pub(crate) fn why_not_open(path: &Path, error: ArrayCreateError) -> ArrayError {
    let found = match look(path) {
        Ok(Place::Taken(found)) => found,
        Ok(Place::Free) if path.exists() => Occupant::Folder { entry: None },
        Ok(Place::Free) => return ArrayError::NotFound { path: path.to_path_buf() },
        Ok(Place::Array) => {
            return ArrayError::Metadata { path: path.to_path_buf(), source: error.into() };
        }
        Err(error) => return error,
    };
    let path = path.to_path_buf();
    match found {
        // Metadata that are not even JSON say more through the library's error.
        Occupant::Folder { entry: Some(entry) } if entry == Path::new(ZARR_JSON) => {
            ArrayError::Metadata { path, source: error.into() }
        }
        found => ArrayError::NotAnArray { path, found },
    }
}

/// Looks at a path without changing anything.
fn look(path: &Path) -> Result<Place, ArrayError> {
    let io = |source| ArrayError::Io { path: path.to_path_buf(), source };
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => return Ok(Place::Taken(Occupant::File)),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Place::Free),
        Err(error) => return Err(io(error)),
    }
    if let Some(place) = metadata(path).map_err(io)? {
        return Ok(place);
    }
    Ok(match first_entry(path, |_| false).map_err(io)? {
        None => Place::Free,
        // Metadata are there before any chunk: another process may have put both just now.
        Some(entry) => metadata(path)
            .map_err(io)?
            .unwrap_or(Place::Taken(Occupant::Folder { entry: Some(entry) })),
    })
}

/// What the Zarr metadata in a folder say that it is, if there are any.
fn metadata(folder: &Path) -> std::io::Result<Option<Place>> {
    match fs::read(folder.join(ZARR_JSON)) {
        Ok(bytes) => {
            let json: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            return Ok(Some(match json.get("node_type").and_then(Value::as_str) {
                Some("array") => Place::Array,
                Some("group") => Place::Taken(Occupant::Group),
                _ => Place::Taken(Occupant::Folder { entry: Some(ZARR_JSON.into()) }),
            }));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(if folder.join(ZARRAY).try_exists()? {
        Some(Place::Array)
    } else if folder.join(ZGROUP).try_exists()? {
        Some(Place::Taken(Occupant::Group))
    } else {
        None
    })
}

/// The first entry of a folder, by name, that is not `known`.
fn first_entry(folder: &Path, known: fn(&str) -> bool) -> std::io::Result<Option<PathBuf>> {
    let mut first: Option<PathBuf> = None;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let is_first = first.as_ref().is_none_or(|first| name < *first.as_os_str());
        if is_first && !name.to_str().is_some_and(known) {
            first = Some(name.into());
        }
    }
    Ok(first)
}

/// Whether a name in the folder of an array can be part of that array: metadata, chunks or
/// leftovers.
fn is_part_of_array(name: &str) -> bool {
    let is_chunk_key = |name: &str| name.chars().all(|c| c.is_ascii_digit() || c == '.');
    [ZARR_JSON, ZARRAY, ZATTRS, "c"].contains(&name)
        || name.starts_with(TEMPORARY_PREFIX)
        || is_chunk_key(name.strip_prefix("c.").unwrap_or(name))
}

/// Deletes an array, and nothing but an array. It disappears at once, then its files are deleted.
fn remove_array(path: &Path) -> Result<(), ArrayError> {
    let io = |source| ArrayError::Io { path: path.to_path_buf(), source };
    if let Some(entry) = first_entry(path, is_part_of_array).map_err(io)? {
        let found = Occupant::ArrayWith { entry };
        return Err(ArrayError::Occupied { path: path.to_path_buf(), found });
    }
    let aside = fs::canonicalize(path).map_err(io)?.with_file_name(temporary_name());
    fs::rename(path, &aside).and_then(|()| fs::remove_dir_all(&aside)).map_err(io)
}
