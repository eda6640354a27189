//! Spatial graphs in databases, their part in Rust: `daisy._daisy.GraphStore`.
//!
//! What Python gives is made a graph (`given`), what is read is made Python values (`found`), both
//! while the interpreter is held; it is let go of while the database works. `open` is about which
//! store that is. The classes that users see are written in Python (`daisy.graph_provider`).

mod error;
mod filter;
mod found;
mod given;
mod open;
mod value;

use std::{mem, ops::Range, process};

use daisy_graphdb::{Begun, BlockLease, Committed, Count, EdgesBy, Owner, Query, Written};
use pyo3::{
    exceptions::{PyRuntimeError, PyTypeError, PyValueError},
    prelude::*,
    types::{PyDict, PyList, PyString},
};

pub(crate) use self::open::MongoCollections;
use self::{
    filter::filter,
    found::{Columns, Found},
    given::Given,
    open::Wanted,
};
use crate::{block::Block, convert, roi::Roi};

/// Nodes that are read at a time where a graph goes into columns.
const BATCH: usize = 100_000;

/// A graph in a database.
///
/// It belongs to the process that opened it: a forked child neither uses nor closes its connections.
#[pyclass(frozen, module = "daisy._daisy")]
pub(crate) struct GraphStore {
    store: Option<Box<dyn daisy_graphdb::GraphStore>>,
    /// One attribute that holds the whole position, or one for each axis.
    position: Vec<String>,
    pid: u32,
}

/// What is asked: a question of `read` and the like, as a dict.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Asked<'py> {
    roi: Bound<'py, PyAny>,
    nodes_filter: Bound<'py, PyAny>,
    edges_filter: Bound<'py, PyAny>,
    node_attrs: Option<Vec<String>>,
    edge_attrs: Option<Vec<String>>,
    with_edges: bool,
}

impl GraphStore {
    fn new(store: Box<dyn daisy_graphdb::GraphStore>, position: Vec<String>) -> Self {
        Self { store: Some(store), position, pid: process::id() }
    }

    fn store(&self) -> PyResult<&dyn daisy_graphdb::GraphStore> {
        match &self.store {
            Some(store) if self.pid == process::id() => Ok(&**store),
            _ => Err(forked()),
        }
    }

    fn query(&self, asked: &Asked<'_>) -> PyResult<Query> {
        let schema = self.store()?.schema();
        let mut query = Query::new(convert::roi(&asked.roi, "roi")?)
            .nodes(filter(&asked.nodes_filter, schema, Owner::Nodes)?)
            .edges(filter(&asked.edges_filter, schema, Owner::Edges)?)
            .edges_by(if asked.with_edges { EdgesBy::FirstEnd } else { EdgesBy::Nothing });
        if let Some(names) = &asked.node_attrs {
            query = query.node_attrs(names.clone());
        }
        if let Some(names) = &asked.edge_attrs {
            query = query.edge_attrs(names.clone());
        }
        Ok(query)
    }
}

impl Drop for GraphStore {
    fn drop(&mut self) {
        if self.pid != process::id() {
            // Closing the connections would close them for the parent.
            mem::forget(self.store.take());
        }
    }
}

#[pymethods]
impl GraphStore {
    /// Opens, or creates, the graph of an SQLite file; mode `w` removes what is there first.
    #[staticmethod]
    fn sqlite(py: Python<'_>, path: &str, mode: &str, wanted: Wanted<'_>) -> PyResult<Self> {
        let position = wanted.position();
        Ok(Self::new(open::sqlite(py, path, mode, wanted)?, position))
    }

    /// The same for a namespace of a PostgreSQL database, given its connection string.
    #[staticmethod]
    fn postgres(
        py: Python<'_>,
        place: (String, String),
        mode: &str,
        wanted: Wanted<'_>,
    ) -> PyResult<Self> {
        let position = wanted.position();
        Ok(Self::new(open::postgres(py, (&place.0, &place.1), mode, wanted)?, position))
    }

    /// Whether `(u, v)` and `(v, u)` are two edges.
    #[getter]
    fn directed(&self) -> PyResult<bool> {
        Ok(self.store()?.schema().is_directed())
    }

    /// The number of axes.
    #[getter]
    fn dims(&self) -> PyResult<usize> {
        Ok(self.store()?.schema().dims())
    }

    /// Where nodes may lie.
    #[getter]
    fn total_roi(&self) -> PyResult<Roi> {
        Ok(Roi::new(self.store()?.schema().roi().clone()))
    }

    /// The sizes of the cells of the index.
    #[getter]
    fn cell_size<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::bounded(py, self.store()?.schema().grid().size())
    }

    /// The attributes of nodes and their types, as text; None where any can be written.
    #[getter]
    fn node_attrs<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        open::types(py, self.store()?.schema(), Owner::Nodes)
    }

    /// The same of edges.
    #[getter]
    fn edge_attrs<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        open::types(py, self.store()?.schema(), Owner::Edges)
    }

    /// Whether a write is whole or absent, and a block's result counts exactly once.
    #[getter]
    fn is_atomic(&self) -> PyResult<bool> {
        Ok(self.store()?.is_atomic())
    }

    /// Nodes as `(id, attributes)`, edges as `(u, v, attributes)`.
    fn read<'py>(
        &self,
        py: Python<'py>,
        asked: Asked<'py>,
    ) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
        let (store, query) = (self.store()?, self.query(&asked)?);
        let read = py.detach(|| store.read(&query)).map_err(|e| error::of(&e))?;
        let found = Found::new(py, &self.position);
        Ok((found.nodes(&read)?, found.edges(&read)?))
    }

    /// Nodes and edges as columns, read as one snapshot: `(ids, positions, attributes)` and
    /// `(ends, attributes)`. Ids, positions and ends are the bytes of u64, f64 and pairs of u64;
    /// attributes are lists with None where there is no value.
    fn columns<'py>(&self, py: Python<'py>, asked: Asked<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (store, query) = (self.store()?, self.query(&asked)?);
        let mut columns = Columns::new(store.schema(), &query_names(&asked));
        let outcome = py.detach(|| {
            store.stream(&query, BATCH, &mut |batch| {
                columns.add(&batch);
                Ok(())
            })
        });
        outcome.map_err(|e| error::of(&e))?;
        columns.into_python(py)
    }

    /// The number of nodes in a ROI that meet a filter.
    fn count_nodes(
        &self,
        py: Python<'_>,
        roi: &Bound<'_, PyAny>,
        attr_filter: &Bound<'_, PyAny>,
    ) -> PyResult<u64> {
        let (store, roi) = (self.store()?, convert::roi(roi, "roi")?);
        let filter = filter(attr_filter, store.schema(), Owner::Nodes)?;
        py.detach(|| store.count_nodes(&roi, &filter)).map_err(|e| error::of(&e))
    }

    /// Whether a node in a ROI owns an edge.
    fn has_edges(&self, py: Python<'_>, roi: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (store, roi) = (self.store()?, convert::roi(roi, "roi")?);
        py.detach(|| store.has_edges(&roi)).map_err(|e| error::of(&e))
    }

    /// Deletes the nodes in a ROI and the edges that they own; how many.
    fn delete(&self, py: Python<'_>, roi: &Bound<'_, PyAny>) -> PyResult<(u64, u64)> {
        let (store, roi) = (self.store()?, convert::roi(roi, "roi")?);
        let count = py.detach(|| store.delete(&roi)).map_err(|e| error::of(&e))?;
        Ok(pair(count))
    }

    /// Writes a graph, see `given`; how many nodes and edges were written.
    fn write(&self, py: Python<'_>, given: Given<'_>) -> PyResult<(u64, u64)> {
        let store = self.store()?;
        let (graph, write) = (given.graph(store.schema(), &self.position)?, given.write()?);
        let written = py.detach(|| store.write(&graph, &write)).map_err(|e| error::of(&e))?;
        Ok(pair(written.written))
    }

    /// Sets the named attributes of stored nodes and edges; how many were found.
    fn update(&self, py: Python<'_>, given: Given<'_>, names: Vec<String>) -> PyResult<(u64, u64)> {
        let store = self.store()?;
        let graph = given.graph_inside(store.schema(), &self.position)?;
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let count = py.detach(|| store.update_attrs(&graph, &names)).map_err(|e| error::of(&e))?;
        Ok(pair(count))
    }

    /// Stores the lease of a block; the number is that of a higher lease.
    fn begin_block(
        &self,
        py: Python<'_>,
        block: &Block,
        run: &str,
        lease: u64,
    ) -> PyResult<(&'static str, Option<u64>)> {
        let (store, name) = (self.store()?, Name::of(block, py)?);
        let begun = py.detach(|| store.begin_block(&name.lease(run, lease)));
        match begun.map_err(|e| error::of(&e))? {
            Begun::Begun => Ok(("begun", None)),
            Begun::AlreadyDone => Ok(("already_done", None)),
            Begun::StaleLease { stored } => Ok(("stale_lease", Some(stored))),
            _ => Err(unknown()),
        }
    }

    /// Writes the result of a block and its mark; the numbers are of what was written, or a lease.
    fn commit_block<'py>(
        &self,
        block: &Bound<'py, Block>,
        lease: (String, u64),
        given: Given<'py>,
    ) -> PyResult<(&'static str, Vec<u64>)> {
        let (run, lease) = lease;
        let (store, py) = (self.store()?, block.py());
        let name = Name::of(block.get(), py)?;
        let (graph, write) = (given.graph(store.schema(), &self.position)?, given.write()?);
        let commit = || store.commit_block(&name.lease(&run, lease), &graph, &write);
        match py.detach(commit).map_err(|e| error::of(&e))? {
            Committed::Written(Written { written: Count { nodes, edges }, .. }) => {
                Ok(("written", vec![nodes, edges]))
            }
            Committed::AlreadyDone => Ok(("already_done", Vec::new())),
            Committed::StaleLease { stored } => Ok(("stale_lease", vec![stored])),
            _ => Err(unknown()),
        }
    }

    /// The numbers of the blocks of a task whose results are stored, as runs.
    fn blocks_done(
        &self,
        py: Python<'_>,
        task: &str,
        run: Option<&str>,
    ) -> PyResult<Vec<(u64, u64)>> {
        let store = self.store()?;
        let runs = py.detach(|| store.blocks_done(task, run)).map_err(|e| error::of(&e))?;
        Ok(runs.into_iter().map(|run| (run.start, run.end)).collect())
    }

    /// Removes the marks of blocks of a task, or of all; how many there were.
    fn forget(&self, py: Python<'_>, task: &str, blocks: Option<Vec<u64>>) -> PyResult<u64> {
        let store = self.store()?;
        let blocks: Vec<Range<u64>> = match blocks {
            None => std::iter::once(0..u64::MAX).collect(),
            Some(blocks) => {
                blocks.into_iter().map(|block| block..block.saturating_add(1)).collect()
            }
        };
        py.detach(|| store.forget(task, &blocks)).map_err(|e| error::of(&e))
    }
}

/// The name of a block in a store: its task, and the number of its id.
struct Name {
    task: String,
    block: u64,
}

impl Name {
    fn of(block: &Block, py: Python<'_>) -> PyResult<Self> {
        let task = block.task_id(py);
        let Ok(task) = task.bind(py).cast::<PyString>() else {
            return Err(PyTypeError::new_err(
                "the block has no task_id; give it one, its result is stored under that name",
            ));
        };
        let number = block.exact_number(py).and_then(|number| u64::try_from(number).ok());
        let block = number.filter(|number| *number < u64::MAX).ok_or_else(|| {
            PyValueError::new_err(
                "the number of the block does not fit 64 bits, so its result cannot be marked as done; use \
                 larger blocks",
            )
        })?;
        Ok(Self { task: task.to_string(), block })
    }

    fn lease<'a>(&'a self, run: &'a str, lease: u64) -> BlockLease<'a> {
        BlockLease { run, task: &self.task, block: self.block, lease }
    }
}

/// The attributes that are asked for, of nodes and of edges.
fn query_names<'a>(asked: &'a Asked<'_>) -> [Option<&'a [String]>; 2] {
    [asked.node_attrs.as_deref(), asked.edge_attrs.as_deref()]
}

fn pair(count: Count) -> (u64, u64) {
    (count.nodes, count.edges)
}

fn forked() -> PyErr {
    PyRuntimeError::new_err(
        "this store was opened before this process was forked; open it again here",
    )
}

fn unknown() -> PyErr {
    PyRuntimeError::new_err(
        "the store gave an answer that this version does not know; update daisy",
    )
}

/// Whether two ids name an edge in the order in which it is stored: in undirected graphs the smaller
/// one first, unless only the larger one is a node with a position here.
fn ends(is_directed: bool, (u, v): (u64, u64), is_here: impl Fn(u64) -> bool) -> (u64, u64) {
    if is_directed {
        return (u, v);
    }
    let (small, large) = (u.min(v), u.max(v));
    if !is_here(small) && is_here(large) { (large, small) } else { (small, large) }
}
