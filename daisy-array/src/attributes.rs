//! The attributes that say where the voxels of a Zarr array lie.
//!
//! | key | meaning | without it |
//! |---|---|---|
//! | `voxel_size`, or `resolution` in older files | world units per voxel | 1 |
//! | `offset` | where the first voxel begins, in world units | 0 |
//! | `axis_names` | a name per axis | the dimension names of Zarr v3, else `d0`, `d1`, ... |
//! | `units` | the world unit per axis | empty |
//! | `types` | `"channel"` marks axes that are not in the world | see below |
//!
//! Channel axes come first. Without `types` there are as many as `voxel_size` (or `offset`) is
//! shorter than the shape.

use daisy_geometry::Coordinate;
use serde_json::{Map, Value, json};

use crate::AttributeProblem;

const VOXEL_SIZE: &str = "voxel_size";
const RESOLUTION: &str = "resolution";
const OFFSET: &str = "offset";
const AXIS_NAMES: &str = "axis_names";
const UNITS: &str = "units";
const TYPES: &str = "types";
const CHANNEL: &str = "channel";

/// Where voxels lie, and the names of things. One entry per spatial axis in each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) voxel_size: Coordinate,
    pub(crate) offset: Coordinate,
    pub(crate) axis_names: Vec<String>,
    pub(crate) units: Vec<String>,
}

/// A bad attribute: its key and what is wrong with it.
pub(crate) type BadAttribute = (&'static str, AttributeProblem);

impl Attributes {
    /// Reads the attributes of an array with `axes` axes, whose Zarr v3 dimension names are
    /// `dimension_names`.
    pub(crate) fn read(
        attributes: &Map<String, Value>,
        axes: usize,
        dimension_names: Option<&[Option<String>]>,
    ) -> Result<Self, BadAttribute> {
        let voxel_size = voxel_size(attributes)?;
        let offset = numbers(attributes, OFFSET)?;
        let channels = channels(attributes, axes)?;
        let shorter =
            voxel_size.as_ref().map(|(_, v)| v).or(offset.as_ref()).map_or(axes, Vec::len);
        let dims = channels.map_or(shorter.min(axes), |channels| axes - channels);

        let (size_key, voxel_size) = voxel_size.unwrap_or_else(|| (VOXEL_SIZE, vec![1; dims]));
        let voxel_size = spatial(size_key, voxel_size, dims, axes)?;
        if let Some((index, &found)) = voxel_size.iter().enumerate().find(|(_, size)| **size < 1) {
            return Err((size_key, AttributeProblem::NotPositive { index, found }));
        }
        let offset = spatial(OFFSET, offset.unwrap_or_else(|| vec![0; dims]), dims, axes)?;
        let axis_names = match texts(attributes, AXIS_NAMES)? {
            Some(names) => spatial(AXIS_NAMES, names, dims, axes)?,
            None => default_names(dims, dimension_names.unwrap_or_default()),
        };
        let units = texts(attributes, UNITS)?.unwrap_or_else(|| vec![String::new(); dims]);
        let units = spatial(UNITS, units, dims, axes)?;
        Ok(Self { voxel_size: voxel_size.into(), offset: offset.into(), axis_names, units })
    }

    /// The names of all axes, channels first.
    pub(crate) fn names_of_all_axes(&self, channels: usize) -> Vec<String> {
        (0..channels).map(|axis| format!("c{axis}")).chain(self.axis_names.clone()).collect()
    }

    /// The attributes as they are written.
    pub(crate) fn to_json(&self, channels: usize) -> Map<String, Value> {
        let types: Vec<&str> = std::iter::repeat_n(CHANNEL, channels)
            .chain(std::iter::repeat_n("space", self.axis_names.len()))
            .collect();
        let mut attributes = Map::new();
        attributes.insert(OFFSET.to_owned(), json!(self.offset.to_vec()));
        attributes.insert(VOXEL_SIZE.to_owned(), json!(self.voxel_size.to_vec()));
        attributes.insert(AXIS_NAMES.to_owned(), json!(self.names_of_all_axes(channels)));
        attributes.insert(UNITS.to_owned(), json!(self.units));
        attributes.insert(TYPES.to_owned(), json!(types));
        attributes
    }
}

/// Names for axes that have none: that of the dimension, or `d` and the number of the axis.
pub(crate) fn default_names(dims: usize, dimension_names: &[Option<String>]) -> Vec<String> {
    let leading = dimension_names.len().saturating_sub(dims);
    let name = |axis| dimension_names.get(leading + axis).cloned().flatten();
    (0..dims).map(|axis| name(axis).unwrap_or_else(|| format!("d{axis}"))).collect()
}

/// The voxel size under either of its keys, with that key.
fn voxel_size(
    attributes: &Map<String, Value>,
) -> Result<Option<(&'static str, Vec<i64>)>, BadAttribute> {
    let new = numbers(attributes, VOXEL_SIZE)?;
    let old = numbers(attributes, RESOLUTION)?;
    match (new, old) {
        (Some(new), Some(old)) if new != old => {
            Err((VOXEL_SIZE, AttributeProblem::Contradicts { other: RESOLUTION }))
        }
        (Some(new), _) => Ok(Some((VOXEL_SIZE, new))),
        (None, old) => Ok(old.map(|old| (RESOLUTION, old))),
    }
}

/// The number of channel axes, if the types of all axes are known.
fn channels(attributes: &Map<String, Value>, axes: usize) -> Result<Option<usize>, BadAttribute> {
    let Some(types) = texts(attributes, TYPES)? else { return Ok(None) };
    if types.len() != axes {
        let problem = AttributeProblem::Length { expected: axes, found: types.len() };
        return Err((TYPES, problem));
    }
    let leading = types.iter().take_while(|kind| *kind == CHANNEL).count();
    match types.iter().skip(leading).position(|kind| kind == CHANNEL) {
        Some(behind) => {
            Err((TYPES, AttributeProblem::ChannelNotLeading { axis: leading + behind }))
        }
        None => Ok(Some(leading)),
    }
}

/// The entries of the spatial axes, from a list that has them all or those alone.
fn spatial<T>(
    key: &'static str,
    mut entries: Vec<T>,
    dims: usize,
    axes: usize,
) -> Result<Vec<T>, BadAttribute> {
    if entries.len() == axes {
        entries.drain(..axes - dims);
    }
    if entries.len() != dims {
        let problem = AttributeProblem::Length { expected: dims, found: entries.len() };
        return Err((key, problem));
    }
    Ok(entries)
}

fn list<'a>(
    attributes: &'a Map<String, Value>,
    key: &'static str,
) -> Result<Option<&'a Vec<Value>>, BadAttribute> {
    match attributes.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(entries)) => Ok(Some(entries)),
        Some(_) => Err((key, AttributeProblem::NotAList)),
    }
}

fn numbers(
    attributes: &Map<String, Value>,
    key: &'static str,
) -> Result<Option<Vec<i64>>, BadAttribute> {
    let Some(entries) = list(attributes, key)? else { return Ok(None) };
    let number = |(index, entry): (usize, &Value)| {
        whole_number(entry).ok_or_else(|| {
            (key, AttributeProblem::NotAnInteger { index, found: entry.to_string() })
        })
    };
    entries.iter().enumerate().map(number).collect::<Result<_, _>>().map(Some)
}

/// An integer, also where it was written as a float, as Python likes to do.
fn whole_number(entry: &Value) -> Option<i64> {
    const EXACT: f64 = (1u64 << 53) as f64;
    let from_float =
        |value: f64| (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64);
    entry.as_i64().or_else(|| entry.as_f64().and_then(from_float))
}

fn texts(
    attributes: &Map<String, Value>,
    key: &'static str,
) -> Result<Option<Vec<String>>, BadAttribute> {
    let Some(entries) = list(attributes, key)? else { return Ok(None) };
    let text = |(index, entry): (usize, &Value)| match entry.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err((key, AttributeProblem::NotText { index, found: entry.to_string() })),
    };
    entries.iter().enumerate().map(text).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attributes: Value, axes: usize) -> Result<Attributes, BadAttribute> {
        Attributes::read(attributes.as_object().unwrap(), axes, None)
    }

    #[test]
    fn without_attributes_voxels_are_unit_cubes_from_zero() {
        let attributes = read(json!({}), 2).unwrap();
        assert_eq!(attributes.voxel_size, Coordinate::from([1, 1]));
        assert_eq!(attributes.offset, Coordinate::from([0, 0]));
        assert_eq!(attributes.axis_names, ["d0", "d1"]);
        assert_eq!(attributes.units, ["", ""]);
    }

    #[test]
    fn older_files_say_resolution_and_have_fewer_entries_than_axes() {
        let old = read(json!({"resolution": [40.0, 4, 4], "offset": [-40, 0, 8]}), 4).unwrap();
        assert_eq!(old.voxel_size, Coordinate::from([40, 4, 4]));
        assert_eq!(old.offset, Coordinate::from([-40, 0, 8]));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let attributes = Attributes {
            voxel_size: [4, 5].into(),
            offset: [-3, 0].into(),
            axis_names: vec!["y".to_owned(), "x".to_owned()],
            units: vec!["nm".to_owned(), "s".to_owned()],
        };
        for channels in 0..3 {
            let json = attributes.to_json(channels);
            assert_eq!(Attributes::read(&json, channels + 2, None), Ok(attributes.clone()));
        }
    }

    #[test]
    fn names_of_dimensions_serve_as_names_of_axes() {
        let names = [Some("c".to_owned()), Some("y".to_owned()), None];
        let attributes = json!({"voxel_size": [1, 1]});
        let attributes = Attributes::read(attributes.as_object().unwrap(), 3, Some(&names));
        assert_eq!(attributes.unwrap().axis_names, ["y", "d1"]);
    }

    #[test]
    fn nonsense_is_refused_with_its_key() {
        use AttributeProblem::*;
        let problem = |attributes: Value| read(attributes, 2).unwrap_err();
        let number = |index, found: &str| NotAnInteger { index, found: found.to_owned() };
        assert_eq!(problem(json!({"voxel_size": 4})), (VOXEL_SIZE, NotAList));
        assert_eq!(problem(json!({"voxel_size": [4, 1.5]})), (VOXEL_SIZE, number(1, "1.5")));
        assert_eq!(problem(json!({"offset": [1e300, 0]})), (OFFSET, number(0, "1e+300")));
        assert_eq!(problem(json!({"offset": ["a", 0]})), (OFFSET, number(0, "\"a\"")));
        assert_eq!(
            problem(json!({"resolution": [4, 0]})),
            (RESOLUTION, NotPositive { index: 1, found: 0 })
        );
        assert_eq!(
            problem(json!({"resolution": [4, 4], "voxel_size": [4, 5]})),
            (VOXEL_SIZE, Contradicts { other: RESOLUTION })
        );
        assert_eq!(
            problem(json!({"voxel_size": [4, 4], "offset": [1]})),
            (OFFSET, Length { expected: 2, found: 1 })
        );
        assert_eq!(
            problem(json!({"voxel_size": [4, 4, 4]})),
            (VOXEL_SIZE, Length { expected: 2, found: 3 })
        );
        assert_eq!(
            problem(json!({"axis_names": ["x"]})),
            (AXIS_NAMES, Length { expected: 2, found: 1 })
        );
        assert_eq!(
            problem(json!({"units": ["nm", 3]})),
            (UNITS, NotText { index: 1, found: "3".to_owned() })
        );
        assert_eq!(
            problem(json!({"types": ["space", "channel"]})),
            (TYPES, ChannelNotLeading { axis: 1 })
        );
        assert_eq!(problem(json!({"types": ["space"]})), (TYPES, Length { expected: 2, found: 1 }));
    }
}
