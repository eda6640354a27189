//! Files of funlib.persistence: `x.db`, and `x-meta.json` beside it, which says what the tables
//! are. The types in it look like Python and are read by a grammar of three lines:
//!
//! ```text
//!   type    = scalar | "Vec(" scalar "," number ")"
//!   scalar  = "bool" | "int" | "float" | "str"
//!   number  = 1 or more
//! ```

use std::path::{Path, PathBuf};

use daisy_geometry::Coordinate;
use serde_json::Value as Json;

use super::tables::Tables;
use crate::schema_text::{attributes, total_roi};
use crate::sql::{Column, quoted};
use crate::{AttrType, Attribute, GraphError, Owner, Schema};

/// The schema and the tables of a file, if it is one of funlib.
pub(super) fn look(path: &Path) -> Result<Option<(Schema, Tables)>, GraphError> {
    let beside = meta_path(path);
    if !beside.exists() || !path.exists() {
        return Ok(None);
    }
    let place = beside.display().to_string();
    let wrong = |problem: String| GraphError::NotAGraph { place: place.clone(), problem };
    let text = std::fs::read_to_string(&beside).map_err(|error| wrong(error.to_string()))?;
    let json: Json = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let understood = Meta::parse(&json).and_then(|meta| Ok((meta.schema()?, meta.tables()?)));
    understood.map(Some).map_err(|key| wrong(format!("{key:?} makes no sense")))
}

/// A schema as a file of funlib can have it: it has no cells.
pub(super) fn without_cells(schema: &Schema) -> Schema {
    let ones = Coordinate::ones(schema.dims());
    let kind = |plain: Schema| if schema.is_directed() { plain } else { plain.undirected() };
    let plain = Schema::new(ones).and_then(|plain| kind(plain).total_roi(schema.roi().clone()));
    let with_attrs = plain.and_then(|plain| {
        let nodes = schema.node_attrs().iter();
        let plain = nodes.into_iter().try_fold(plain, |s, a| s.node_attr(&a.name, a.attr_type))?;
        schema.edge_attrs().iter().try_fold(plain, |s, a| s.edge_attr(&a.name, a.attr_type))
    });
    with_attrs.unwrap_or_else(|_| schema.clone())
}

fn meta_path(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-meta.json"))
}

/// What the metadata say.
struct Meta<'a> {
    json: &'a Json,
    position: &'a str,
    position_type: AttrType,
    node_attrs: Vec<Attribute>,
    edge_attrs: Vec<Attribute>,
}

type Wrong = &'static str;

impl<'a> Meta<'a> {
    fn parse(json: &'a Json) -> Result<Self, Wrong> {
        let position = text(json, "position_attribute")?;
        let mut node_attrs = types(json, "node_attrs")?;
        let place = Attribute::find(&node_attrs, position, Owner::Nodes).map(|a| a.attr_type);
        let position_type = place.map_err(|_| "position_attribute")?;
        node_attrs.retain(|attribute| &*attribute.name != position);
        let edge_attrs = types(json, "edge_attrs")?;
        Ok(Self { json, position, position_type, node_attrs, edge_attrs })
    }

    fn dims(&self) -> Result<u32, Wrong> {
        match self.position_type {
            AttrType::I64 | AttrType::F64 => Ok(1),
            AttrType::I64s(dims) | AttrType::F64s(dims) if dims <= 6 => Ok(dims),
            _ => Err("position_attribute"),
        }
    }

    fn schema(&self) -> Result<Schema, Wrong> {
        let dims = self.dims()? as usize;
        let mut schema = Schema::new(Coordinate::ones(dims)).map_err(|_| "position_attribute")?;
        if self.json.get("total_roi_offset").is_some_and(Json::is_array) {
            schema = schema.total_roi(total_roi(self.json)?).map_err(|_| "total_roi_shape")?;
        }
        if !self.json.get("directed").and_then(Json::as_bool).ok_or("directed")? {
            schema = schema.undirected();
        }
        for attribute in &self.node_attrs {
            let with = schema.node_attr(&attribute.name, attribute.attr_type);
            schema = with.map_err(|_| "node_attrs")?;
        }
        for attribute in &self.edge_attrs {
            let with = schema.edge_attr(&attribute.name, attribute.attr_type);
            schema = with.map_err(|_| "edge_attrs")?;
        }
        Ok(schema)
    }

    fn tables(&self) -> Result<Tables, Wrong> {
        let ends = self.json.get("endpoint_names").and_then(Json::as_array);
        let end = |place: usize, default| match ends {
            Some(names) => names.get(place).and_then(Json::as_str).ok_or("endpoint_names"),
            None => Ok(default),
        };
        let position = column(Attribute::new(self.position, self.position_type));
        Ok(Tables {
            nodes: quoted(text(self.json, "nodes_table_name")?),
            edges: quoted(text(self.json, "edges_table_name")?),
            u: quoted(end(0, "u")?),
            v: quoted(end(1, "v")?),
            positions: position.names,
            node_columns: self.node_attrs.iter().cloned().map(column).collect(),
            edge_columns: self.edge_attrs.iter().cloned().map(column).collect(),
            has_cells: false,
            has_whole_positions: matches!(self.position_type, AttrType::I64 | AttrType::I64s(_)),
        })
    }
}

/// A vector is spread over columns `name_0`, `name_1` and so on.
fn column(attribute: Attribute) -> Column {
    let names = match attribute.attr_type {
        AttrType::I64s(len) | AttrType::F64s(len) => {
            (0..len).map(|place| quoted(&format!("{}_{place}", attribute.name))).collect()
        }
        _ => vec![quoted(&attribute.name)],
    };
    Column { attribute, names }
}

fn text(json: &Json, key: Wrong) -> Result<&str, Wrong> {
    json.get(key).and_then(Json::as_str).ok_or(key)
}

fn types(json: &Json, key: Wrong) -> Result<Vec<Attribute>, Wrong> {
    let mut found = Vec::new();
    for (name, kind) in attributes(json, key)? {
        found.push(Attribute::new(name, parse_type(kind).ok_or(key)?));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Reads a type by the grammar above.
fn parse_type(text: &str) -> Option<AttrType> {
    match text.trim() {
        "bool" => Some(AttrType::Bool),
        "int" => Some(AttrType::I64),
        "float" => Some(AttrType::F64),
        "str" => Some(AttrType::Text),
        vector => {
            let (element, len) = vector.strip_prefix("Vec(")?.strip_suffix(')')?.split_once(',')?;
            let len = len.trim().parse().ok().filter(|len| (1..=MAX_LEN).contains(len))?;
            match element.trim() {
                "int" => Some(AttrType::I64s(len)),
                "float" => Some(AttrType::F64s(len)),
                _ => None,
            }
        }
    }
}

/// The longest vector: each element is a column.
const MAX_LEN: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_parsed_and_never_evaluated() {
        assert_eq!(parse_type("Vec(int, 3)"), Some(AttrType::I64s(3)));
        assert_eq!(parse_type(" Vec( float ,2)"), Some(AttrType::F64s(2)));
        assert_eq!(parse_type("str"), Some(AttrType::Text));
        for nonsense in [
            "__import__('os').system('true')",
            "Vec(int, 0)",
            "Vec(int, 1001)",
            "Vec(int)",
            "Vec(str, 2)",
            "Vec(int, 3) or exit()",
            "int or 1",
            "",
        ] {
            assert_eq!(parse_type(nonsense), None, "{nonsense}");
        }
    }
}
