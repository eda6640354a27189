//! A schema as JSON, as it is kept beside the graph. Types are read by [`AttrType`]'s own grammar.

use daisy_geometry::{Coordinate, Roi};
use serde_json::{Map, Value as Json, json};

use crate::{Attribute, GraphError, Schema};

/// The version of the tables or collections that a schema describes.
const VERSION: u64 = 1;

/// Writes a schema.
pub(crate) fn write(schema: &Schema) -> String {
    let (size, origin) = schema.cells();
    let roi = schema.roi();
    let axes = 0..schema.dims();
    json!({
        "version": VERSION,
        "directed": schema.is_directed(),
        "cell_size": size.to_vec(),
        "cell_origin": origin.to_vec(),
        "total_roi_offset": axes.clone().map(|axis| roi.begin_at(axis)).collect::<Vec<_>>(),
        "total_roi_shape": axes.map(|axis| roi.shape_at(axis)).collect::<Vec<_>>(),
        "node_attrs": types(schema.node_attrs()),
        "edge_attrs": types(schema.edge_attrs()),
    })
    .to_string()
}

/// Reads a schema.
pub(crate) fn read(text: &str, place: &str) -> Result<Schema, GraphError> {
    let wrong = |problem: String| GraphError::NotAGraph { place: place.into(), problem };
    let json: Json = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let version = json.get("version").and_then(Json::as_u64);
    if version != Some(VERSION) {
        return Err(wrong(format!("it has version {version:?}, this is for version {VERSION}")));
    }
    parse(&json).map_err(|key| wrong(format!("{key:?} of its schema makes no sense")))
}

fn parse(json: &Json) -> Result<Schema, &'static str> {
    let whole = |key: &'static str| -> Result<Coordinate, &'static str> {
        let numbers = numbers(json, key)?.into_iter().collect::<Option<Vec<_>>>().ok_or(key)?;
        Ok(Coordinate::new(numbers))
    };
    let roi = total_roi(json)?;
    let schema = Schema::new(whole("cell_size")?)
        .and_then(|schema| schema.total_roi(roi))
        .map_err(|_| "cell_size")?;
    let schema = schema.cell_origin(whole("cell_origin")?).map_err(|_| "cell_origin")?;
    let schema = match json.get("directed").and_then(Json::as_bool) {
        Some(true) => schema.directed(),
        Some(false) => schema.undirected(),
        None => return Err("directed"),
    };
    let schema = attributes(json, "node_attrs")?
        .try_fold(schema, |schema, (name, kind)| schema.node_attr(name, kind.parse().ok()?).ok())
        .ok_or("node_attrs")?;
    attributes(json, "edge_attrs")?
        .try_fold(schema, |schema, (name, kind)| schema.edge_attr(name, kind.parse().ok()?).ok())
        .ok_or("edge_attrs")
}

/// The ROI of the entries `total_roi_offset` and `total_roi_shape`; null where unbounded.
pub(crate) fn total_roi(json: &Json) -> Result<Roi, &'static str> {
    let (offset, shape) = (numbers(json, "total_roi_offset")?, numbers(json, "total_roi_shape")?);
    Roi::from_entries(offset, shape).map_err(|_| "total_roi_shape")
}

/// A list of whole numbers, or nulls.
pub(crate) fn numbers(json: &Json, key: &'static str) -> Result<Vec<Option<i64>>, &'static str> {
    let list = json.get(key).and_then(Json::as_array).ok_or(key)?;
    let number = |entry: &Json| match entry {
        Json::Null => Ok(None),
        entry => entry.as_i64().map(Some).ok_or(key),
    };
    list.iter().map(number).collect()
}

/// An object of text: the names and types of attributes.
pub(crate) fn attributes<'a>(
    json: &'a Json,
    key: &'static str,
) -> Result<impl Iterator<Item = (&'a str, &'a str)>, &'static str> {
    let object = json.get(key).and_then(Json::as_object).ok_or(key)?;
    if object.values().any(|value| !value.is_string()) {
        return Err(key);
    }
    Ok(object.iter().filter_map(|(name, kind)| Some((name.as_str(), kind.as_str()?))))
}

fn types(attributes: &[Attribute]) -> Map<String, Json> {
    let pair = |attribute: &Attribute| {
        ((*attribute.name).to_owned(), Json::from(attribute.attr_type.to_string()))
    };
    attributes.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttrType;

    #[test]
    fn a_schema_is_read_as_it_was_written() {
        let roi = Roi::from_axes([Some((-50, 100)), None]).unwrap();
        let schema = Schema::new(Coordinate::new([10, 20])).unwrap().undirected();
        let schema = schema.total_roi(roi).unwrap().cell_origin(Coordinate::new([-3, 1])).unwrap();
        let schema = schema.node_attr("it's \"ä\"", AttrType::U64s(3)).unwrap();
        let schema = schema.edge_attr("score", AttrType::F64).unwrap();
        assert_eq!(read(&write(&schema), "here").unwrap(), schema);
    }

    #[test]
    fn what_is_no_schema_is_refused_and_nothing_in_it_is_evaluated() {
        let good = write(&Schema::new(Coordinate::new([1])).unwrap());
        let crafted =
            good.replace("\"node_attrs\":{}", "\"node_attrs\":{\"a\":\"__import__('os')\"}");
        assert_ne!(good, crafted);
        let later = good.replace("\"version\":1", "\"version\":2");
        for text in ["", "[]", "{}", &crafted, &later, &good.replace("true", "1")] {
            assert!(matches!(read(text, "here"), Err(GraphError::NotAGraph { .. })), "{text}");
        }
    }
}
