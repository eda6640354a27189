//! Making images: a group with its metadata, and an array per level.

use daisy_geometry::Coordinate;
use serde_json::{Map, Value};

use super::metadata::{self, Image};
use super::{Multiscale, OmeOptions, OmeProblem, OmeVersion};
use crate::attributes::Attributes;
use crate::group::{group_files, put};
use crate::store::{Place, Store};
use crate::{Array, ArrayError, ArraySpec, Difference, IfExists, Location, Occupant};

impl Multiscale {
    /// Makes an image: a group, and in it an array for each level. No level is computed from
    /// another one.
    ///
    /// `spec` describes the finest level, which is `0`. For each of `factors` there is one more,
    /// so many times coarser than the finest one: voxels as much larger and as many fewer, rounded
    /// up, with the same beginning, and chunks of the same number of voxels. The version of Zarr
    /// follows from that of OME-NGFF.
    ///
    /// With [`IfExists::ReuseIfCompatible`], levels that are missing are made; with
    /// [`IfExists::ReplaceIfDifferent`], those that differ are replaced as well; with
    /// [`IfExists::Overwrite`], those of the existing image are overwritten one by one.
    ///
    /// # Errors
    /// Those of [`Array::create`], and [`Ome`](ArrayError::Ome) if the axes are none that an image
    /// may have (time, then channels, then two or three of space).
    pub fn create(
        location: impl Into<Location>,
        spec: &ArraySpec,
        factors: &[Coordinate],
        version: OmeVersion,
        if_exists: IfExists,
    ) -> Result<Self, ArrayError> {
        let store = location.into().into_store();
        let specs = level_specs(&store, spec, factors, version)?;
        let geometries: Vec<Attributes> =
            specs.iter().map(ArraySpec::geometry).collect::<Result<_, _>>()?;
        let attributes = metadata::write_group(version, &geometries);
        let ome = |problem| ArrayError::Ome { path: store.path(), problem };
        let new = Image::parse(&Value::Object(attributes.clone())).map_err(ome)?;
        // Everything is checked before anything is made.
        specs.iter().try_for_each(|spec| spec.metadata().map(|_| ()))?;
        make_group(&store, &new, attributes, if_exists)?;
        for (level, spec) in specs.iter().enumerate() {
            Array::create(Location::of(store.join(&level.to_string())), spec, if_exists)?;
        }
        Self::open_with(Location::of(store), &OmeOptions::default())
    }
}

/// The descriptions of all levels.
fn level_specs(
    store: &Store,
    spec: &ArraySpec,
    factors: &[Coordinate],
    version: OmeVersion,
) -> Result<Vec<ArraySpec>, ArrayError> {
    let finest = spec.clone().version(version.zarr());
    let mut specs = vec![finest.clone()];
    for factor in factors {
        if factor.dims() != finest.dims() || factor.iter().any(|factor| factor < 1) {
            let problem = OmeProblem::Factors { found: factor.to_vec() };
            return Err(ArrayError::Ome { path: store.path(), problem });
        }
        specs.push(finest.coarser(factor)?);
    }
    Ok(specs)
}

/// Makes the group, or sees to it that the one that is there will do.
fn make_group(
    store: &Store,
    new: &Image,
    attributes: Map<String, Value>,
    if_exists: IfExists,
) -> Result<(), ArrayError> {
    let path = || store.path();
    let files = group_files(new.version.zarr(), attributes);
    let existing = match store.look()? {
        Place::Free => {
            store.check_surroundings()?;
            match store.create(&files) {
                Ok(()) => return Ok(()),
                // Another process was faster, or something is wrong.
                Err(source) => match store.look()? {
                    Place::Taken(Occupant::Group) => metadata::read_group(store)?,
                    _ => return Err(ArrayError::Io { path: path(), source }),
                },
            }
        }
        Place::Taken(Occupant::Group) => metadata::read_group(store)?,
        Place::Taken(found) => return Err(ArrayError::Occupied { path: path(), found }),
        Place::Array => return Err(ArrayError::AlreadyExists { path: path() }),
    };
    let ome = |problem| ArrayError::Ome { path: path(), problem };
    if if_exists == IfExists::Error {
        return Err(ArrayError::AlreadyExists { path: path() });
    }
    let existing = Image::parse(&existing).map_err(ome)?;
    if if_exists != IfExists::Overwrite {
        let differences = differences(&existing, new).map_err(ome)?;
        if differences.is_empty() {
            return Ok(());
        }
        if if_exists == IfExists::ReuseIfCompatible {
            return Err(ArrayError::Incompatible { path: path(), differences });
        }
    }
    if let Some(more) = existing.datasets().get(new.datasets().len()) {
        let path = metadata::path_of(more).map_err(ome)?.to_owned();
        return Err(ome(OmeProblem::MoreLevels { path }));
    }
    if existing.version != new.version {
        let differences = vec![version_difference(&existing, new)];
        return Err(ArrayError::Incompatible { path: path(), differences });
    }
    put(store, files)
}

fn version_difference(existing: &Image, new: &Image) -> Difference {
    Difference {
        field: "ome_version",
        existing: format!("{:?}", existing.version),
        wanted: format!("{:?}", new.version),
    }
}

/// In what the metadata of two images differ, as far as voxels are concerned.
fn differences(existing: &Image, new: &Image) -> Result<Vec<Difference>, OmeProblem> {
    let describe = |image: &Image| -> Result<Vec<(&'static str, String)>, OmeProblem> {
        let axes = image.axes(&OmeOptions::default())?;
        let level = |dataset: &Value| {
            let Attributes { voxel_size, offset, .. } = image.geometry(dataset, &axes)?;
            Ok(format!("{}: {voxel_size} from {offset}", metadata::path_of(dataset)?))
        };
        let levels: Vec<String> =
            image.datasets().iter().map(level).collect::<Result<_, OmeProblem>>()?;
        let axis = |(axis, _): &metadata::WorldAxis| {
            format!("{} ({} {})", axis.name, axis.kind, axis.unit)
        };
        let axes: Vec<String> = axes.iter().map(axis).collect();
        Ok(vec![
            ("ome_version", format!("{:?}", image.version)),
            ("axes", axes.join(", ")),
            ("levels", levels.join(", ")),
        ])
    };
    let pairs = describe(existing)?.into_iter().zip(describe(new)?);
    Ok(pairs
        .filter(|(existing, new)| existing != new)
        .map(|((field, existing), (_, wanted))| Difference { field, existing, wanted })
        .collect())
}
