//! What is read, for Python: nodes and edges with dicts of attributes, or columns.

use std::collections::{BTreeMap, HashMap};

use daisy_graphdb::{Attrs, Owner, Schema, SubGraph, Value};
use pyo3::{
    prelude::*,
    types::{PyByteArray, PyDict, PyFloat, PyList, PyString},
};

use super::value::python;

/// Makes Python values of graphs; names of attributes are made once.
pub(super) struct Found<'py> {
    py: Python<'py>,
    position: Vec<Bound<'py, PyString>>,
}

/// The names of attributes as Python has them.
type Names<'a, 'py> = HashMap<&'a str, Bound<'py, PyString>>;

impl<'py> Found<'py> {
    pub(super) fn new(py: Python<'py>, position: &[String]) -> Self {
        let position = position.iter().map(|name| PyString::intern(py, name)).collect();
        Self { py, position }
    }

    /// `(id, attributes)` of all nodes.
    pub(super) fn nodes(&self, graph: &SubGraph) -> PyResult<Bound<'py, PyList>> {
        let (py, mut names) = (self.py, Names::new());
        let nodes = graph.nodes().map(|node| {
            let dict = PyDict::new(py);
            let axes = node.position.axes();
            match &*self.position {
                [name] => {
                    let axes = axes.iter().map(|axis| PyFloat::new(py, *axis));
                    dict.set_item(name, PyList::new(py, axes)?)?;
                }
                scalars => {
                    for (name, axis) in scalars.iter().zip(axes) {
                        dict.set_item(name, *axis)?;
                    }
                }
            }
            self.fill(&dict, &node.attrs, &mut names)?;
            Ok((node.id.0, dict))
        });
        PyList::new(py, nodes.collect::<PyResult<Vec<_>>>()?)
    }

    /// `(u, v, attributes)` of all edges.
    pub(super) fn edges(&self, graph: &SubGraph) -> PyResult<Bound<'py, PyList>> {
        let (py, mut names) = (self.py, Names::new());
        let edges = graph.edges().map(|edge| {
            let dict = PyDict::new(py);
            self.fill(&dict, &edge.attrs, &mut names)?;
            Ok((edge.u.0, edge.v.0, dict))
        });
        PyList::new(py, edges.collect::<PyResult<Vec<_>>>()?)
    }

    fn fill<'a>(
        &self,
        dict: &Bound<'py, PyDict>,
        attrs: &'a Attrs,
        names: &mut Names<'a, 'py>,
    ) -> PyResult<()> {
        for (name, value) in attrs.iter() {
            let key = names.entry(name).or_insert_with(|| PyString::intern(self.py, name));
            dict.set_item(&*key, python(self.py, value)?)?;
        }
        Ok(())
    }
}

/// Nodes and edges column by column.
pub(super) struct Columns {
    ids: Vec<u64>,
    axes: Vec<f64>,
    node_attrs: BTreeMap<String, Vec<Option<Value>>>,
    ends: Vec<u64>,
    edge_attrs: BTreeMap<String, Vec<Option<Value>>>,
}

impl Columns {
    /// No rows yet; a column for each attribute that is declared and chosen, or only chosen where any
    /// can be stored.
    pub(super) fn new(schema: &Schema, chosen: &[Option<&[String]>; 2]) -> Self {
        let named = |owner, chosen: Option<&[String]>| match chosen {
            Some(chosen) => chosen.iter().map(|name| (name.clone(), Vec::new())).collect(),
            None => {
                let declared = schema.attrs(owner).iter();
                declared.map(|attribute| ((*attribute.name).to_owned(), Vec::new())).collect()
            }
        };
        let [nodes, edges] = chosen;
        Self {
            ids: Vec::new(),
            axes: Vec::new(),
            node_attrs: named(Owner::Nodes, *nodes),
            ends: Vec::new(),
            edge_attrs: named(Owner::Edges, *edges),
        }
    }

    /// Appends the nodes and edges of a graph.
    pub(super) fn add(&mut self, graph: &SubGraph) {
        for node in graph.nodes() {
            append(&mut self.node_attrs, self.ids.len(), &node.attrs);
            self.ids.push(node.id.0);
            self.axes.extend(node.position.axes());
        }
        for edge in graph.edges() {
            append(&mut self.edge_attrs, self.ends.len() / 2, &edge.attrs);
            self.ends.extend([edge.u.0, edge.v.0]);
        }
        fill(&mut self.node_attrs, self.ids.len());
        fill(&mut self.edge_attrs, self.ends.len() / 2);
    }

    pub(super) fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let words = |words: Vec<u64>| {
            PyByteArray::new(py, &words.into_iter().flat_map(u64::to_ne_bytes).collect::<Vec<_>>())
        };
        let axes: Vec<u8> = self.axes.into_iter().flat_map(f64::to_ne_bytes).collect();
        let nodes = (words(self.ids), PyByteArray::new(py, &axes), lists(py, self.node_attrs)?);
        let edges = (words(self.ends), lists(py, self.edge_attrs)?);
        Ok((nodes, edges).into_pyobject(py)?.into_any())
    }
}

/// Appends a row; a column that is new has no values before it.
fn append(columns: &mut BTreeMap<String, Vec<Option<Value>>>, row: usize, attrs: &Attrs) {
    for (name, value) in attrs.iter() {
        if !columns.contains_key(name) {
            columns.insert(name.to_owned(), Vec::new());
        }
        if let Some(column) = columns.get_mut(name) {
            column.resize(row, None);
            column.push(Some(value.clone()));
        }
    }
}

fn fill(columns: &mut BTreeMap<String, Vec<Option<Value>>>, rows: usize) {
    columns.values_mut().for_each(|column| column.resize(rows, None));
}

fn lists(
    py: Python<'_>,
    columns: BTreeMap<String, Vec<Option<Value>>>,
) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for (name, column) in columns {
        let values = column.iter().map(|value| match value {
            Some(value) => python(py, value),
            None => Ok(py.None().into_bound(py)),
        });
        dict.set_item(name, PyList::new(py, values.collect::<PyResult<Vec<_>>>()?)?)?;
    }
    Ok(dict)
}
