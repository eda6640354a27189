//! The attributes that say where the voxels of a Zarr array lie.
//!
//! | key | meaning | without it |
//! |---|---|---|
//! | `voxel_size`, or `resolution` in older files | world units per voxel | 1 |
//! | `offset` | where the first voxel begins, in world units | 0 |
//! | `axis_names` | a name per axis; a channel may be marked by a `^` at the end | the dimension names of Zarr v3, else `d0`, `d1`, ... |
//! | `units` | the world unit per axis | empty |
//! | `types` | `"space"`, `"time"` or `"channel"` per axis | see below |
//!
//! Without `types`, and without names that end in `^`, there are as many channels as `voxel_size`
//! (or `offset`) is shorter than the shape, and they come first. Lists may be given for all axes,
//! or for those of space and time alone.

use daisy_geometry::Coordinate;
use serde_json::{Map, Value, json};

use crate::keys::{Found, Key};
use crate::{AttributeProblem, Axis, AxisKind, MetadataKeys};

/// The last character of the name of a channel, in files of an older convention.
const CHANNEL_MARK: char = '^';

/// Where voxels lie, and the names of things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// All axes, in the order of the array.
    pub(crate) axes: Vec<Axis>,
    /// One entry per world axis.
    pub(crate) voxel_size: Coordinate,
    /// One entry per world axis.
    pub(crate) offset: Coordinate,
}

/// A bad attribute: its key and what is wrong with it.
pub(crate) type BadAttribute = (String, AttributeProblem);

impl Attributes {
    /// Reads the attributes of an array with `axes` axes, whose Zarr v3 dimension names are
    /// `dimension_names`.
    pub(crate) fn read(
        attributes: &Map<String, Value>,
        keys: &MetadataKeys,
        axes: usize,
        dimension_names: Option<&[Option<String>]>,
    ) -> Result<Self, BadAttribute> {
        let voxel_size = list_of(&keys.voxel_size, attributes, number)?;
        let offset = list_of(&keys.offset, attributes, number)?;
        let names = list_of(&keys.axis_names, attributes, text)?;
        let given = voxel_size.as_ref().or(offset.as_ref());
        let kinds = match list_of(&keys.types, attributes, kind)? {
            Some(kinds) => kinds.all(axes)?,
            None => kinds_of_names(names.as_ref(), axes).unwrap_or_else(|| {
                let world = given.map_or(axes, |list| list.entries.len().min(axes));
                leading_channels(axes - world, world)
            }),
        };
        let world = |list: List<i64>| list.world(&kinds);
        let dims = kinds.iter().filter(|kind| kind.is_world()).count();

        let voxel_size = match voxel_size {
            None => vec![1; dims],
            Some(list) => {
                let key = list.key.clone();
                let sizes = world(list)?;
                if let Some((index, &found)) = sizes.iter().enumerate().find(|(_, size)| **size < 1)
                {
                    return Err((key, AttributeProblem::NotPositive { index, found }));
                }
                sizes
            }
        };
        let offset = offset.map_or_else(|| Ok(vec![0; dims]), world)?;
        let names = all_names(names, &kinds, dimension_names.unwrap_or_default())?;
        let units = match list_of(&keys.units, attributes, text)? {
            None => vec![String::new(); dims],
            Some(units) => units.world(&kinds)?,
        };
        let mut units = units.into_iter();
        let axes = names.into_iter().zip(kinds).map(|(name, kind)| {
            let unit = if kind.is_world() { units.next() } else { None };
            Axis { name, kind, unit: unit.unwrap_or_default() }
        });
        Ok(Self { axes: axes.collect(), voxel_size: voxel_size.into(), offset: offset.into() })
    }

    /// The attributes as they are written, added to those that are there.
    pub(crate) fn write(
        &self,
        attributes: &mut Map<String, Value>,
        keys: &MetadataKeys,
    ) -> Result<(), BadAttribute> {
        let of_axes =
            |text: fn(&Axis) -> &str| -> Vec<&str> { self.axes.iter().map(text).collect() };
        let world = self.axes.iter().filter(|axis| axis.kind.is_world());
        let units: Vec<&str> = world.map(|axis| axis.unit.as_str()).collect();
        keys.offset.insert(attributes, json!(self.offset.to_vec()))?;
        keys.voxel_size.insert(attributes, json!(self.voxel_size.to_vec()))?;
        keys.axis_names.insert(attributes, json!(of_axes(|axis| &axis.name)))?;
        keys.units.insert(attributes, json!(units))?;
        keys.types.insert(attributes, json!(of_axes(|axis| axis.kind.name())))
    }
}

/// The name of a world axis that has none.
pub(crate) fn default_name(world_axis: usize) -> String {
    format!("d{world_axis}")
}

/// Kinds of axes where channels come first.
fn leading_channels(channels: usize, world: usize) -> Vec<AxisKind> {
    let channels = std::iter::repeat_n(AxisKind::Channel, channels);
    channels.chain(std::iter::repeat_n(AxisKind::Space, world)).collect()
}

/// The kinds that names of all axes say, if any of them is marked.
fn kinds_of_names(names: Option<&List<String>>, axes: usize) -> Option<Vec<AxisKind>> {
    let names = &names.filter(|names| names.entries.len() == axes)?.entries;
    let kind = |name: &String| match name.ends_with(CHANNEL_MARK) {
        true => AxisKind::Channel,
        false => AxisKind::Space,
    };
    let kinds: Vec<AxisKind> = names.iter().map(kind).collect();
    kinds.contains(&AxisKind::Channel).then_some(kinds)
}

/// A name for every axis: those given, those of the dimensions, or numbered ones.
fn all_names(
    names: Option<List<String>>,
    kinds: &[AxisKind],
    dimension_names: &[Option<String>],
) -> Result<Vec<String>, BadAttribute> {
    let (mut given, has_all) = match names {
        Some(list) if list.entries.len() == kinds.len() => (list.entries, true),
        Some(list) => (list.world(kinds)?, false),
        None => (Vec::new(), false),
    };
    given.reverse();
    let (mut channels, mut world) = (0, 0);
    let name = |(index, kind): (usize, &AxisKind)| {
        let number = if kind.is_world() { &mut world } else { &mut channels };
        let default = match kind.is_world() {
            true => default_name(*number),
            false => format!("c{number}"),
        };
        *number += 1;
        let named = if has_all || kind.is_world() { given.pop() } else { None };
        named.or_else(|| dimension_names.get(index).cloned().flatten()).unwrap_or(default)
    };
    Ok(kinds.iter().enumerate().map(name).collect())
}

/// A list that was found, and under which key.
#[derive(Clone, Debug, PartialEq)]
struct List<T> {
    key: String,
    entries: Vec<T>,
}

impl<T> List<T> {
    /// The entries, one per axis.
    fn all(self, axes: usize) -> Result<Vec<T>, BadAttribute> {
        if self.entries.len() == axes {
            return Ok(self.entries);
        }
        let problem = AttributeProblem::Length { expected: axes, found: self.entries.len() };
        Err((self.key, problem))
    }

    /// The entries of the world axes, from a list that has all axes or those alone.
    fn world(self, kinds: &[AxisKind]) -> Result<Vec<T>, BadAttribute> {
        let dims = kinds.iter().filter(|kind| kind.is_world()).count();
        if self.entries.len() != kinds.len() {
            return self.all(dims);
        }
        let pairs = self.entries.into_iter().zip(kinds);
        Ok(pairs.filter(|(_, kind)| kind.is_world()).map(|(entry, _)| entry).collect())
    }
}

/// Reads an entry, or says what is wrong with it.
type ReadEntry<T> = fn(usize, &Value) -> Result<T, AttributeProblem>;

/// The list under any of the paths of a key; two that differ contradict each other.
fn list_of<T: PartialEq>(
    key: &Key,
    attributes: &Map<String, Value>,
    read: ReadEntry<T>,
) -> Result<Option<List<T>>, BadAttribute> {
    let list = |(path, value): Found<'_>| {
        let bad = |problem| (path.to_owned(), problem);
        let entries = value.as_array().ok_or_else(|| bad(AttributeProblem::NotAList))?;
        let entries = entries.iter().enumerate().map(|(index, entry)| read(index, entry));
        let entries = entries.collect::<Result<_, _>>().map_err(bad)?;
        Ok(List { key: path.to_owned(), entries })
    };
    let mut lists = key.find(attributes)?.into_iter().map(list);
    let Some(first) = lists.next().transpose()? else { return Ok(None) };
    for other in lists {
        let other = other?;
        if other.entries != first.entries {
            return Err((first.key, AttributeProblem::Contradicts { other: other.key }));
        }
    }
    Ok(Some(first))
}

/// An integer, also where it was written as a float, as Python likes to do.
fn number(index: usize, entry: &Value) -> Result<i64, AttributeProblem> {
    const EXACT: f64 = (1u64 << 53) as f64;
    let from_float =
        |value: f64| (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64);
    entry
        .as_i64()
        .or_else(|| entry.as_f64().and_then(from_float))
        .ok_or_else(|| AttributeProblem::NotAnInteger { index, found: entry.to_string() })
}

fn text(index: usize, entry: &Value) -> Result<String, AttributeProblem> {
    match entry.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(AttributeProblem::NotText { index, found: entry.to_string() }),
    }
}

fn kind(index: usize, entry: &Value) -> Result<AxisKind, AttributeProblem> {
    let name = text(index, entry)?;
    AxisKind::from_name(&name).ok_or(AttributeProblem::UnknownType { index, found: name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attributes: Value, axes: usize) -> Result<Attributes, BadAttribute> {
        Attributes::read(attributes.as_object().unwrap(), &MetadataKeys::default(), axes, None)
    }

    fn names(attributes: &Attributes) -> Vec<&str> {
        attributes.axes.iter().map(|axis| axis.name.as_str()).collect()
    }

    fn kinds(attributes: &Attributes) -> Vec<AxisKind> {
        attributes.axes.iter().map(|axis| axis.kind).collect()
    }

    #[test]
    fn without_attributes_voxels_are_unit_cubes_from_zero() {
        let attributes = read(json!({}), 2).unwrap();
        assert_eq!(attributes.voxel_size, Coordinate::from([1, 1]));
        assert_eq!(attributes.offset, Coordinate::from([0, 0]));
        assert_eq!(names(&attributes), ["d0", "d1"]);
        assert!(attributes.axes.iter().all(|axis| axis.unit.is_empty()));
    }

    #[test]
    fn older_files_say_resolution_and_have_fewer_entries_than_axes() {
        let old = read(json!({"resolution": [40.0, 4, 4], "offset": [-40, 0, 8]}), 4).unwrap();
        assert_eq!(old.voxel_size, Coordinate::from([40, 4, 4]));
        assert_eq!(old.offset, Coordinate::from([-40, 0, 8]));
        assert_eq!(names(&old), ["c0", "d0", "d1", "d2"]);
    }

    #[test]
    fn channels_may_stand_anywhere_and_time_is_of_the_world() {
        use AxisKind::*;
        let types = json!(["time", "channel", "space"]);
        let attributes = json!({"types": types, "voxel_size": [5, 4], "units": ["s", "nm"],
            "axis_names": ["t", "c", "x"]});
        let attributes = read(attributes, 3).unwrap();
        assert_eq!(kinds(&attributes), [Time, Channel, Space]);
        assert_eq!(attributes.voxel_size, Coordinate::from([5, 4]));
        assert_eq!(attributes.axes[2].unit, "nm");
        let marked = read(json!({"axis_names": ["y", "c^", "x"], "offset": [1, 2, 3]}), 3).unwrap();
        assert_eq!(kinds(&marked), [Space, Channel, Space]);
        assert_eq!(marked.offset, Coordinate::from([1, 3]));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let axis =
            |name: &str, kind, unit: &str| Axis { name: name.into(), kind, unit: unit.into() };
        let attributes = Attributes {
            voxel_size: [4, 5].into(),
            offset: [-3, 0].into(),
            axes: vec![
                axis("t", AxisKind::Time, "s"),
                axis("colour", AxisKind::Channel, ""),
                axis("x", AxisKind::Space, "nm"),
            ],
        };
        for keys in [MetadataKeys::default(), MetadataKeys::default().units("a/0").types("a/1")] {
            let mut json = Map::new();
            attributes.write(&mut json, &keys).unwrap();
            assert_eq!(Attributes::read(&json, &keys, 3, None), Ok(attributes.clone()));
        }
    }

    #[test]
    fn names_of_dimensions_serve_as_names_of_axes() {
        let dimension_names = [Some("c".to_owned()), Some("y".to_owned()), None];
        let attributes = json!({"voxel_size": [1, 1]});
        let attributes = attributes.as_object().unwrap();
        let keys = MetadataKeys::default();
        let attributes = Attributes::read(attributes, &keys, 3, Some(&dimension_names)).unwrap();
        assert_eq!(names(&attributes), ["c", "y", "d1"]);
    }

    #[test]
    fn nonsense_is_refused_with_its_key() {
        use AttributeProblem::*;
        let problem = |attributes: Value, key: &str| {
            let (found, problem) = read(attributes, 2).unwrap_err();
            assert_eq!(found, key);
            problem
        };
        let number = |index, found: &str| NotAnInteger { index, found: found.to_owned() };
        assert_eq!(problem(json!({"voxel_size": 4}), "voxel_size"), NotAList);
        assert_eq!(problem(json!({"voxel_size": [4, 1.5]}), "voxel_size"), number(1, "1.5"));
        assert_eq!(problem(json!({"offset": [1e300, 0]}), "offset"), number(0, "1e+300"));
        assert_eq!(problem(json!({"offset": ["a", 0]}), "offset"), number(0, "\"a\""));
        assert_eq!(
            problem(json!({"resolution": [4, 0]}), "resolution"),
            NotPositive { index: 1, found: 0 }
        );
        assert_eq!(
            problem(json!({"resolution": [4, 4], "voxel_size": [4, 5]}), "voxel_size"),
            Contradicts { other: "resolution".to_owned() }
        );
        assert_eq!(
            problem(json!({"voxel_size": [4, 4], "offset": [1]}), "offset"),
            Length { expected: 2, found: 1 }
        );
        assert_eq!(
            problem(json!({"voxel_size": [4, 4, 4]}), "voxel_size"),
            Length { expected: 2, found: 3 }
        );
        assert_eq!(
            problem(json!({"axis_names": ["x"]}), "axis_names"),
            Length { expected: 2, found: 1 }
        );
        assert_eq!(
            problem(json!({"units": ["nm", 3]}), "units"),
            NotText { index: 1, found: "3".to_owned() }
        );
        assert_eq!(
            problem(json!({"types": ["space", "wavelength"]}), "types"),
            UnknownType { index: 1, found: "wavelength".to_owned() }
        );
        assert_eq!(problem(json!({"types": ["space"]}), "types"), Length { expected: 2, found: 1 });
    }
}
