//! The collections of a graph: our own, and those of daisy 0.2.
//!
//! ```text
//!   nodes { id, position: [..], cell, attributes }     unique (id), (cell)
//!   edges { u, v, attributes }                         unique (u, v), (v)
//!   daisy_blocks { _id: { task, run, block }, lease, done }
//!   meta { _id: "daisy", schema }
//! ```
//!
//! daisy 0.2 has no cells; there, the position is one array or a scalar for each axis, and `meta`
//! holds `directed`, `total_roi_offset` and `total_roi_shape`.

use daisy_geometry::Roi;
use mongodb::bson::{Binary, Bson, Document, doc, spec::BinarySubtype};

use crate::engine::NodeSelect;
use crate::names::field;
use crate::value::whole_number;
use crate::{AttrType, Attribute, Attrs, GraphError, Node, Position, Schema, Value};

/// Cells that are asked for one by one; beyond that, positions alone select.
const MAX_CELLS: usize = 4_096;

/// The names that a `MongoDbGraphProvider` of daisy 0.2 was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daisy02 {
    /// The collection of nodes.
    pub nodes: String,
    /// The collection of edges.
    pub edges: String,
    /// The collection of metadata.
    pub meta: String,
    /// One attribute that is an array, or one for each axis.
    pub position: Vec<String>,
    /// The attributes of edges that are their ends.
    pub endpoints: [String; 2],
}

impl Default for Daisy02 {
    /// The defaults of daisy 0.2.
    fn default() -> Self {
        Self {
            nodes: "nodes".into(),
            edges: "edges".into(),
            meta: "meta".into(),
            position: vec!["position".into()],
            endpoints: ["u".into(), "v".into()],
        }
    }
}

/// Where things are in the documents.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) nodes: String,
    pub(super) edges: String,
    pub(super) u: String,
    pub(super) v: String,
    /// One field that is an array, or one for each axis.
    position: Vec<String>,
    has_cells: bool,
    pub(super) node_fields: Vec<(Attribute, String)>,
    pub(super) edge_fields: Vec<(Attribute, String)>,
}

impl Layout {
    pub(super) fn own(schema: &Schema) -> Self {
        let fields = |attributes: &[Attribute]| {
            let each = attributes.iter().enumerate();
            each.map(|(place, attribute)| (attribute.clone(), field(place, attribute))).collect()
        };
        Self {
            nodes: "nodes".into(),
            edges: "edges".into(),
            u: "u".into(),
            v: "v".into(),
            position: vec!["position".into()],
            has_cells: true,
            node_fields: fields(schema.node_attrs()),
            edge_fields: fields(schema.edge_attrs()),
        }
    }

    /// Attributes are fields of their own names, so those must be possible ones.
    pub(super) fn daisy_0_2(names: &Daisy02, schema: &Schema) -> Result<Self, GraphError> {
        let [u, v] = names.endpoints.clone();
        let node_keys: Vec<&str> =
            ["_id", "id"].into_iter().chain(names.position.iter().map(String::as_str)).collect();
        let edge_keys = ["_id", &u, &v];
        let fields = |attributes: &[Attribute], keys: &[&str]| -> Result<Vec<_>, GraphError> {
            let is_possible =
                |name: &str| !name.starts_with('$') && !name.contains('.') && !keys.contains(&name);
            if !attributes.iter().all(|attribute| is_possible(&attribute.name)) {
                return Err(GraphError::NotInThisLayout { what: "attributes with such names" });
            }
            Ok(attributes.iter().map(|a| (a.clone(), (*a.name).to_owned())).collect())
        };
        if names.position.len() != 1 && names.position.len() != schema.dims() {
            let (expected, found) = (schema.dims(), names.position.len());
            return Err(GraphError::PositionDims { expected, found });
        }
        let (node_fields, edge_fields) =
            (fields(schema.node_attrs(), &node_keys)?, fields(schema.edge_attrs(), &edge_keys)?);
        Ok(Self {
            nodes: names.nodes.clone(),
            edges: names.edges.clone(),
            u,
            v,
            position: names.position.clone(),
            has_cells: false,
            node_fields,
            edge_fields,
        })
    }

    /// The condition for positions, and for cells where there are any.
    pub(super) fn inside(&self, schema: &Schema, select: &NodeSelect<'_>) -> Document {
        let mut condition = Document::new();
        if self.has_cells
            && let Some(cells) = schema.few_cells(select.roi, MAX_CELLS)
        {
            condition.insert("cell", doc! { "$in": cells });
        }
        for (axis, (begin, end)) in select.bounds.axes().enumerate() {
            let mut bounds = Document::new();
            // daisy 0.2 may hold nodes without a position; those are in no ROI.
            if begin.is_finite() || !self.has_cells {
                bounds.insert("$gte", begin);
            }
            if end.is_finite() {
                bounds.insert("$lt", end);
            }
            if !bounds.is_empty() {
                condition.insert(self.axis(axis), bounds);
            }
        }
        condition
    }

    /// The path to one coordinate.
    fn axis(&self, axis: usize) -> String {
        match &*self.position {
            [array] => format!("{array}.{axis}"),
            scalars => scalars.get(axis).cloned().unwrap_or_default(),
        }
    }

    /// The fields of nodes that are read.
    pub(super) fn projection(&self, attrs: &[usize]) -> Document {
        let chosen = attrs.iter().filter_map(|place| self.node_fields.get(*place));
        let named = chosen.map(|(_, field)| field.as_str());
        let wanted = ["id"].into_iter().chain(self.position.iter().map(String::as_str));
        let mut projection = doc! { "_id": 0 };
        projection.extend(wanted.chain(named).map(|name| (name.to_owned(), Bson::Int32(1))));
        projection
    }

    /// The whole document of a node.
    pub(super) fn document(&self, schema: &Schema, node: &Node) -> Document {
        let mut document = doc! { "id": node.id.to_bits() };
        match &*self.position {
            [array] => drop(document.insert(array, node.position.axes().to_vec())),
            scalars => {
                let axes = node.position.axes().iter().map(|axis| Bson::Double(*axis));
                document.extend(scalars.iter().cloned().zip(axes));
            }
        }
        if self.has_cells {
            document.insert("cell", schema.grid().key(&node.position));
        }
        document.extend(fields(&self.node_fields, &node.attrs));
        document
    }

    /// Where the node of a document lies; none if daisy 0.2 stored it without a position.
    pub(super) fn position(
        &self,
        schema: &Schema,
        document: &Document,
    ) -> Result<Option<Position>, GraphError> {
        let found: Option<Vec<&Bson>> = match &*self.position {
            [array] => match document.get(array) {
                Some(Bson::Array(axes)) => Some(axes.iter().collect()),
                _ => None,
            },
            scalars => scalars.iter().map(|name| document.get(name)).collect(),
        };
        let Some(axes) = found else { return Ok(None) };
        let position = Position::new(axes.into_iter().map(number).collect::<Result<Vec<_>, _>>()?)?;
        schema.check_dims(position.dims())?;
        Ok(Some(position))
    }
}

/// The fields of attributes that have a value.
pub(super) fn fields<'a>(
    fields: &'a [(Attribute, String)],
    attrs: &'a Attrs,
) -> impl Iterator<Item = (String, Bson)> + 'a {
    fields
        .iter()
        .filter_map(|(attribute, field)| Some((field.clone(), bson(attrs.value(&attribute.name)?))))
}

/// The attributes of a document.
pub(super) fn attrs(
    fields: &[(Attribute, String)],
    places: &[usize],
    document: &Document,
) -> Result<Attrs, GraphError> {
    let mut attrs = Attrs::with_capacity(places.len());
    for (attribute, field) in places.iter().filter_map(|place| fields.get(*place)) {
        match document.get(field) {
            None | Some(Bson::Null) => {}
            Some(stored) => attrs.push(&attribute.name, value(attribute.attr_type, stored)?),
        }
    }
    Ok(attrs)
}

/// A value as it is stored.
pub(super) fn bson(value: &Value) -> Bson {
    let list = |values: Vec<Bson>| Bson::Array(values);
    match value {
        Value::Bool(value) => Bson::Boolean(*value),
        Value::I64(value) => Bson::Int64(*value),
        Value::U64(value) => Bson::Int64(value.cast_signed()),
        Value::F64(value) => Bson::Double(*value),
        Value::Text(text) => Bson::String(text.clone()),
        Value::Bytes(bytes) => {
            Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.clone() })
        }
        Value::I64s(values) => list(values.iter().map(|value| Bson::Int64(*value)).collect()),
        Value::U64s(values) => {
            list(values.iter().map(|value| Bson::Int64(value.cast_signed())).collect())
        }
        Value::F64s(values) => list(values.iter().map(|value| Bson::Double(*value)).collect()),
    }
}

fn value(attr_type: AttrType, stored: &Bson) -> Result<Value, GraphError> {
    let unsigned = |stored: &Bson| whole(stored).map(i64::cast_unsigned);
    Ok(match (attr_type, stored) {
        (AttrType::Bool, Bson::Boolean(value)) => Value::Bool(*value),
        (AttrType::I64, stored) => Value::I64(whole(stored)?),
        (AttrType::U64, stored) => Value::U64(unsigned(stored)?),
        (AttrType::F64, stored) => Value::F64(number(stored)?),
        (AttrType::Text, Bson::String(text)) => Value::Text(text.clone()),
        (AttrType::Bytes, Bson::Binary(binary)) => Value::Bytes(binary.bytes.clone()),
        (AttrType::I64s(len), Bson::Array(list)) if list.len() == len as usize => {
            Value::I64s(list.iter().map(whole).collect::<Result<_, _>>()?)
        }
        (AttrType::U64s(len), Bson::Array(list)) if list.len() == len as usize => {
            Value::U64s(list.iter().map(unsigned).collect::<Result<_, _>>()?)
        }
        (AttrType::F64s(len), Bson::Array(list)) if list.len() == len as usize => {
            Value::F64s(list.iter().map(number).collect::<Result<_, _>>()?)
        }
        (_, stored) => return Err(corrupt(stored)),
    })
}

/// A whole number; drivers of other languages store small ones as `Int32`, and Python's `2.0` as
/// such.
pub(super) fn whole(stored: &Bson) -> Result<i64, GraphError> {
    match stored {
        Bson::Int64(value) => Ok(*value),
        Bson::Int32(value) => Ok((*value).into()),
        Bson::Double(value) => whole_number(*value).ok_or_else(|| corrupt(stored)),
        other => Err(corrupt(other)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "whole numbers that other programs stored")]
fn number(stored: &Bson) -> Result<f64, GraphError> {
    match stored {
        Bson::Double(value) => Ok(*value),
        other => whole(other).map(|value| value as f64),
    }
}

fn corrupt(stored: &Bson) -> GraphError {
    let kind = stored.element_type();
    GraphError::Corrupt { what: format!("a value of type {kind:?} that does not fit") }
}

/// A schema with what the metadata of daisy 0.2 say.
pub(super) fn with_meta(
    schema: &Schema,
    meta: &Document,
    place: &str,
) -> Result<Schema, GraphError> {
    let list = |key: &str| -> Option<Vec<Option<i64>>> {
        let entry = |entry: &Bson| match entry {
            Bson::Null => Ok(None),
            entry => whole(entry).map(Some),
        };
        meta.get_array(key).ok()?.iter().map(entry).collect::<Result<_, _>>().ok()
    };
    let wrong =
        |problem: &str| GraphError::NotAGraph { place: place.into(), problem: problem.into() };
    let mut existing = match meta.get_bool("directed") {
        Ok(true) => schema.clone().directed(),
        Ok(false) => schema.clone().undirected(),
        Err(_) => return Err(wrong("its metadata do not say whether it is directed")),
    };
    if let (Some(offset), Some(shape)) = (list("total_roi_offset"), list("total_roi_shape")) {
        let roi = Roi::from_entries(offset, shape);
        existing = existing.total_roi(roi.map_err(|_| wrong("its total ROI makes no sense"))?)?;
    }
    Ok(existing)
}
