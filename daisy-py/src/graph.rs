//! Which block waits for which: `daisy.DependencyGraph` for several tasks,
//! `daisy.BlockwiseDependencyGraph` for one. Nothing is enumerated before it is asked for.

use std::sync::Arc;

use daisy_block::{Stencil, TaskId, Tiling};
use daisy_geometry::Roi;
use daisy_graph::{Lattice, TaskNode};
use pyo3::{
    PyTraverseError, PyVisit,
    exceptions::{PyIndexError, PyTypeError, PyValueError},
    prelude::*,
    types::{PyDict, PySet, PyString, PyTuple},
};

use crate::{
    block::{Block, Grid},
    convert, error,
    task::{self, Tasks},
};

/// The dependencies between all blocks of some tasks, and of all that are upstream of them.
///
/// A block waits for the conflicting blocks of a lower level of its own task, and for exactly those
/// blocks of upstream tasks whose write ROI meets its read ROI. ``upstream`` and ``downstream`` mirror
/// each other.
#[pyclass(frozen, module = "daisy")]
pub(crate) struct DependencyGraph {
    graph: daisy_graph::DependencyGraph,
    tasks: Tasks,
}

impl DependencyGraph {
    pub(crate) fn of(tasks: &Bound<'_, PyAny>) -> PyResult<Self> {
        let tasks = Tasks::collect(tasks)?;
        Ok(Self { graph: daisy_graph::DependencyGraph::new(tasks.graph.clone()), tasks })
    }

    fn node(&self, task_id: &Bound<'_, PyAny>) -> PyResult<(usize, &TaskNode)> {
        let place = self.tasks.find(task_id)?;
        let node = self.tasks.graph.task(self.tasks.entries[place].grid.task);
        Ok((place, node.map_err(|error| error::graph(&error))?))
    }

    fn blocks(&self, keys: impl Iterator<Item = daisy_block::BlockKey>) -> Vec<Block> {
        keys.map(|key| Block::at(self.tasks.entries[key.task.index()].grid.clone(), key.cell))
            .collect()
    }

    fn key(&self, block: &Bound<'_, PyAny>) -> PyResult<daisy_block::BlockKey> {
        let block = the_block(block)?;
        let (place, cell) = self.tasks.locate(block.get(), block.py())?;
        Ok(daisy_block::BlockKey::new(self.tasks.entries[place].grid.task, cell))
    }

    /// The neighbours of every task by name.
    fn neighbours<'a, 'py>(
        &'a self,
        py: Python<'py>,
        of: impl Fn(TaskId) -> &'a [TaskId],
    ) -> PyResult<Bound<'py, PyDict>> {
        let map = PyDict::new(py);
        for entry in &self.tasks.entries {
            let names = of(entry.grid.task).iter();
            let names = names.map(|task| self.tasks.entries[task.index()].grid.name.clone_ref(py));
            map.set_item(&entry.grid.name, PySet::new(py, names)?)?;
        }
        Ok(map)
    }
}

#[pymethods]
impl DependencyGraph {
    #[new]
    fn py_new(tasks: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::of(tasks)
    }

    /// The names of all tasks.
    #[getter]
    fn task_ids(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.tasks.entries.iter().map(|entry| entry.grid.name.clone_ref(py)).collect()
    }

    /// All tasks by their names.
    #[getter]
    fn task_map<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.tasks.by_name(py)
    }

    /// The names of the tasks directly upstream of each task.
    #[getter]
    fn upstream_tasks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.neighbours(py, |task| self.tasks.graph.upstream(task))
    }

    /// The names of the tasks directly downstream of each task.
    #[getter]
    fn downstream_tasks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.neighbours(py, |task| self.tasks.graph.downstream(task))
    }

    /// The number of blocks of a task.
    fn num_blocks(&self, task_id: &Bound<'_, PyAny>) -> PyResult<u64> {
        Ok(self.node(task_id)?.1.tiling().num_cells())
    }

    /// The number of blocks of a task that wait for no other block of the same task.
    fn num_roots(&self, task_id: &Bound<'_, PyAny>) -> PyResult<u64> {
        let node = self.node(task_id)?.1;
        Ok(level(node.tiling(), node.stencil(), 0)?.num_cells())
    }

    /// The blocks of a task that wait for no other block of the same task, one by one.
    fn root_gen(&self, task_id: &Bound<'_, PyAny>) -> PyResult<Blocks> {
        let (place, node) = self.node(task_id)?;
        let grid = &self.tasks.entries[place].grid;
        let name = grid.name.clone_ref(task_id.py());
        let grid = Grid { name, task: grid.task, tiling: grid.tiling.row_major() };
        Blocks::of_level(Arc::new(grid), node.stencil(), 0)
    }

    /// The names of the tasks that nothing is upstream of.
    fn root_tasks(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        let is_root = |grid: &Arc<Grid>| self.tasks.graph.upstream(grid.task).is_empty();
        let grids = self.tasks.entries.iter().map(|entry| &entry.grid);
        grids.filter(|grid| is_root(grid)).map(|grid| grid.name.clone_ref(py)).collect()
    }

    /// For each task that nothing is upstream of: how many roots it has, and these one by one.
    fn roots<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let map = PyDict::new(py);
        for name in self.root_tasks(py) {
            let task_id = name.bind(py).as_any();
            map.set_item(task_id, (self.num_roots(task_id)?, self.root_gen(task_id)?))?;
        }
        Ok(map)
    }

    /// The blocks that must be done before ``block`` may start: those of its own task first.
    fn upstream(&self, block: &Bound<'_, PyAny>) -> PyResult<Vec<Block>> {
        let keys = self.graph.upstream(self.key(block)?).map_err(|error| error::graph(&error))?;
        Ok(self.blocks(keys))
    }

    /// The blocks that wait for ``block``: those of its own task first.
    fn downstream(&self, block: &Bound<'_, PyAny>) -> PyResult<Vec<Block>> {
        let keys = self.graph.downstream(self.key(block)?).map_err(|error| error::graph(&error))?;
        Ok(self.blocks(keys))
    }

    /// So that a graph which one of its tasks holds is collected.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.tasks.entries.iter().try_for_each(|entry| visit.call(&entry.task))
    }
}

/// The blocks of one task, and which of them wait for which.
///
/// Args:
///     task_id: the name of the task.
///     block_read_roi: what a block reads; only its place relative to the write ROI matters.
///     block_write_roi: what a block writes.
///     read_write_conflict: whether blocks that touch each other's data wait for one another.
///     fit: ``"valid"``, ``"overhang"`` or ``"shrink"``.
///     total_read_roi: everything that blocks may read; or, instead,
///     total_write_roi: everything that is to be written.
#[pyclass(frozen, subclass, name = "BlockwiseDependencyGraph", module = "daisy._daisy")]
pub(crate) struct TaskBlocks {
    grid: Arc<Grid>,
    node: TaskNode,
    read_write_conflict: bool,
}

#[pymethods]
impl TaskBlocks {
    #[expect(clippy::too_many_arguments, reason = "the arguments that users of daisy 1.x know")]
    #[new]
    #[pyo3(signature = (
        task_id, block_read_roi, block_write_roi, read_write_conflict, fit,
        total_read_roi = None, total_write_roi = None
    ))]
    fn py_new(
        task_id: &Bound<'_, PyString>,
        block_read_roi: &Bound<'_, PyAny>,
        block_write_roi: &Bound<'_, PyAny>,
        read_write_conflict: bool,
        fit: &str,
        total_read_roi: Option<&Bound<'_, PyAny>>,
        total_write_roi: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let block = [(block_read_roi, "block_read_roi"), (block_write_roi, "block_write_roi")];
        let total = match (total_read_roi, total_write_roi) {
            (Some(total), _) => convert::roi(total, "total_read_roi")?,
            (None, Some(total)) => around(&convert::roi(total, "total_write_roi")?, block)?,
            (None, None) => {
                let text = "what is there to be done? give total_read_roi or total_write_roi";
                return Err(PyValueError::new_err(text));
            }
        };
        let name: String = task_id.extract()?;
        let layout = task::layout_of(&name, total, block, fit)?;
        let written = layout.total_write_roi();
        if let Some(given) = total_write_roi
            && convert::roi(given, "total_write_roi")? != written
        {
            return Err(PyValueError::new_err(format!(
                "the blocks write {written} of total_read_roi, not total_write_roi; give one of both"
            )));
        }
        let node = TaskNode::new(name, layout, read_write_conflict);
        let node = node.map_err(|error| error::graph(&error))?;
        let tiling = node.tiling().row_major();
        let grid = Grid { name: task_id.clone().unbind(), task: TaskId::new(0), tiling };
        Ok(Self { grid: Arc::new(grid), node, read_write_conflict })
    }

    /// The name of the task.
    #[getter]
    fn task_id(&self) -> &str {
        self.node.name()
    }

    /// What a block reads.
    #[getter]
    fn block_read_roi(&self) -> crate::roi::Roi {
        self.node.layout().read_roi().clone().into()
    }

    /// What a block writes.
    #[getter]
    fn block_write_roi(&self) -> crate::roi::Roi {
        self.node.layout().write_roi().clone().into()
    }

    /// Everything that blocks may read.
    #[getter]
    fn total_read_roi(&self) -> crate::roi::Roi {
        self.node.layout().total_roi().clone().into()
    }

    /// Everything that is to be written.
    #[getter]
    fn total_write_roi(&self) -> crate::roi::Roi {
        self.node.layout().total_write_roi().into()
    }

    /// What a block reads below and above its write ROI: two coordinates.
    #[getter]
    fn read_write_context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let layout = self.node.layout();
        let below = convert::bounded(py, &layout.context_lo())?;
        (below, convert::bounded(py, &layout.context_hi())?).into_pyobject(py)
    }

    /// Whether blocks that touch each other's data wait for one another.
    #[getter]
    const fn read_write_conflict(&self) -> bool {
        self.read_write_conflict
    }

    /// How blocks are fitted to the high end.
    #[getter]
    fn fit(&self) -> String {
        self.node.layout().fit().to_string()
    }

    /// The number of blocks.
    #[getter]
    fn num_blocks(&self) -> u64 {
        self.grid.tiling.num_cells()
    }

    /// The number of levels: no two blocks of one level conflict. At least 1.
    #[getter]
    fn num_levels(&self) -> u64 {
        self.node.stencil().map_or(1, Stencil::num_levels)
    }

    /// For each axis: over how many blocks conflicts reach below and above, and after how many blocks
    /// the levels repeat.
    #[getter(_reaches)]
    fn reaches(&self) -> Vec<(i64, i64, i64)> {
        match self.node.stencil() {
            Some(stencil) => {
                let axes = stencil.axes().iter();
                axes.map(|axis| (axis.reach_lo, axis.reach_hi, axis.period)).collect()
            }
            None => vec![(0, 0, 1); self.node.layout().dims()],
        }
    }

    /// The number of blocks that wait for no other.
    fn num_roots(&self) -> PyResult<u64> {
        Ok(level(&self.grid.tiling, self.node.stencil(), 0)?.num_cells())
    }

    /// The blocks that wait for no other, one by one.
    fn root_gen(&self) -> PyResult<Blocks> {
        Blocks::of_level(self.grid.clone(), self.node.stencil(), 0)
    }

    /// The blocks of a level, row by row; blocks of level 0 wait for no other.
    fn level_blocks(&self, level: i64) -> PyResult<Blocks> {
        let levels = self.num_levels();
        match u64::try_from(level) {
            Ok(level) if level < levels => {
                Blocks::of_level(self.grid.clone(), self.node.stencil(), level)
            }
            _ => Err(PyIndexError::new_err(format!(
                "there is no level {level}; levels go from 0 to {}",
                levels - 1
            ))),
        }
    }

    /// The conflicting blocks of a lower level, which must be done before ``block`` may start.
    fn upstream(&self, block: &Bound<'_, PyAny>) -> PyResult<Vec<Block>> {
        let (cell, tiling) = (self.locate(block)?, &self.grid.tiling);
        let cells = self.node.stencil().map(|stencil| stencil.upstream(tiling, cell)).transpose();
        Ok(self.blocks(cells.map_err(|error| error::layout(&error))?.into_iter().flatten()))
    }

    /// The conflicting blocks of a higher level, which wait for ``block``.
    fn downstream(&self, block: &Bound<'_, PyAny>) -> PyResult<Vec<Block>> {
        let (cell, tiling) = (self.locate(block)?, &self.grid.tiling);
        let cells = self.node.stencil().map(|stencil| stencil.downstream(tiling, cell)).transpose();
        Ok(self.blocks(cells.map_err(|error| error::layout(&error))?.into_iter().flatten()))
    }

    /// The blocks whose write ROI meets ``sub_roi``; with ``read_roi``, those whose read ROI does.
    #[pyo3(signature = (sub_roi, read_roi = false))]
    fn get_subgraph_blocks(
        &self,
        sub_roi: &Bound<'_, PyAny>,
        read_roi: bool,
    ) -> PyResult<Vec<Block>> {
        let (roi, tiling) = (convert::roi(sub_roi, "sub_roi")?, &self.grid.tiling);
        let cells = if read_roi { tiling.cells_reading(&roi) } else { tiling.cells_writing(&roi) };
        let cells = cells.and_then(|cells| tiling.cells_in(&cells));
        Ok(self.blocks(cells.map_err(|error| error::layout(&error))?))
    }
}

impl TaskBlocks {
    fn blocks(&self, cells: impl Iterator<Item = u64>) -> Vec<Block> {
        cells.map(|cell| Block::at(self.grid.clone(), cell)).collect()
    }

    /// The cell of a block, which is known by what it writes.
    fn locate(&self, block: &Bound<'_, PyAny>) -> PyResult<u64> {
        task::cell_of(&self.grid, the_block(block)?.get(), block.py())
    }
}

/// Blocks of one level, made one by one.
#[pyclass(module = "daisy")]
pub(crate) struct Blocks {
    grid: Arc<Grid>,
    lattice: Lattice,
    next: u64,
}

impl Blocks {
    fn of_level(grid: Arc<Grid>, stencil: Option<&Stencil>, level: u64) -> PyResult<Self> {
        let lattice = self::level(&grid.tiling, stencil, level)?;
        Ok(Self { grid, lattice, next: 0 })
    }
}

#[pymethods]
impl Blocks {
    const fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self) -> Option<Block> {
        let cell = self.lattice.next_from(self.next)?;
        self.next = cell + 1;
        Some(Block::at(self.grid.clone(), cell))
    }
}

fn level(tiling: &Tiling, stencil: Option<&Stencil>, level: u64) -> PyResult<Lattice> {
    let lattice = Lattice::of_level(tiling, stencil, level, &tiling.all_cells());
    lattice.map_err(|error| error::graph(&error))
}

fn the_block<'a, 'py>(block: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, Block>> {
    block.cast::<Block>().map_err(|_| {
        PyTypeError::new_err(format!(
            "a {} is no block; give a daisy.Block",
            convert::type_name(block)
        ))
    })
}

/// What must be read so that `total` is written.
fn around(total: &Roi, block: [(&Bound<'_, PyAny>, &str); 2]) -> PyResult<Roi> {
    let [read, write] = block.map(|(value, what)| convert::roi(value, what));
    let (read, write) = (read?, write?);
    let (Some((read_begin, read_end)), Some((begin, end))) = (read.bounds(), write.bounds()) else {
        return Err(PyValueError::new_err("the block's ROIs have no bounds; give bounded ones"));
    };
    let below = begin.checked_sub(read_begin).map_err(|error| error::geometry(&error))?;
    let above = read_end.checked_sub(end).map_err(|error| error::geometry(&error))?;
    total.grow(below, above).map_err(|error| error::geometry(&error))
}
