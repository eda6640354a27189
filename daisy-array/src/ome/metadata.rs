//! The metadata of an image as JSON, read exactly.
//!
//! The library for OME-NGFF checks the rules. Numbers are taken from the JSON itself, as the
//! library keeps them in single precision.

use daisy_geometry::Coordinate;
use ome_zarr_metadata::{AnyOmeFields, Validate};
use serde_json::{Map, Value, json};
use zarrs::storage::{ReadableStorageTraits, StoreKey};

use super::decimal::Decimal;
use super::units::{factor, ome_name};
use super::{OmeOptions, OmeProblem, OmeVersion};
use crate::attributes::Attributes;
use crate::store::{Place, Store, ZARR_JSON, ZATTRS};
use crate::{ArrayError, Axis, AxisKind, Occupant};

const TRANSFORMATIONS: &str = "coordinateTransformations";

/// The attributes of a group.
pub(super) fn read_group(store: &Store) -> Result<Value, ArrayError> {
    match store.look()? {
        Place::Taken(Occupant::Group) => {}
        Place::Taken(found) => return Err(ArrayError::NotAnArray { path: store.path(), found }),
        Place::Free => return Err(ArrayError::NotFound { path: store.path() }),
        Place::Array => {
            return Err(ArrayError::Ome { path: store.path(), problem: OmeProblem::NoImage });
        }
    }
    let bad = |source| ArrayError::Metadata { path: store.path(), source };
    let read = |name: &str| -> Result<Option<Value>, ArrayError> {
        let key = StoreKey::new(name).map_err(|error| bad(error.into()))?;
        let bytes = store.get(&key).map_err(|error| bad(error.into()))?;
        let json = bytes.map(|bytes| serde_json::from_slice(&bytes));
        json.transpose().map_err(|error| bad(error.into()))
    };
    if let Some(mut json) = read(ZARR_JSON)? {
        return Ok(json.get_mut("attributes").map_or_else(|| json!({}), Value::take));
    }
    Ok(read(ZATTRS)?.unwrap_or_else(|| json!({})))
}

/// The first image of a group, whose metadata keep the rules.
pub(super) struct Image {
    pub(super) version: OmeVersion,
    json: Value,
}

/// An axis, and how many world units one unit of the file is along it.
pub(super) type WorldAxis = (Axis, Decimal);

impl Image {
    pub(super) fn parse(attributes: &Value) -> Result<Self, OmeProblem> {
        let invalid = |source| OmeProblem::Invalid { source };
        let images = |json: &Value| json.pointer("/multiscales/0").cloned();
        let (old, new) = (images(attributes), attributes.get("ome").and_then(images));
        let Some(json) = new.or(old) else { return Err(OmeProblem::NoImage) };
        let fields: AnyOmeFields =
            serde_json::from_value(attributes.clone()).map_err(|error| invalid(error.into()))?;
        fields.validate().map_err(|error| invalid(error.to_string().into()))?;
        let version = match fields {
            AnyOmeFields::V0_4(_) => OmeVersion::V0_4,
            _ => OmeVersion::V0_5,
        };
        Ok(Self { version, json })
    }

    pub(super) fn name(&self) -> Option<String> {
        self.json.get("name").and_then(Value::as_str).map(str::to_owned)
    }

    pub(super) fn datasets(&self) -> &[Value] {
        list(&self.json, "datasets")
    }

    /// The axes in world units.
    pub(super) fn axes(&self, options: &OmeOptions) -> Result<Vec<WorldAxis>, OmeProblem> {
        let axis = |json: &Value| {
            let text = |key| json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (name, found) = (text("name"), text("unit"));
            let Some(kind) = AxisKind::from_name(&text("type")) else {
                return Err(OmeProblem::AxisType { axis: name });
            };
            let wanted = match kind {
                AxisKind::Space => options.space_unit.as_ref(),
                AxisKind::Time => options.time_unit.as_ref(),
                AxisKind::Channel => None,
            };
            let Some(wanted) = wanted else {
                return Ok((Axis { name, kind, unit: found }, Decimal::ONE));
            };
            match factor(&found, wanted) {
                Some(factor) => Ok((Axis { name, kind, unit: wanted.clone() }, factor)),
                None => Err(OmeProblem::Unit { axis: name, found, wanted: wanted.clone() }),
            }
        };
        list(&self.json, "axes").iter().map(axis).collect()
    }

    /// Where the voxels of a level lie.
    pub(super) fn geometry(
        &self,
        dataset: &Value,
        axes: &[WorldAxis],
    ) -> Result<Attributes, OmeProblem> {
        let (mut voxel_size, mut offset) = (Vec::new(), Vec::new());
        let world = |(_, (axis, _)): &(usize, &WorldAxis)| axis.kind.is_world();
        for (index, (axis, unit)) in axes.iter().enumerate().filter(world) {
            let place = OneAxis { index, axis: &axis.name };
            let (scale, translation) = place.transformed(dataset, Decimal::ONE, Decimal::ZERO)?;
            let (scale, translation) = place.transformed(&self.json, scale, translation)?;
            let scale = place.whole("scale", scale, *unit)?;
            if scale < 1 {
                return Err(OmeProblem::NotPositive { axis: axis.name.clone() });
            }
            voxel_size.push(scale);
            offset.push(place.whole("translation", translation, *unit)?);
        }
        Ok(Attributes {
            axes: axes.iter().map(|(axis, _)| axis.clone()).collect(),
            voxel_size: voxel_size.into(),
            offset: offset.into(),
        })
    }
}

/// One axis of an image.
struct OneAxis<'a> {
    index: usize,
    axis: &'a str,
}

impl OneAxis<'_> {
    /// What the transformations of a level, then those of the image, make of a scale and a
    /// translation.
    fn transformed(
        &self,
        json: &Value,
        mut scale: Decimal,
        mut translation: Decimal,
    ) -> Result<(Decimal, Decimal), OmeProblem> {
        for transformation in list(json, TRANSFORMATIONS) {
            if let Some(by) = self.number("scale", transformation)? {
                let product = |number: Decimal| {
                    number.checked_mul(by).ok_or_else(|| self.not_whole("scale", by))
                };
                (scale, translation) = (product(scale)?, product(translation)?);
            }
            if let Some(by) = self.number("translation", transformation)? {
                translation =
                    translation.checked_add(by).ok_or_else(|| self.not_whole("translation", by))?;
            }
        }
        Ok((scale, translation))
    }

    /// The number of this axis in a transformation, if it is of that type. Numbers that lie in a
    /// file of their own are not read.
    fn number(&self, field: &'static str, json: &Value) -> Result<Option<Decimal>, OmeProblem> {
        if json.get("type").and_then(Value::as_str) != Some(field) {
            return Ok(None);
        }
        let entry = json.get(field).and_then(|list| list.get(self.index)).unwrap_or(&Value::Null);
        let problem =
            || OmeProblem::NotWhole { field, axis: self.axis.to_owned(), found: entry.to_string() };
        Decimal::from_json(entry).map(Some).ok_or_else(problem)
    }

    fn whole(
        &self,
        field: &'static str,
        number: Decimal,
        unit: Decimal,
    ) -> Result<i64, OmeProblem> {
        let number = number.checked_mul(unit).ok_or_else(|| self.not_whole(field, number))?;
        number.to_whole().ok_or_else(|| self.not_whole(field, number))
    }

    fn not_whole(&self, field: &'static str, found: Decimal) -> OmeProblem {
        OmeProblem::NotWhole { field, axis: self.axis.to_owned(), found: found.to_string() }
    }
}

/// The path of a level below its group.
pub(super) fn path_of(dataset: &Value) -> Result<&str, OmeProblem> {
    let path = dataset.get("path").and_then(Value::as_str).unwrap_or_default();
    let is_name = |part: &str| !part.is_empty() && part != "." && part != "..";
    if path.split(['/', '\\']).all(is_name) {
        return Ok(path);
    }
    Err(OmeProblem::Path { found: path.to_owned() })
}

/// The attributes of the group of an image, from the geometry of its levels.
pub(super) fn write_group(version: OmeVersion, levels: &[Attributes]) -> Map<String, Value> {
    let axis = |axis: &Axis| match axis.unit.as_str() {
        "" => json!({"name": axis.name, "type": axis.kind.name()}),
        unit => json!({"name": axis.name, "type": axis.kind.name(), "unit": ome_name(unit)}),
    };
    let axes: Vec<Value> = levels.iter().take(1).flat_map(|level| &level.axes).map(axis).collect();
    let dataset = |(path, level): (usize, &Attributes)| {
        let all = |world: &Coordinate, channel: i64| -> Vec<i64> {
            let mut world = world.iter();
            let entry = |axis: &Axis| match axis.kind.is_world() {
                true => world.next().unwrap_or(channel),
                false => channel,
            };
            level.axes.iter().map(entry).collect()
        };
        json!({"path": path.to_string(), TRANSFORMATIONS: [
            {"type": "scale", "scale": all(&level.voxel_size, 1)},
            {"type": "translation", "translation": all(&level.offset, 0)},
        ]})
    };
    let datasets: Vec<Value> = levels.iter().enumerate().map(dataset).collect();
    let mut attributes = Map::new();
    match version {
        OmeVersion::V0_4 => {
            let image = json!([{"version": "0.4", "axes": axes, "datasets": datasets}]);
            attributes.insert("multiscales".to_owned(), image);
        }
        OmeVersion::V0_5 => {
            let image = json!([{"axes": axes, "datasets": datasets}]);
            attributes.insert("ome".to_owned(), json!({"version": "0.5", "multiscales": image}));
        }
    }
    attributes
}

fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
