//! Which store is meant: what is there, what is wanted, and what is made.

use std::collections::BTreeMap;

use daisy_geometry::Coordinate;
use daisy_graphdb::{
    AttrType, Daisy02, Daisy02Database, Daisy02Meta, GraphError, GraphStore as Store, Open, Owner,
    PostgresStore, Schema, SqliteStore,
};
use pyo3::{exceptions::PyValueError, prelude::*, types::PyDict};

use super::{GraphStore, error};
use crate::{convert, roi::Roi};

/// Cells along an axis of the total ROI, if no cell size is given.
const CELLS: i64 = 64;

/// The size of a cell along an axis without bounds, if none is given.
const UNBOUNDED_CELL: i64 = 1_024;

/// What a graph should be, as a dict; what is None is taken from what is stored.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct Wanted<'py> {
    directed: Option<bool>,
    total_roi: Option<Bound<'py, PyAny>>,
    cell_size: Option<Bound<'py, PyAny>>,
    dims: Option<usize>,
    /// Names and types, these as text.
    node_attrs: Option<Vec<(String, String)>>,
    edge_attrs: Option<Vec<(String, String)>>,
    position: Vec<String>,
}

/// What is wanted, without Python.
struct Plan {
    directed: Option<bool>,
    total_roi: Option<daisy_geometry::Roi>,
    cell_size: Option<Coordinate>,
    dims: Option<usize>,
    node_attrs: Option<Vec<(String, AttrType)>>,
    edge_attrs: Option<Vec<(String, AttrType)>>,
}

/// A place where a graph is or can be made.
trait Place: Sync {
    fn open(&self, open: Open) -> Result<Box<dyn Store>, GraphError>;
    fn remove(&self) -> Result<(), GraphError>;
}

struct File<'a>(&'a str);

impl Place for File<'_> {
    fn open(&self, open: Open) -> Result<Box<dyn Store>, GraphError> {
        Ok(Box::new(SqliteStore::open(self.0, open)?))
    }

    fn remove(&self) -> Result<(), GraphError> {
        SqliteStore::remove(self.0)
    }
}

struct Namespace<'a>(&'a str, &'a str);

impl Place for Namespace<'_> {
    fn open(&self, open: Open) -> Result<Box<dyn Store>, GraphError> {
        Ok(Box::new(PostgresStore::open(self.0, self.1, open)?))
    }

    fn remove(&self) -> Result<(), GraphError> {
        PostgresStore::remove(self.0, self.1)
    }
}

pub(super) fn sqlite(
    py: Python<'_>,
    path: &str,
    mode: &str,
    wanted: Wanted<'_>,
) -> PyResult<Box<dyn Store>> {
    opened(py, &File(path), mode, wanted)
}

pub(super) fn postgres(
    py: Python<'_>,
    (config, name): (&str, &str),
    mode: &str,
    wanted: Wanted<'_>,
) -> PyResult<Box<dyn Store>> {
    opened(py, &Namespace(config, name), mode, wanted)
}

/// Opens, or creates, what is at a place.
fn opened(
    py: Python<'_>,
    place: &dyn Place,
    mode: &str,
    wanted: Wanted<'_>,
) -> PyResult<Box<dyn Store>> {
    let plan = wanted.plan()?;
    let (is_writable, starts_anew) = (mode != "r", mode == "w");
    // Before anything is removed.
    let new = if starts_anew { Some(plan.schema()?) } else { None };
    let existing = py.detach(|| {
        if starts_anew {
            place.remove()?;
        }
        match (new, is_writable) {
            (Some(schema), _) => place.open(Open::Create(schema)),
            (None, true) => place.open(Open::ReadWrite),
            (None, false) => place.open(Open::Read),
        }
    });
    let existing = match existing {
        Err(GraphError::NotFound { .. }) if is_writable => {
            let schema = plan.schema()?;
            return py.detach(|| place.open(Open::Create(schema))).map_err(|e| error::of(&e));
        }
        outcome => outcome.map_err(|e| error::of(&e))?,
    };
    let schema = plan.over(existing.schema(), is_writable).map_err(|e| error::of(&e))?;
    if schema == *existing.schema() {
        return Ok(existing);
    }
    if is_writable {
        // The back end says what differs; a file of another program has no cells, which may differ.
        return py.detach(|| place.open(Open::Create(schema))).map_err(|e| error::of(&e));
    }
    let differences = schema.differences(existing.schema());
    let texts: Vec<_> = differences.iter().map(ToString::to_string).collect();
    Err(PyValueError::new_err(format!(
        "the stored graph differs: {}; leave these arguments out, or open another graph",
        texts.join("; ")
    )))
}

impl Wanted<'_> {
    /// The attribute or attributes that hold positions.
    pub(super) fn position(&self) -> Vec<String> {
        self.position.clone()
    }

    fn plan(&self) -> PyResult<Plan> {
        let total_roi = self.total_roi.as_ref().map(|roi| convert::roi(roi, "total_roi"));
        let total_roi = total_roi.transpose()?;
        let dims = self.dims.or_else(|| total_roi.as_ref().map(daisy_geometry::Roi::dims));
        let cell_size =
            match (&self.cell_size, dims) {
                (None, _) => None,
                (Some(size), None) => Some(convert::point(size, "cell_size")?),
                (Some(size), Some(dims)) => {
                    let entries = convert::spread(size, dims, "cell_size")?;
                    let size: Option<Coordinate> = entries.into_iter().collect();
                    Some(size.ok_or_else(|| {
                        PyValueError::new_err("cell_size has a None; give integers")
                    })?)
                }
            };
        let dims = dims.or_else(|| cell_size.as_ref().map(Coordinate::dims));
        Ok(Plan {
            directed: self.directed,
            total_roi,
            cell_size,
            dims,
            node_attrs: self.node_attrs.as_deref().map(parsed).transpose()?,
            edge_attrs: self.edge_attrs.as_deref().map(parsed).transpose()?,
        })
    }
}

impl Plan {
    /// The schema of a graph that is made.
    fn schema(&self) -> PyResult<Schema> {
        let dims = self.dims.ok_or_else(|| {
            PyValueError::new_err(
                "there is no graph yet, and nothing says how many axes it has: give total_roi, cell_size or dims",
            )
        })?;
        let roi = self.total_roi.clone().unwrap_or_else(|| daisy_geometry::Roi::unbounded(dims));
        let size = |axis| match roi.shape_at(axis) {
            Some(shape) => (shape / CELLS + i64::from(shape % CELLS != 0)).max(1),
            None => UNBOUNDED_CELL,
        };
        let cells = self.cell_size.clone();
        let cells = cells.unwrap_or_else(|| (0..dims).map(size).collect());
        let schema = Schema::new(cells).and_then(|schema| schema.undirected().total_roi(roi));
        schema.and_then(|schema| self.over(&schema, true)).map_err(|e| error::of(&e))
    }

    /// An existing schema, changed where something else is wanted. Readers do not depend on cells.
    fn over(&self, existing: &Schema, with_cells: bool) -> Result<Schema, GraphError> {
        let cells = self.cell_size.clone().filter(|_| with_cells);
        let mut schema = match &cells {
            Some(cells) => Schema::new(cells.clone())?,
            None => {
                let grid = existing.grid();
                Schema::new(grid.size().clone())?.cell_origin(grid.origin().clone())?
            }
        };
        let is_directed = self.directed.unwrap_or(existing.is_directed());
        schema = if is_directed { schema.directed() } else { schema.undirected() };
        let roi = self.total_roi.clone().unwrap_or_else(|| existing.roi().clone());
        schema = schema.total_roi(roi)?;
        let stored =
            |owner| existing.attrs(owner).iter().map(|a| ((*a.name).to_owned(), a.attr_type));
        let chosen = |given: &Option<Vec<_>>, owner| match given {
            Some(given) => given.clone(),
            None => stored(owner).collect(),
        };
        for (name, attr_type) in chosen(&self.node_attrs, Owner::Nodes) {
            schema = schema.node_attr(&name, attr_type)?;
        }
        for (name, attr_type) in chosen(&self.edge_attrs, Owner::Edges) {
            schema = schema.edge_attr(&name, attr_type)?;
        }
        Ok(schema)
    }
}

fn parsed(attrs: &[(String, String)]) -> PyResult<Vec<(String, AttrType)>> {
    let parse = |(name, text): &(String, String)| {
        let attr_type = text.parse().map_err(|()| {
            PyValueError::new_err(format!(
                "attribute {name:?} has no type {text:?}; give bool, int, float, str"
            ))
        })?;
        Ok((name.clone(), attr_type))
    };
    attrs.iter().map(parse).collect()
}

/// The attributes of a schema and their types, as text; None where any can be written.
pub(super) fn types<'py>(
    py: Python<'py>,
    schema: &Schema,
    owner: Owner,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    if schema.has_any_attrs() {
        return Ok(None);
    }
    let types = PyDict::new(py);
    for attribute in schema.attrs(owner) {
        types.set_item(&*attribute.name, attribute.attr_type.to_string())?;
    }
    Ok(Some(types))
}

/// The attributes that are in collections of their own, by the names of these.
type AttrCollections = BTreeMap<String, Vec<String>>;

/// The collections that a MongoDbGraphProvider of daisy 0.2 has in a database. It belongs to the
/// process that made it.
#[pyclass(frozen, module = "daisy._daisy")]
pub(crate) struct MongoCollections {
    database: Option<Daisy02Database>,
    position: Vec<String>,
    pid: u32,
}

impl MongoCollections {
    fn database(&self) -> PyResult<&Daisy02Database> {
        match &self.database {
            Some(database) if self.pid == std::process::id() => Ok(database),
            _ => Err(super::forked()),
        }
    }
}

impl Drop for MongoCollections {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            // The threads of the driver did not come along.
            std::mem::forget(self.database.take());
        }
    }
}

#[pymethods]
impl MongoCollections {
    #[new]
    fn new(
        place: (String, String),
        collections: (String, String, String),
        endpoints: [String; 2],
        position: Vec<String>,
        attr_collections: (AttrCollections, AttrCollections),
    ) -> PyResult<Self> {
        let ((uri, name), (nodes, edges, meta)) = (place, collections);
        let (node_attr_collections, edge_attr_collections) = attr_collections;
        let names = Daisy02 {
            nodes,
            edges,
            meta,
            position: position.clone(),
            endpoints,
            node_attr_collections,
            edge_attr_collections,
        };
        let database = Daisy02Database::connect(&uri, &name, names).map_err(|e| error::of(&e))?;
        Ok(Self { database: Some(database), position, pid: std::process::id() })
    }

    /// Makes the collections unless the mode is `r`, after removing them if it is `w`; returns what
    /// their metadata say.
    fn prepare(
        &self,
        py: Python<'_>,
        mode: &str,
        directed: bool,
        total_roi: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(bool, Option<Roi>)> {
        let total_roi = total_roi.map(|roi| convert::roi(roi, "total_roi")).transpose()?;
        let (database, wanted) =
            (self.database()?, Daisy02Meta { is_directed: directed, total_roi });
        let meta = py.detach(|| {
            if mode == "w" {
                database.remove()?;
            }
            if mode == "r" {
                let place = || "the collections of the database".to_owned();
                return database.meta()?.ok_or_else(|| GraphError::NotFound { place: place() });
            }
            database.create(&wanted)
        });
        let Daisy02Meta { is_directed, total_roi } = meta.map_err(|e| error::of(&e))?;
        Ok((is_directed, total_roi.map(Roi::new)))
    }

    /// The number of axes, as far as something that is stored says so.
    fn dims(&self, py: Python<'_>) -> PyResult<Option<usize>> {
        let database = self.database()?;
        py.detach(|| database.dims()).map_err(|e| error::of(&e))
    }

    /// The store of the collections, for positions of so many axes.
    fn store(&self, py: Python<'_>, dims: usize, is_writable: bool) -> PyResult<GraphStore> {
        let database = self.database()?;
        let store = py.detach(|| {
            let meta =
                database.meta()?.unwrap_or(Daisy02Meta { is_directed: false, total_roi: None });
            let mut schema = Schema::new(Coordinate::ones(dims))?.any_attrs();
            schema = if meta.is_directed { schema.directed() } else { schema.undirected() };
            if let Some(roi) = meta.total_roi {
                schema = schema.total_roi(roi)?;
            }
            database.store(schema, is_writable)
        });
        let store = store.map_err(|e| error::of(&e))?;
        Ok(GraphStore::new(Box::new(store), self.position.clone()))
    }
}
