//! Groups above arrays.

use serde_json::{Map, Value, json};
use zarrs::storage::{StoreKey, WritableStorageTraits};

use crate::store::{Files, Place, Store, ZARR_JSON, ZATTRS, ZGROUP};
use crate::{ArrayError, Location, Occupant, ZarrVersion};

/// Makes a Zarr group without attributes, unless there is a group or an array already, of either
/// version. Programs that list what a volume holds need groups; [`Array`](crate::Array) does not.
///
/// Several processes may do so at once.
///
/// ```
/// use daisy_array::{Array, ArraySpec, Dtype, IfExists, ZarrVersion, ensure_group};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let volume = folder.path().join("volume.zarr");
/// ensure_group(&volume, ZarrVersion::V3)?;
/// Array::create(volume.join("raw"), &ArraySpec::new([64, 64], Dtype::U8), IfExists::Error)?;
/// ensure_group(&volume, ZarrVersion::V3)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Occupied`](ArrayError::Occupied) by a file, [`InsideArray`](ArrayError::InsideArray),
/// [`ReadOnly`](ArrayError::ReadOnly),
/// [`Metadata`](ArrayError::Metadata) if it cannot be stored, and what
/// [`Array::create`](crate::Array::create) says of places that cannot be looked at.
pub fn ensure_group(location: impl Into<Location>, version: ZarrVersion) -> Result<(), ArrayError> {
    let store = location.into().into_store();
    match store.look()? {
        Place::Array | Place::Taken(Occupant::Group | Occupant::ArrayWith { .. }) => return Ok(()),
        Place::Taken(found @ Occupant::File) => {
            return Err(ArrayError::Occupied { path: store.path(), found });
        }
        // Of a folder that holds something a group is made: arrays may have been there before.
        Place::Free | Place::Taken(Occupant::Folder { .. }) => {}
    }
    if store.is_read_only() {
        return Err(ArrayError::ReadOnly { path: store.path() });
    }
    store.check_surroundings()?;
    // Others may do the same: whoever is last writes the same again.
    put(&store, group_files(version, Map::new()))
}

/// The files of a group with these attributes.
pub(crate) fn group_files(version: ZarrVersion, attributes: Map<String, Value>) -> Files {
    let file = |name, json: Value| (name, format!("{json:#}").into_bytes());
    match version {
        ZarrVersion::V2 => {
            let attributes = (!attributes.is_empty()).then_some(attributes);
            let attributes = attributes.map(|attributes| file(ZATTRS, attributes.into()));
            let group = file(ZGROUP, json!({"zarr_format": 2}));
            [group].into_iter().chain(attributes).collect()
        }
        ZarrVersion::V3 => {
            let group = json!({"zarr_format": 3, "node_type": "group", "attributes": attributes});
            vec![file(ZARR_JSON, group)]
        }
    }
}

/// Writes files, over others of their names if there are any.
pub(crate) fn put(store: &Store, files: Files) -> Result<(), ArrayError> {
    let failed = |source| ArrayError::Metadata { path: store.path(), source };
    for (name, bytes) in files {
        let key = StoreKey::new(name).map_err(|error| failed(error.into()))?;
        store.set(&key, bytes.into()).map_err(|error| failed(error.into()))?;
    }
    Ok(())
}
