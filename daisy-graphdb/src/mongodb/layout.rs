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
//! holds `directed`, `total_roi_offset` and `total_roi_shape`. Attributes can be aside, in collections
//! of their own; who has none of a collection's attributes has no document in it:
//!
//! ```text
//!   nodes_<name> { id, attributes }                    unique (id)
//!   edges_<name> { u, v, attributes }                  unique (u, v)
//! ```

use mongodb::bson::{Bson, Document, doc};

use super::fields::{Fields, number};
use super::old::{Daisy02, attr_collection};
use crate::engine::{Chosen, NodeSelect};
use crate::names::field;
use crate::{Attribute, GraphError, Node, Owner, Position, Schema};

/// Cells that are asked for one by one; beyond that, positions alone select.
const MAX_CELLS: usize = 4_096;

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
    pub(super) node_fields: Fields,
    pub(super) edge_fields: Fields,
    /// The attributes that are in collections of their own.
    pub(super) nodes_aside: Vec<Aside>,
    pub(super) edges_aside: Vec<Aside>,
}

/// A collection of attributes, beside that of the nodes or edges which have them.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    pub(super) collection: String,
    pub(super) fields: Fields,
}

impl Layout {
    pub(super) fn own(schema: &Schema) -> Self {
        let fields = |attributes: &[Attribute]| {
            let each = attributes.iter().enumerate();
            let named =
                each.map(|(place, attribute)| Some((attribute.clone(), field(place, attribute))));
            Fields::Declared(named.collect())
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
            nodes_aside: Vec::new(),
            edges_aside: Vec::new(),
        }
    }

    /// Attributes are fields of their own names, so those must be possible ones.
    pub(super) fn daisy_0_2(names: &Daisy02, schema: &Schema) -> Result<Self, GraphError> {
        let [u, v] = names.endpoints.clone();
        if names.position.len() != 1 && names.position.len() != schema.dims() {
            let (expected, found) = (schema.dims(), names.position.len());
            return Err(GraphError::PositionDims { expected, found });
        }
        let mut node_keys = names.position.clone();
        node_keys.push("id".into());
        let (node_fields, nodes_aside) = spread(schema, Owner::Nodes, names, &node_keys)?;
        let (edge_fields, edges_aside) = spread(schema, Owner::Edges, names, &names.endpoints)?;
        Ok(Self {
            nodes: names.nodes.clone(),
            edges: names.edges.clone(),
            u,
            v,
            position: names.position.clone(),
            has_cells: false,
            node_fields,
            edge_fields,
            nodes_aside,
            edges_aside,
        })
    }

    /// The collection of nodes or of edges, and its attributes.
    pub(super) fn main(&self, owner: Owner) -> (&str, &Fields) {
        match owner {
            Owner::Nodes => (&self.nodes, &self.node_fields),
            Owner::Edges => (&self.edges, &self.edge_fields),
        }
    }

    /// The collections of attributes of nodes or of edges.
    pub(super) fn aside(&self, owner: Owner) -> &[Aside] {
        match owner {
            Owner::Nodes => &self.nodes_aside,
            Owner::Edges => &self.edges_aside,
        }
    }

    /// The paths to all coordinates.
    pub(super) fn axes(&self, schema: &Schema) -> Vec<String> {
        (0..schema.dims()).map(|axis| self.axis(axis)).collect()
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
    pub(super) fn projection(&self, attrs: &Chosen) -> Document {
        let mut projection = doc! { "_id": 0 };
        if let Some(chosen) = self.node_fields.chosen(attrs) {
            let keys = ["id"].into_iter().chain(self.position.iter().map(String::as_str));
            let fields = keys.chain(chosen.into_iter().map(|(_, field)| field));
            projection.extend(fields.map(|field| (field.to_owned(), Bson::Int32(1))));
        }
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
        document.extend(self.node_fields.write(&node.attrs));
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

/// The attributes that are in the documents of nodes or edges, beside these keys, and those aside.
fn spread(
    schema: &Schema,
    owner: Owner,
    names: &Daisy02,
    keys: &[String],
) -> Result<(Fields, Vec<Aside>), GraphError> {
    let collections = names.aside(owner);
    let elsewhere: Vec<String> = collections.values().flatten().cloned().collect();
    let taken = ["_id".to_owned()].into_iter().chain(keys.iter().cloned()).collect();
    let any = Fields::Any { taken, elsewhere: elsewhere.clone() };
    let declared = |is_here: &dyn Fn(&String) -> bool| {
        let each = schema.attrs(owner).iter().map(|a| (a.clone(), (*a.name).to_owned()));
        Fields::Declared(each.map(|named| Some(named).filter(|(_, name)| is_here(name))).collect())
    };
    let is_any = schema.has_any_attrs();
    if !is_any && schema.attrs(owner).iter().any(|attribute| any.refuses(&attribute.name)) {
        return Err(GraphError::NotInThisLayout { what: "attributes with such names" });
    }
    let aside = collections.iter().map(|(name, attrs)| Aside {
        collection: attr_collection(owner, name),
        fields: match is_any {
            true => Fields::Named(attrs.clone()),
            false => declared(&|name| attrs.contains(name)),
        },
    });
    let main = if is_any { any } else { declared(&|name| !elsewhere.contains(name)) };
    Ok((main, aside.collect()))
}
