//! Python tasks as the Rust crates see them.

use std::{collections::HashMap, sync::Arc};

use daisy_block::{Fit, Layout, TaskId};
use daisy_graph::{TaskGraph, TaskNode};
use pyo3::{
    exceptions::{PyKeyError, PyTypeError, PyValueError},
    prelude::*,
    types::{PyDict, PyString},
};

use crate::{
    block::{Block, Grid},
    convert, error,
    roi::Roi,
};

/// What the blocks of a task write together, once its ROIs and its fit are found valid.
#[pyfunction]
#[pyo3(signature = (task_id, total_roi, read_roi, write_roi, fit))]
pub(crate) fn total_write_roi(
    task_id: &str,
    total_roi: &Bound<'_, PyAny>,
    read_roi: &Bound<'_, PyAny>,
    write_roi: &Bound<'_, PyAny>,
    fit: &str,
) -> PyResult<Roi> {
    let rois = [(total_roi, "total_roi"), (read_roi, "read_roi"), (write_roi, "write_roi")];
    Ok(layout(task_id, rois, fit)?.total_write_roi().into())
}

/// A layout; an error names the task.
fn layout(task_id: &str, rois: [(&Bound<'_, PyAny>, &str); 3], fit: &str) -> PyResult<Layout> {
    let [(total, what), read, write] = rois;
    layout_of(task_id, convert::roi(total, what)?, [read, write], fit)
}

/// The same for a total ROI and what one block reads and writes.
pub(crate) fn layout_of(
    task_id: &str,
    total: daisy_geometry::Roi,
    block: [(&Bound<'_, PyAny>, &str); 2],
    fit: &str,
) -> PyResult<Layout> {
    let [read, write] = block.map(|(value, what)| convert::roi(value, what));
    let fit: Fit = fit.parse().map_err(|_| {
        PyValueError::new_err(format!(
            "task '{task_id}': unknown fit {fit:?}; use one of: valid, overhang, shrink"
        ))
    })?;
    Layout::new(total, read?, write?, fit)
        .map_err(|error| PyValueError::new_err(format!("task '{task_id}': {error}")))
}

/// Some tasks and all that are upstream of them.
pub(crate) struct Tasks {
    pub(crate) graph: TaskGraph,
    pub(crate) entries: Vec<Entry>,
}

/// One of them.
pub(crate) struct Entry {
    pub(crate) grid: Arc<Grid>,
    /// The task and those directly downstream: whose counts change with one of its blocks.
    pub(crate) affected: Vec<TaskId>,
    pub(crate) task: Py<PyAny>,
}

impl Tasks {
    /// These tasks and everything upstream of them, each once however often it is reached.
    pub(crate) fn collect(tasks: &Bound<'_, PyAny>) -> PyResult<Self> {
        let found = reach(tasks)?;
        let mut graph = TaskGraph::new();
        let mut entries = Vec::new();
        for (task, _) in &found {
            let node = node(task)?;
            let name = PyString::intern(task.py(), node.name()).unbind();
            let tiling = node.tiling().clone();
            let id = graph.add_task(node).map_err(|error| error::graph(&error))?;
            let grid = Arc::new(Grid { name, task: id, tiling });
            entries.push(Entry { grid, affected: vec![id], task: task.clone().unbind() });
        }
        for (downstream, (_, upstream)) in found.iter().enumerate() {
            for &place in upstream {
                let ends = (id_of(place)?, id_of(downstream)?);
                graph.add_edge(ends.0, ends.1).map_err(|error| error::graph(&error))?;
            }
        }
        for entry in &mut entries {
            entry.affected.extend_from_slice(graph.downstream(entry.grid.task));
        }
        Ok(Self { graph, entries })
    }

    /// The place of the task of that name.
    #[inline]
    pub(crate) fn find(&self, task_id: &Bound<'_, PyAny>) -> PyResult<usize> {
        // Names are interned, and so are those that scripts write down.
        let pointer = task_id.as_ptr();
        let place = self.entries.iter().position(|entry| entry.grid.name.as_ptr() == pointer);
        match place {
            Some(place) => Ok(place),
            None => self.find_by_text(task_id),
        }
    }

    /// The cell of a block in the grid of its task.
    #[inline]
    pub(crate) fn locate(&self, block: &Block, py: Python<'_>) -> PyResult<(usize, u64)> {
        match block.cell() {
            Some((grid, cell)) if self.has(grid) => Ok((grid.task.index(), cell)),
            _ => self.locate_by_name(block, py),
        }
    }

    /// All tasks by their names.
    pub(crate) fn by_name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let map = PyDict::new(py);
        for entry in &self.entries {
            map.set_item(&entry.grid.name, &entry.task)?;
        }
        Ok(map)
    }

    fn has(&self, grid: &Arc<Grid>) -> bool {
        self.entries.get(grid.task.index()).is_some_and(|entry| Arc::ptr_eq(&entry.grid, grid))
    }

    /// For a block that comes from elsewhere, by pickle or by hand.
    #[cold]
    fn locate_by_name(&self, block: &Block, py: Python<'_>) -> PyResult<(usize, u64)> {
        let place = self.find(block.task_id(py).bind(py))?;
        let cell = cell_of(&self.entries[place].grid, block, py)?;
        Ok((place, cell))
    }

    #[cold]
    fn find_by_text(&self, task_id: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = task_id.py();
        if let Ok(text) = task_id.cast::<PyString>() {
            let is_it = |entry: &Entry| entry.grid.name.bind(py).as_any().eq(text).unwrap_or(false);
            if let Some(place) = self.entries.iter().position(is_it) {
                return Ok(place);
            }
        }
        let names: Vec<String> =
            self.entries.iter().map(|entry| entry.grid.name.bind(py).to_string()).collect();
        let (names, shown) = (names.join("', '"), task_id.repr()?);
        Err(PyKeyError::new_err(format!("no task {shown} among '{names}'")))
    }
}

/// The cell of a block in a grid. One that comes from another grid, as blocks do that were pickled or made by
/// hand, is known by what it writes, and its number has to agree.
pub(crate) fn cell_of(grid: &Arc<Grid>, block: &Block, py: Python<'_>) -> PyResult<u64> {
    if let Some((own, cell)) = block.cell()
        && Arc::ptr_eq(own, grid)
    {
        return Ok(cell);
    }
    let (written, tiling) = (block.written(py)?, &grid.tiling);
    let cells = tiling.cells_writing(&written).and_then(|range| tiling.cells_in(&range));
    let found = cells.map_err(|error| error::layout(&error))?.next().filter(|&cell| {
        tiling.write_roi(cell).as_ref() == Some(&written)
            && tiling.block_id(cell).ok() == block.exact_number(py)
    });
    found.ok_or_else(|| {
        let name = grid.name.bind(py);
        PyValueError::new_err(format!(
            "task '{name}' has no block that writes {written} under this id; give one of its blocks"
        ))
    })
}

/// A task and the places of its upstream tasks.
type Found<'py> = (Bound<'py, PyAny>, Vec<usize>);

/// Walks upstream without recursion: the given tasks, then what they wait for, and so on.
fn reach<'py>(tasks: &Bound<'py, PyAny>) -> PyResult<Vec<Found<'py>>> {
    let mut found: Vec<Found<'py>> = Vec::new();
    // By address: the list keeps the tasks alive.
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut place_of = |task: Bound<'py, PyAny>, found: &mut Vec<Found<'py>>| {
        *places.entry(task.as_ptr() as usize).or_insert_with(|| {
            found.push((task, Vec::new()));
            found.len() - 1
        })
    };
    for task in listed(tasks)? {
        place_of(task, &mut found);
    }
    let mut at = 0;
    while let Some((task, _)) = found.get(at) {
        let upstream = upstream_of(task)?.into_iter().map(|task| place_of(task, &mut found));
        let upstream: Vec<usize> = upstream.collect();
        found[at].1 = upstream;
        at += 1;
    }
    Ok(found)
}

fn listed<'py>(tasks: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let tasks = tasks.try_iter().map_err(|_| {
        PyTypeError::new_err(format!(
            "tasks is a {}; give a list of tasks",
            convert::type_name(tasks)
        ))
    })?;
    tasks.collect()
}

fn upstream_of<'py>(task: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let upstream = task.getattr("upstream_tasks").map_err(|_| {
        PyTypeError::new_err(format!("a {} is no task; give daisy.Task", convert::type_name(task)))
    })?;
    if upstream.is_none() { Ok(Vec::new()) } else { listed(&upstream) }
}

fn node(task: &Bound<'_, PyAny>) -> PyResult<TaskNode> {
    let name: String = task.getattr("task_id")?.extract()?;
    let [total, read, write] =
        ["total_roi", "read_roi", "write_roi"].map(|name| task.getattr(name));
    let rois = [(&total?, "total_roi"), (&read?, "read_roi"), (&write?, "write_roi")];
    let layout = layout(&name, rois, &task.getattr("fit")?.extract::<String>()?)?;
    let conflict = task.getattr("read_write_conflict")?.is_truthy()?;
    TaskNode::new(name, layout, conflict).map_err(|error| error::graph(&error))
}

fn id_of(place: usize) -> PyResult<TaskId> {
    // The graph refuses more tasks than that.
    Ok(TaskId::new(u32::try_from(place)?))
}
