//! Under which keys attributes say where the voxels lie.

use serde_json::{Map, Value};

use crate::AttributeProblem;

/// The keys under which the attributes of an array say where its voxels lie.
///
/// The default understands `voxel_size` (or `resolution`, as daisy 0.2 wrote it), `offset`,
/// `axis_names`, `units` and `types`, each of which may be absent. A key of one's own must be
/// there. It may be a path into nested attributes, with numbers for the entries of lists:
/// `"a/b/0/c"`.
///
/// ```
/// use daisy_array::{Array, ArraySpec, Dtype, IfExists, MetadataKeys, OpenOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.zarr");
/// let keys = MetadataKeys::default().voxel_size("scan/0/pitch").offset("scan/0/start");
/// let spec = ArraySpec::new([8, 8], Dtype::U8).voxel_size([4, 4]).keys(keys.clone());
/// Array::create(&path, &spec, IfExists::Error)?;
///
/// let array = Array::open_with(&path, &OpenOptions::default().keys(keys))?;
/// assert_eq!(array.voxel_size().as_slice(), [4, 4]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct MetadataKeys {
    pub(crate) voxel_size: Key,
    pub(crate) offset: Key,
    pub(crate) axis_names: Key,
    pub(crate) units: Key,
    pub(crate) types: Key,
}

impl Default for MetadataKeys {
    fn default() -> Self {
        Self {
            voxel_size: Key { paths: vec!["voxel_size".into(), "resolution".into()], own: false },
            offset: Key::usual("offset"),
            axis_names: Key::usual("axis_names"),
            units: Key::usual("units"),
            types: Key::usual("types"),
        }
    }
}

impl MetadataKeys {
    /// Where world units per voxel are: a list of whole numbers.
    pub fn voxel_size(mut self, path: impl Into<String>) -> Self {
        self.voxel_size = Key::own(path);
        self
    }

    /// Where the beginning of the first voxel is, in world units: a list of whole numbers.
    pub fn offset(mut self, path: impl Into<String>) -> Self {
        self.offset = Key::own(path);
        self
    }

    /// Where the names of the axes are: a list of text.
    pub fn axis_names(mut self, path: impl Into<String>) -> Self {
        self.axis_names = Key::own(path);
        self
    }

    /// Where the world units are: a list of text.
    pub fn units(mut self, path: impl Into<String>) -> Self {
        self.units = Key::own(path);
        self
    }

    /// Where the kinds of the axes are: a list of `"space"`, `"time"` and `"channel"`.
    pub fn types(mut self, path: impl Into<String>) -> Self {
        self.types = Key::own(path);
        self
    }
}

/// Where one fact is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The paths that are understood; the first one is written.
    paths: Vec<String>,
    /// Whether it was chosen, and so must be there.
    own: bool,
}

/// An attribute that was found: its path and its value.
pub(crate) type Found<'a> = (&'a str, &'a Value);

impl Key {
    fn usual(path: &str) -> Self {
        Self { paths: vec![path.into()], own: false }
    }

    fn own(path: impl Into<String>) -> Self {
        Self { paths: vec![path.into()], own: true }
    }

    /// The path that is written.
    pub(crate) fn path(&self) -> &str {
        self.paths.first().map_or("", String::as_str)
    }

    /// The attributes under any of the paths. A `null` is none.
    pub(crate) fn find<'a>(
        &'a self,
        attributes: &'a Map<String, Value>,
    ) -> Result<Vec<Found<'a>>, (String, AttributeProblem)> {
        let found: Vec<Found<'_>> = self
            .paths
            .iter()
            .filter_map(|path| Some((path.as_str(), lookup(attributes, path)?)))
            .filter(|(_, value)| !value.is_null())
            .collect();
        if found.is_empty() && self.own {
            return Err((self.path().to_owned(), AttributeProblem::Missing));
        }
        Ok(found)
    }

    /// Writes the attribute.
    pub(crate) fn insert(
        &self,
        attributes: &mut Map<String, Value>,
        value: Value,
    ) -> Result<(), (String, AttributeProblem)> {
        let mut parts = self.path().split('/');
        let first = parts.next().unwrap_or_default();
        let place = attributes.entry(first).or_insert(Value::Null);
        let place = parts.try_fold(place, descend);
        match place {
            Some(place) => {
                *place = value;
                Ok(())
            }
            None => Err((self.path().to_owned(), AttributeProblem::NoSuchPath)),
        }
    }
}

/// A part of a value, made if need be.
fn descend<'a>(value: &'a mut Value, part: &str) -> Option<&'a mut Value> {
    let index: Option<usize> = part.parse().ok();
    if value.is_null() {
        *value = if index.is_some() { Value::Array(Vec::new()) } else { Map::new().into() };
    }
    match value {
        Value::Object(map) => Some(map.entry(part).or_insert(Value::Null)),
        Value::Array(list) => {
            let index = index.filter(|index| *index <= list.len())?;
            if index == list.len() {
                list.push(Value::Null);
            }
            list.get_mut(index)
        }
        _ => None,
    }
}

fn lookup<'a>(attributes: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('/');
    let first = attributes.get(parts.next()?)?;
    parts.try_fold(first, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_through_maps_and_lists() {
        let attributes = json!({"a": {"b": [{"c": [1]}, {"c": [2]}]}});
        let attributes = attributes.as_object().unwrap();
        assert_eq!(lookup(attributes, "a/b/1/c"), Some(&json!([2])));
        for none in ["a/b/2/c", "a/b/x", "b", "a/b/0/c/0/0", ""] {
            assert_eq!(lookup(attributes, none), None, "{none}");
        }
    }

    #[test]
    fn what_is_inserted_is_found_and_the_rest_stays() {
        let mut attributes = json!({"a": {"old": 1}}).as_object().unwrap().clone();
        Key::own("a/b/0/c").insert(&mut attributes, json!([1])).unwrap();
        Key::own("a/b/0/d").insert(&mut attributes, json!([2])).unwrap();
        assert_eq!(
            Value::Object(attributes.clone()),
            json!({"a": {"old": 1, "b": [{"c": [1], "d": [2]}]}})
        );
        let gap = Key::own("a/b/7").insert(&mut attributes, json!(0)).unwrap_err();
        assert_eq!(gap.1, AttributeProblem::NoSuchPath);
        assert!(Key::own("a/old/x").insert(&mut attributes, json!(0)).is_err());
    }

    #[test]
    fn a_key_of_ones_own_must_be_there() {
        let keys = MetadataKeys::default().offset("begin");
        let empty = Map::new();
        assert_eq!(keys.offset.find(&empty), Err(("begin".to_owned(), AttributeProblem::Missing)));
        assert_eq!(keys.voxel_size.find(&empty), Ok(Vec::new()));
    }
}
