//! What Python gives to be written: a networkx graph's nodes and adjacency, and how.

use std::collections::HashSet;
use std::sync::Arc;

use daisy_graphdb::{
    AttrType, Attrs, Edge, Node, NodeId, Owner, Position, Schema, SubGraph, Write,
};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyDict, PyFloat, PyList, PyString, PyTuple},
};

use super::value::{any, shown, typed};
use super::{ends, error};
use crate::convert::{self, type_name};

/// A graph, what of it is meant, and how it is written, as a dict.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct Given<'py> {
    /// Iterables of `(id, attributes)` and `(id, {id: attributes})`.
    nodes: Bound<'py, PyAny>,
    adjacency: Bound<'py, PyAny>,
    is_directed: bool,
    /// Whether nodes are written, and edges.
    parts: (bool, bool),
    /// The attributes that are meant; all, if None.
    node_attrs: Option<Vec<String>>,
    edge_attrs: Option<Vec<String>>,
    mode: String,
    roi: Option<Bound<'py, PyAny>>,
}

impl Given<'_> {
    /// The graph for a store of a schema. Nodes without a position are far ends of edges.
    pub(super) fn graph(&self, schema: &Schema, position: &[String]) -> PyResult<SubGraph> {
        let (nodes, edges) = self.read(schema, position)?;
        let nodes = if self.parts.0 { nodes } else { Vec::new() };
        Ok(SubGraph::of(self.is_directed, nodes, edges))
    }

    /// The same, of which only what lies in the ROI is meant, by the positions here.
    pub(super) fn graph_inside(&self, schema: &Schema, position: &[String]) -> PyResult<SubGraph> {
        let (mut nodes, mut edges) = self.read(schema, position)?;
        if let Some(roi) = &self.roi {
            let roi = convert::roi(roi, "roi")?;
            nodes.retain(|node| node.position.is_in(&roi));
            let inside: HashSet<_> = nodes.iter().map(|node| node.id).collect();
            edges.retain(|edge| inside.contains(&edge.u));
        }
        let nodes = if self.parts.0 { nodes } else { Vec::new() };
        Ok(SubGraph::of(self.is_directed, nodes, edges))
    }

    fn read(&self, schema: &Schema, position: &[String]) -> PyResult<(Vec<Node>, Vec<Edge>)> {
        if self.is_directed != schema.is_directed() {
            let error = daisy_graphdb::GraphError::Directedness { expected: schema.is_directed() };
            return Err(error::of(&error));
        }
        let py = self.nodes.py();
        let names: Vec<_> = position.iter().map(|name| PyString::intern(py, name)).collect();
        let reader = Reader::new(schema, Owner::Nodes, self.node_attrs.as_deref(), py);
        let nodes = reader.nodes(&self.nodes, &names, schema.dims())?;
        let edges = match self.parts.1 {
            true => {
                let reader = Reader::new(schema, Owner::Edges, self.edge_attrs.as_deref(), py);
                let here: HashSet<u64> = nodes.iter().map(|node| node.id.0).collect();
                reader.edges(&self.adjacency, self.is_directed, &here)?
            }
            false => Vec::new(),
        };
        Ok((nodes, edges))
    }

    /// How it is written.
    pub(super) fn write(&self) -> PyResult<Write> {
        let roi = self.roi.as_ref().map(|roi| convert::roi(roi, "roi")).transpose()?;
        let write = match (self.mode.as_str(), roi) {
            ("replace", Some(roi)) => {
                return Ok(match self.parts {
                    (true, true) => Write::replace(roi),
                    (true, false) => Write::replace_nodes(roi),
                    (false, _) => Write::replace_edges(roi),
                });
            }
            ("upsert", roi) => (Write::upsert(), roi),
            ("insert", roi) => (Write::insert_only(), roi),
            ("update", roi) => (Write::update_only(), roi),
            _ => {
                return Err(PyValueError::new_err(
                    "delete=True needs a ROI: give the one whose contents are replaced",
                ));
            }
        };
        Ok(match write {
            (write, Some(roi)) => write.within(roi),
            (write, None) => write,
        })
    }
}

/// Reads the attributes of nodes or edges.
struct Reader<'a, 'py> {
    owner: Owner,
    /// Those that are declared and meant: the name as Python and as Rust has it, and the type.
    known: Vec<(Bound<'py, PyString>, Arc<str>, AttrType)>,
    /// The names that are meant, if not all are.
    only: Option<&'a [String]>,
    takes_any: bool,
}

impl<'a, 'py> Reader<'a, 'py> {
    fn new(schema: &Schema, owner: Owner, only: Option<&'a [String]>, py: Python<'py>) -> Self {
        let is_meant = |name: &str| only.is_none_or(|only| only.iter().any(|o| o == name));
        let known = schema.attrs(owner).iter().filter(|attribute| is_meant(&attribute.name));
        let known =
            known.map(|a| (PyString::intern(py, &a.name), Arc::clone(&a.name), a.attr_type));
        Self { owner, known: known.collect(), only, takes_any: schema.has_any_attrs() }
    }

    fn nodes(
        &self,
        nodes: &Bound<'py, PyAny>,
        position: &[Bound<'py, PyString>],
        dims: usize,
    ) -> PyResult<Vec<Node>> {
        let mut read = Vec::new();
        for item in nodes.try_iter()? {
            let item = item?;
            let (id, dict) = two(&item)?;
            let dict = dict.cast::<PyDict>()?;
            let Some(place) = place(&id, dict, position, dims)? else { continue };
            let name = || format!("node {id}");
            let attrs = self.attrs(dict, position, &name)?;
            read.push(Node { id: node_id(&id)?, position: place, attrs });
        }
        Ok(read)
    }

    fn edges(
        &self,
        adjacency: &Bound<'py, PyAny>,
        is_directed: bool,
        here: &HashSet<u64>,
    ) -> PyResult<Vec<Edge>> {
        let mut read = Vec::new();
        for item in adjacency.try_iter()? {
            let item = item?;
            let (u, neighbours) = two(&item)?;
            let neighbours = neighbours.cast::<PyDict>()?;
            if neighbours.is_empty() {
                continue;
            }
            let u = node_id(&u)?;
            for (v, dict) in neighbours {
                let v = node_id(&v)?;
                if !is_directed && u > v {
                    continue; // It comes from the other side, too.
                }
                let name = || format!("edge ({u}, {v})");
                let attrs = self.attrs(dict.cast::<PyDict>()?, &[], &name)?;
                let (u, v) = ends(is_directed, (u.0, v.0), |id| here.contains(&id));
                read.push(Edge { u: NodeId(u), v: NodeId(v), attrs });
            }
        }
        Ok(read)
    }

    /// The attributes of one node or edge, but for its position.
    fn attrs(
        &self,
        dict: &Bound<'py, PyDict>,
        position: &[Bound<'py, PyString>],
        name: &dyn Fn() -> String,
    ) -> PyResult<Attrs> {
        if self.takes_any {
            return self.any_attrs(dict, position, name);
        }
        let mut attrs = Attrs::new();
        let mut found = position.len();
        for (key, shared, attr_type) in &self.known {
            let Some(value) = dict.get_item(key)? else { continue };
            found += 1;
            if value.is_none() {
                continue;
            }
            let typed = typed(&value, *attr_type)
                .ok_or_else(|| refused(name, key, &value, &attr_type.to_string()))?;
            attrs.set_shared(shared, typed);
        }
        if self.only.is_none() && found != dict.len() {
            self.refuse_unknown(dict, position, name)?;
        }
        Ok(attrs)
    }

    fn any_attrs(
        &self,
        dict: &Bound<'py, PyDict>,
        position: &[Bound<'py, PyString>],
        name: &dyn Fn() -> String,
    ) -> PyResult<Attrs> {
        let mut attrs = Attrs::new();
        for (key, value) in dict {
            let Ok(key) = key.cast::<PyString>() else {
                return Err(PyTypeError::new_err(format!(
                    "{} has an attribute named {key}, which is no text: give it a name that is",
                    name()
                )));
            };
            let text = key.to_string();
            let is_meant = self.only.is_none_or(|only| only.contains(&text));
            if !is_meant || value.is_none() || is_one_of(key, position)? {
                continue;
            }
            let wanted = "number, text, bytes, list or dict";
            let value = any(&value).ok_or_else(|| refused(name, key, &value, wanted))?;
            attrs.set(&text, value);
        }
        Ok(attrs)
    }

    fn refuse_unknown(
        &self,
        dict: &Bound<'py, PyDict>,
        position: &[Bound<'py, PyString>],
        name: &dyn Fn() -> String,
    ) -> PyResult<()> {
        for key in dict.keys() {
            let is_known =
                self.known.iter().any(|(known, ..)| known.as_any().eq(&key).unwrap_or(false));
            let is_place = position.iter().any(|place| place.as_any().eq(&key).unwrap_or(false));
            if is_known || is_place {
                continue;
            }
            let owner = self.owner;
            let known: Vec<_> = self.known.iter().map(|(_, name, _)| &**name).collect();
            return Err(PyValueError::new_err(format!(
                "{} has an attribute {key}, and {owner} of the stored graph have {known:?}: take it away, create \
                 the graph with it, or say which attributes are written",
                name()
            )));
        }
        Ok(())
    }
}

fn is_one_of(key: &Bound<'_, PyString>, names: &[Bound<'_, PyString>]) -> PyResult<bool> {
    for name in names {
        if key.as_any().eq(name)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn two<'py>(item: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let pair = item.cast::<PyTuple>()?;
    Ok((pair.get_item(0)?, pair.get_item(1)?))
}

fn node_id(id: &Bound<'_, PyAny>) -> PyResult<NodeId> {
    id.extract().map(NodeId).map_err(|_| {
        PyValueError::new_err(format!(
            "{id:?} is no id of a node: use whole numbers from 0 to 2**64 - 1"
        ))
    })
}

/// Where a node lies; none if it has no position.
fn place(
    id: &Bound<'_, PyAny>,
    dict: &Bound<'_, PyDict>,
    names: &[Bound<'_, PyString>],
    dims: usize,
) -> PyResult<Option<Position>> {
    let wrong = |what: &str| {
        PyValueError::new_err(format!(
            "the position of node {id} {what}: give {dims} finite numbers"
        ))
    };
    let mut axes = [0.0; daisy_graphdb::MAX_DIMS];
    let mut count = 0;
    let mut push = |value: &Bound<'_, PyAny>| -> PyResult<()> {
        let axis: f64 = match value.cast_exact::<PyFloat>() {
            Ok(float) => float.value(),
            Err(_) => value.extract().map_err(|_| wrong("has an entry that is no number"))?,
        };
        *axes.get_mut(count).ok_or_else(|| wrong("has too many axes"))? = axis;
        count += 1;
        Ok(())
    };
    if let [name] = names {
        let Some(found) = dict.get_item(name)?.filter(|found| !found.is_none()) else {
            return Ok(None);
        };
        if let Ok(list) = found.cast::<PyList>() {
            list.iter().try_for_each(|value| push(&value))?;
        } else if let Ok(tuple) = found.cast::<PyTuple>() {
            tuple.iter_borrowed().try_for_each(|value| push(&value))?;
        } else if let Ok(values) = found.try_iter() {
            for value in values {
                push(&value?)?;
            }
        } else {
            push(&found)?;
        }
    } else {
        for name in names {
            match dict.get_item(name)?.filter(|found| !found.is_none()) {
                Some(value) => push(&value)?,
                None if count == 0 => return Ok(None),
                None => return Err(wrong(&format!("has no {name}"))),
            }
        }
    }
    if count != dims {
        return Err(wrong(&format!("has {count} axes")));
    }
    let position = Position::new(axes.get(..count).unwrap_or(&axes));
    position.map(Some).map_err(|_| wrong("is not finite"))
}

fn refused(
    name: &dyn Fn() -> String,
    key: &Bound<'_, PyString>,
    value: &Bound<'_, PyAny>,
    wanted: &str,
) -> PyErr {
    PyTypeError::new_err(format!(
        "attribute {key:?} of {} is {}, a {}: give a {wanted}",
        name(),
        shown(value),
        type_name(value)
    ))
}
