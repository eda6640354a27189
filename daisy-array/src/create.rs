//! Making arrays, and what to do about what is there already.

use std::io;
use std::path::Path;

use zarrs::array::{ArrayCreateError, ArrayMetadata};
use zarrs::storage::StorageError;

use crate::bounded;
use crate::metadata::MetadataFiles;
use crate::store::{Place, Store, ZARR_JSON};
use crate::{
    Array, ArrayError, ArraySpec, Difference, IfExists, Location, MetadataKeys, Occupant,
    OpenOptions,
};

impl Array {
    /// Makes an array, on disk or in a store, and opens it. Folders above it are made as needed.
    ///
    /// If several processes create the same array at once, one of them does and the others find it
    /// there, so workers may all start with [`IfExists::ReuseIfCompatible`] or
    /// [`IfExists::ReplaceIfDifferent`].
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
    ///   [`SpecLevel`](ArrayError::SpecLevel), [`SpecShard`](ArrayError::SpecShard),
    ///   [`SpecWriteShape`](ArrayError::SpecWriteShape), [`SpecNotInV2`](ArrayError::SpecNotInV2),
    ///   [`SpecChannel`](ArrayError::SpecChannel), [`SpecAttribute`](ArrayError::SpecAttribute),
    ///   [`Geometry`](ArrayError::Geometry). Nothing was touched.
    /// - Something in the way: [`AlreadyExists`](ArrayError::AlreadyExists),
    ///   [`Incompatible`](ArrayError::Incompatible), [`Occupied`](ArrayError::Occupied),
    ///   [`InsideArray`](ArrayError::InsideArray). Nothing was touched.
    /// - The file system: [`Io`](ArrayError::Io).
    pub fn create(
        location: impl Into<Location>,
        spec: &ArraySpec,
        if_exists: IfExists,
    ) -> Result<Self, ArrayError> {
        let store = location.into().into_store();
        let metadata = spec.metadata()?;
        let keys = spec.metadata_keys();
        let new = Self::draft(&store, &metadata, keys)?;
        match (store.look()?, if_exists) {
            (Place::Free, _) => store.check_surroundings()?,
            (Place::Array, IfExists::Overwrite) => store.remove_array()?,
            (Place::Array, IfExists::ReplaceIfDifferent) => {
                if let Some(same) = new.same_or_removed(keys)? {
                    return Ok(same);
                }
            }
            (Place::Array, _) => return new.existing(if_exists, keys),
            (Place::Taken(found), _) => {
                return Err(ArrayError::Occupied { path: store.path(), found });
            }
        }
        let files = metadata
            .files()
            .map_err(|error| ArrayError::Metadata { path: store.path(), source: error.into() })?;
        let Err(source) = store.create(&files) else { return Ok(new) };
        let path = store.path();
        match store.look()? {
            // Another process was faster.
            Place::Array => new.existing(if_exists, keys),
            Place::Taken(found) => Err(ArrayError::Occupied { path, found }),
            Place::Free => Err(ArrayError::Io { path, source }),
        }
    }

    /// The array of a description, with nothing stored yet.
    fn draft(
        store: &Store,
        metadata: &MetadataFiles,
        keys: &MetadataKeys,
    ) -> Result<Self, ArrayError> {
        bounded::register();
        let metadata = match metadata {
            MetadataFiles::V2 { zarray, zattrs } => serde_json::from_value(zarray.clone())
                .map(|v2| ArrayMetadata::V2(with_attributes(v2, zattrs.clone()))),
            MetadataFiles::V3 { zarr_json } => {
                serde_json::from_value(zarr_json.clone()).map(ArrayMetadata::V3)
            }
        };
        let bad = |source| ArrayError::Metadata { path: store.path(), source };
        let inner = metadata.map_err(|error| bad(error.into())).and_then(|metadata| {
            zarrs::array::Array::new_with_metadata(store.clone().into(), "/", metadata)
                .map_err(|error| bad(error.into()))
        })?;
        Self::new(inner, keys)
    }

    /// The array that is there if it is the same as this one; else it is removed, if nobody else has
    /// done so. What another process puts there meanwhile stays.
    fn same_or_removed(&self, keys: &MetadataKeys) -> Result<Option<Self>, ArrayError> {
        let store = self.inner.storage();
        match self.same(keys) {
            Err(error) if is_gone(&error) || is_another(&error) => {}
            same => return same.map(Some),
        }
        let locked = store.lock_array();
        let locked = locked.map_err(|source| ArrayError::Io { path: store.path(), source })?;
        let Some(_lock) = locked else { return Ok(None) };
        // Whoever held the lock before may have removed it, or put the same there.
        match self.same(keys) {
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) if is_another(&error) => store.remove_array().map(|()| None),
            same => same.map(Some),
        }
    }

    /// The array that is there instead of this one, if that will do.
    fn existing(&self, if_exists: IfExists, keys: &MetadataKeys) -> Result<Self, ArrayError> {
        match if_exists {
            IfExists::ReuseIfCompatible | IfExists::ReplaceIfDifferent => self.same(keys),
            IfExists::Error | IfExists::Overwrite => {
                Err(ArrayError::AlreadyExists { path: self.path().to_path_buf() })
            }
        }
    }

    /// The array that is there, if it is the same.
    fn same(&self, keys: &MetadataKeys) -> Result<Self, ArrayError> {
        let path = self.path().to_path_buf();
        let location = Location::of(self.inner.storage().as_ref().clone());
        let existing = Self::open_with(location, &OpenOptions::default().keys(keys.clone()))?;
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
        let kinds = self.axes().iter().map(|axis| axis.kind.name()).collect::<Vec<_>>();
        let shard_shape = self.shard_shape().map_or_else(|| "none".to_owned(), ToString::to_string);
        vec![
            ("zarr_version", format!("{:?}", self.version())),
            ("axis_kinds", format!("{kinds:?}")),
            ("channels", format!("{:?}", self.channels())),
            ("shape", self.shape().to_string()),
            ("dtype", self.dtype().to_string()),
            ("chunk_shape", self.chunk_shape().to_string()),
            ("shard_shape", shard_shape),
            ("voxel_size", self.voxel_size().to_string()),
            ("offset", self.offset().to_string()),
            ("axis_names", format!("{:?}", self.axis_names())),
            ("units", format!("{:?}", self.units())),
            ("fill_value", self.fill_value().to_string()),
        ]
    }
}

/// Whether an error says that the array is no longer there, or the folder of one.
fn is_gone(error: &ArrayError) -> bool {
    matches!(error, ArrayError::NotFound { .. } | ArrayError::NotAnArray { .. })
}

/// Whether an error says that what is there is another array.
fn is_another(error: &ArrayError) -> bool {
    matches!(
        error,
        ArrayError::Incompatible { .. }
            | ArrayError::Metadata { .. }
            | ArrayError::UnsupportedDtype { .. }
            | ArrayError::Attribute { .. }
            | ArrayError::Geometry(_)
    )
}

fn with_attributes(
    mut metadata: zarrs::array::ArrayMetadataV2,
    attributes: serde_json::Map<String, serde_json::Value>,
) -> zarrs::array::ArrayMetadataV2 {
    metadata.attributes = attributes;
    metadata
}

/// Why an array could not be opened, when the Zarr library said `error`.
pub(crate) fn why_not_open(store: &Store, error: ArrayCreateError) -> ArrayError {
    let path = store.path();
    let found = match store.look() {
        // It is an array that cannot be read just now, which says nothing of what it is.
        Ok(Place::Array) if is_failure(&error) => {
            return ArrayError::Io { path, source: io::Error::other(error) };
        }
        Ok(Place::Taken(found)) => found,
        Ok(Place::Free) if store.exists() => Occupant::Folder { entry: None },
        Ok(Place::Free) => return ArrayError::NotFound { path },
        // It was made just after it was looked for.
        Ok(Place::Array) if is_missing(&error) => return ArrayError::NotFound { path },
        Ok(Place::Array) => return ArrayError::Metadata { path, source: error.into() },
        Err(error) => return error,
    };
    match found {
        // Metadata that are not even JSON say more through the library's error.
        Occupant::Folder { entry: Some(entry) } if entry == Path::new(ZARR_JSON) => {
            ArrayError::Metadata { path, source: error.into() }
        }
        found => ArrayError::NotAnArray { path, found },
    }
}

fn is_missing(error: &ArrayCreateError) -> bool {
    matches!(error, ArrayCreateError::MissingMetadata)
}

/// Whether the store could not be asked, rather than what it has makes no sense.
pub(crate) fn is_failure(error: &ArrayCreateError) -> bool {
    matches!(
        error,
        ArrayCreateError::StorageError(
            StorageError::IOError(_) | StorageError::Other(_) | StorageError::Unsupported(_)
        )
    )
}
