//! Groups above arrays.

use serde_json::json;
use zarrs::storage::{StoreKey, WritableStorageTraits};

use crate::store::{Place, ZARR_JSON, ZGROUP};
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
/// [`Occupied`](ArrayError::Occupied) by a file, [`ReadOnly`](ArrayError::ReadOnly),
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
    let (name, metadata) = match version {
        ZarrVersion::V2 => (ZGROUP, json!({"zarr_format": 2})),
        ZarrVersion::V3 => {
            (ZARR_JSON, json!({"zarr_format": 3, "node_type": "group", "attributes": {}}))
        }
    };
    // Others may do the same: whoever is last writes the same again.
    StoreKey::new(name)
        .map_err(Into::into)
        .and_then(|key| store.set(&key, metadata.to_string().into()))
        .map_err(|error| ArrayError::Metadata { path: store.path(), source: error.into() })
}
