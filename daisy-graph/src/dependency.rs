//! Which block waits for which, computed from geometry and never stored.

use alloc::{format, string::String, vec::Vec};
use core::fmt::{self, Write as _};

use daisy_block::{Block, BlockKey, CellBox, LayoutError, Stencil, TaskId};

use daisy_geometry::Coordinate;

use crate::{GraphError, Lattice, Roots, TaskGraph, TaskNode};

/// The dependencies between all blocks of a [`TaskGraph`].
///
/// A block waits for the conflicting blocks of a lower level in its own task, and for exactly those
/// blocks of upstream tasks whose write ROI meets its read ROI. `upstream` and `downstream` mirror
/// each other. Nothing is enumerated up front: every answer takes O(neighbours) time and O(1) memory.
///
/// ```
/// use daisy_block::{BlockKey, Fit, Layout};
/// use daisy_geometry::Roi;
/// use daisy_graph::{DependencyGraph, TaskGraph, TaskNode};
///
/// let (block, context) = (Roi::new([0], [10])?, Roi::new([-2], [14])?);
/// let total = Roi::new([0], [40])?;
/// let mut tasks = TaskGraph::new();
/// let first = Layout::new(total.clone(), block.clone(), block.clone(), Fit::Valid)?;
/// let second = Layout::new(total.grow(2, 2)?, context, block, Fit::Valid)?;
/// let up = tasks.add_task(TaskNode::new("up", first, false)?)?;
/// let down = tasks.add_task(TaskNode::new("down", second, false)?)?;
/// tasks.add_edge(up, down)?;
///
/// let graph = DependencyGraph::new(tasks);
/// let cells: Vec<u64> = graph.upstream(BlockKey::new(down, 0))?.map(|key| key.cell).collect();
/// assert_eq!(cells, [0, 1]); // reads [-2, 12)
/// assert_eq!(graph.num_roots(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DependencyGraph {
    tasks: TaskGraph,
}

impl DependencyGraph {
    /// The dependencies of these tasks.
    #[must_use]
    pub const fn new(tasks: TaskGraph) -> Self {
        Self { tasks }
    }

    /// The tasks.
    #[must_use]
    pub const fn tasks(&self) -> &TaskGraph {
        &self.tasks
    }

    /// The number of blocks of all tasks; saturating.
    #[must_use]
    pub fn num_blocks(&self) -> u64 {
        let blocks = |task| self.tasks[task].tiling().num_cells();
        self.tasks.ids().fold(0, |sum: u64, task| sum.saturating_add(blocks(task)))
    }

    /// The number of blocks that wait for nothing; saturating. O(tasks + edges).
    #[must_use]
    pub fn num_roots(&self) -> u64 {
        self.tasks
            .ids()
            .fold(0, |sum: u64, task| sum.saturating_add(self.roots_of(task).num_cells()))
    }

    /// The blocks that wait for nothing, by task and cell number.
    pub fn roots(&self) -> impl Iterator<Item = BlockKey> + '_ {
        self.tasks.ids().flat_map(move |task| {
            let roots = self.roots_of(task);
            let mut next = roots.next_from(0);
            core::iter::from_fn(move || {
                let cell = next?;
                next = roots.next_from(cell + 1);
                Some(BlockKey::new(task, cell))
            })
        })
    }

    /// The number of levels of a task's conflicts, at least 1.
    ///
    /// # Errors
    /// [`GraphError::UnknownTask`].
    pub fn num_levels(&self, task: TaskId) -> Result<u64, GraphError> {
        Ok(self.tasks.task(task)?.stencil().map_or(1, Stencil::num_levels))
    }

    /// The blocks of one level of a task by cell number: no two of them conflict. None where there is no such
    /// level.
    ///
    /// # Errors
    /// [`GraphError::UnknownTask`].
    pub fn level(
        &self,
        task: TaskId,
        level: u64,
    ) -> Result<impl Iterator<Item = BlockKey> + use<>, GraphError> {
        let node = self.tasks.task(task)?;
        let all = node.tiling().all_cells();
        let lattice = Lattice::of_level_unchecked(node.tiling(), node.stencil(), level, &all);
        let mut next = lattice.next_from(0);
        Ok(core::iter::from_fn(move || {
            let cell = next?;
            next = lattice.next_from(cell + 1);
            Some(BlockKey::new(task, cell))
        }))
    }

    /// All levels of a task in the order in which they become free to run.
    ///
    /// # Errors
    /// [`GraphError::UnknownTask`].
    pub fn levels(
        &self,
        task: TaskId,
    ) -> Result<impl Iterator<Item = impl Iterator<Item = BlockKey>> + '_, GraphError> {
        let num_levels = self.num_levels(task)?;
        Ok((0..num_levels).filter_map(move |level| self.level(task, level).ok()))
    }

    /// The blocks that must be finished before `block` may start.
    ///
    /// Each once; first those of its own task, then by upstream task and cell number.
    ///
    /// # Errors
    /// [`GraphError::UnknownBlock`].
    pub fn upstream(
        &self,
        block: BlockKey,
    ) -> Result<impl Iterator<Item = BlockKey> + '_, GraphError> {
        let task = self.task_of(block)?;
        let in_task = task.stencil().map(|stencil| stencil.upstream(task.tiling(), block.cell));
        let in_task = in_task.transpose()?.into_iter().flatten();
        let read_roi = self.block(block)?.read_roi;
        let across = self.tasks.upstream(block.task).iter().flat_map(move |&other| {
            let tiling = self.tasks[other].tiling();
            let runs = tiling.runs_in_unchecked(&tiling.cells_writing_unchecked(&read_roi));
            runs.flatten().map(move |cell| BlockKey::new(other, cell))
        });
        Ok(in_task.map(move |cell| BlockKey::new(block.task, cell)).chain(across))
    }

    /// The blocks that wait for `block`: the exact mirror image of [`upstream`](Self::upstream).
    ///
    /// # Errors
    /// [`GraphError::UnknownBlock`].
    pub fn downstream(
        &self,
        block: BlockKey,
    ) -> Result<impl Iterator<Item = BlockKey> + '_, GraphError> {
        let task = self.task_of(block)?;
        let in_task = task.stencil().map(|stencil| stencil.downstream(task.tiling(), block.cell));
        let in_task = in_task.transpose()?.into_iter().flatten();
        let write_roi = self.block(block)?.write_roi;
        let across = self.tasks.downstream(block.task).iter().flat_map(move |&other| {
            let tiling = self.tasks[other].tiling();
            let runs = tiling.runs_in_unchecked(&tiling.cells_reading_unchecked(&write_roi));
            runs.flatten().map(move |cell| BlockKey::new(other, cell))
        });
        Ok(in_task.map(move |cell| BlockKey::new(block.task, cell)).chain(across))
    }

    /// The block of that name.
    ///
    /// # Errors
    /// [`GraphError::UnknownBlock`].
    pub fn block(&self, block: BlockKey) -> Result<Block, GraphError> {
        let task = self.task_of(block)?;
        task.tiling()
            .block(block.task, block.cell)
            .ok_or(GraphError::UnknownBlock { block, num_blocks: Some(task.tiling().num_cells()) })
    }

    /// What `block` waits for, to be printed.
    ///
    /// # Errors
    /// [`GraphError::UnknownBlock`].
    pub fn explain(&self, block: BlockKey) -> Result<Explanation<'_>, GraphError> {
        let task = self.task_of(block)?;
        let conflicting = match task.stencil() {
            Some(stencil) => stencil.upstream(task.tiling(), block.cell)?.collect(),
            None => Vec::new(),
        };
        let inputs_of =
            |&other: &TaskId| Ok((other, inputs(&self.tasks[other], task, block.cell)?));
        let inputs = self.tasks.upstream(block.task).iter().map(inputs_of);
        let inputs = inputs.collect::<Result<_, GraphError>>()?;
        Ok(Explanation { graph: self, block: self.block(block)?, conflicting, inputs })
    }

    /// The blocks and what they wait for in Graphviz' language; `None` where there are more than `limit` blocks.
    #[must_use]
    pub fn to_dot(&self, limit: u64) -> Option<String> {
        if self.num_blocks() > limit {
            return None;
        }
        let mut text = String::from("digraph {\n");
        for task in self.tasks.ids() {
            for cell in 0..self.tasks[task].tiling().num_cells() {
                let to = BlockKey::new(task, cell);
                let name = format!("{} {cell}", self.tasks[task].name());
                // Writing to a string cannot fail.
                let _ = writeln!(text, "    \"{to}\" [label={name:?}]");
                for from in self.upstream(to).into_iter().flatten() {
                    let _ = writeln!(text, "    \"{from}\" -> \"{to}\"");
                }
            }
        }
        text.push_str("}\n");
        Some(text)
    }

    /// The roots of one task.
    fn roots_of(&self, task: TaskId) -> Roots {
        let node = &self.tasks[task];
        let waiting = |&up: &TaskId| waiting_unchecked(&self.tasks[up], node);
        let waiting: Vec<CellBox> = self.tasks.upstream(task).iter().map(waiting).collect();
        Roots::new_unchecked(
            node.tiling(),
            node.stencil(),
            Coordinate::zeros(node.tiling().dims()).as_slice(),
            &waiting,
        )
    }

    fn task_of(&self, block: BlockKey) -> Result<&TaskNode, GraphError> {
        let Ok(task) = self.tasks.task(block.task) else {
            return Err(GraphError::UnknownBlock { block, num_blocks: None });
        };
        let num_blocks = task.tiling().num_cells();
        if block.cell >= num_blocks {
            return Err(GraphError::UnknownBlock { block, num_blocks: Some(num_blocks) });
        }
        Ok(task)
    }
}

/// The cells of `upstream` whose write ROI meets the read ROI of a cell of `downstream`.
///
/// ```
/// # use daisy_block::{CellBox, Fit, Layout};
/// # use daisy_geometry::Roi;
/// # use daisy_graph::{inputs, TaskNode};
/// let layout = |width| -> Result<Layout, Box<dyn std::error::Error>> {
///     let block = Roi::new([0], [width])?;
///     Ok(Layout::new(Roi::new([0], [12])?, block.clone(), block, Fit::Valid)?)
/// };
/// let (up, down) = (TaskNode::new("up", layout(2)?, false)?, TaskNode::new("down", layout(6)?, false)?);
/// assert_eq!(inputs(&up, &down, 1)?, CellBox::new([3..6]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`GraphError::DimsMismatch`], and [`GraphError::Layout`] where `downstream` has no such cell.
pub fn inputs(
    upstream: &TaskNode,
    downstream: &TaskNode,
    cell: u64,
) -> Result<CellBox, GraphError> {
    upstream.check_dims(downstream)?;
    let roi = downstream.tiling().read_roi(cell).ok_or_else(|| no_such_cell(downstream, cell))?;
    Ok(upstream.tiling().cells_writing_unchecked(&roi))
}

/// The cells of `downstream` whose read ROI meets the write ROI of a cell of `upstream`.
///
/// # Errors
/// [`GraphError::DimsMismatch`], and [`GraphError::Layout`] where `upstream` has no such cell.
pub fn readers(
    upstream: &TaskNode,
    downstream: &TaskNode,
    cell: u64,
) -> Result<CellBox, GraphError> {
    upstream.check_dims(downstream)?;
    let roi = upstream.tiling().write_roi(cell).ok_or_else(|| no_such_cell(upstream, cell))?;
    Ok(downstream.tiling().cells_reading_unchecked(&roi))
}

/// The cells of `downstream` that wait for at least one cell of `upstream`.
///
/// # Errors
/// [`GraphError::DimsMismatch`].
pub fn waiting(upstream: &TaskNode, downstream: &TaskNode) -> Result<CellBox, GraphError> {
    upstream.check_dims(downstream)?;
    Ok(waiting_unchecked(upstream, downstream))
}

fn waiting_unchecked(upstream: &TaskNode, downstream: &TaskNode) -> CellBox {
    match upstream.tiling().written_by_unchecked(&upstream.tiling().all_cells()) {
        Some(roi) => downstream.tiling().cells_reading_unchecked(&roi),
        None => CellBox::empty(downstream.tiling().dims()),
    }
}

fn no_such_cell(task: &TaskNode, cell: u64) -> GraphError {
    LayoutError::NoSuchCell { cell, num_cells: task.tiling().num_cells() }.into()
}

/// What one block waits for: see [`DependencyGraph::explain`].
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    graph: &'a DependencyGraph,
    /// The block.
    pub block: Block,
    /// The conflicting cells of its own task that go first.
    pub conflicting: Vec<u64>,
    /// The cells it reads, for each upstream task.
    pub inputs: Vec<(TaskId, CellBox)>,
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |task: TaskId| self.graph.tasks[task].name();
        let key = self.block.key;
        writeln!(f, "block {} of '{}'", key.cell, name(key.task))?;
        writeln!(f, "  reads {}, writes {}", self.block.read_roi, self.block.write_roi)?;
        let waits_for_inputs = self.inputs.iter().any(|(_, cells)| !cells.is_empty());
        if self.conflicting.is_empty() && !waits_for_inputs {
            return write!(f, "  waits for nothing");
        }
        if !self.conflicting.is_empty() {
            let count = self.conflicting.len();
            write!(f, "  waits for {count} conflicting blocks of its own task:")?;
            for cell in self.conflicting.iter().take(SHOWN) {
                write!(f, " {cell}")?;
            }
            writeln!(f, "{}", if count > SHOWN { " ..." } else { "" })?;
        }
        for (task, cells) in self.inputs.iter().filter(|(_, cells)| !cells.is_empty()) {
            let count = cells.num_cells();
            writeln!(f, "  reads {count} blocks of '{}' at grid {:?}", name(*task), cells.axes())?;
        }
        Ok(())
    }
}

/// How many conflicting blocks an explanation lists.
const SHOWN: usize = 32;
