//! The tasks of a pipeline and who is upstream of whom: acyclic by construction.

use alloc::{format, string::String, vec::Vec};

use daisy_block::{Layout, Stencil, TaskId, Tiling};
use petgraph::{
    Direction,
    algo::{astar, toposort},
    dot::{Config, Dot},
    graph::{DiGraph, NodeIndex},
};

use crate::GraphError;

/// One task of a [`TaskGraph`]: its name and everything that follows from its layout.
#[derive(Clone, Debug)]
pub struct TaskNode {
    name: String,
    layout: Layout,
    tiling: Tiling,
    stencil: Option<Stencil>,
}

impl TaskNode {
    /// A task called `name`; with `read_write_conflict`, blocks that would touch each other's data
    /// wait for one another.
    ///
    /// # Errors
    /// [`GraphError::EmptyName`].
    pub fn new(
        name: impl Into<String>,
        layout: Layout,
        read_write_conflict: bool,
    ) -> Result<Self, GraphError> {
        let name = name.into();
        if name.is_empty() {
            return Err(GraphError::EmptyName);
        }
        let tiling = Tiling::new(&layout);
        let stencil = read_write_conflict.then(|| Stencil::new(&tiling));
        Ok(Self { name, layout, tiling, stencil: stencil.filter(|stencil| !stencil.is_trivial()) })
    }

    /// The unique name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layout the task was made with.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The grid of blocks.
    #[must_use]
    pub const fn tiling(&self) -> &Tiling {
        &self.tiling
    }

    /// The conflicts between blocks; `None` where there are none.
    #[must_use]
    pub const fn stencil(&self) -> Option<&Stencil> {
        self.stencil.as_ref()
    }

    /// Refuses a downstream task with another number of axes.
    pub(crate) fn check_dims(&self, downstream: &Self) -> Result<(), GraphError> {
        let (upstream_dims, downstream_dims) = (self.tiling.dims(), downstream.tiling.dims());
        if upstream_dims == downstream_dims {
            return Ok(());
        }
        let (upstream, downstream) = (self.name.clone(), downstream.name.clone());
        Err(GraphError::DimsMismatch { upstream, upstream_dims, downstream, downstream_dims })
    }
}

/// A directed acyclic graph of tasks; edges lead from upstream to downstream.
///
/// ```
/// use daisy_block::{Fit, Layout};
/// use daisy_geometry::Roi;
/// use daisy_graph::{GraphError, TaskGraph, TaskNode};
///
/// let block = Roi::new([0], [10])?;
/// let layout = Layout::new(Roi::new([0], [100])?, block.clone(), block, Fit::Valid)?;
/// let mut tasks = TaskGraph::new();
/// let smooth = tasks.add_task(TaskNode::new("smooth", layout.clone(), false)?)?;
/// let label = tasks.add_task(TaskNode::new("label", layout, false)?)?;
/// tasks.add_edge(smooth, label)?;
/// tasks.add_edge(smooth, label)?; // the same edge twice is one edge
/// assert_eq!(tasks.downstream(smooth), [label]);
///
/// let Err(GraphError::Cycle { tasks: names }) = tasks.add_edge(label, smooth) else { unreachable!() };
/// assert_eq!(names, ["smooth", "label"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TaskGraph {
    graph: DiGraph<TaskNode, ()>,
    /// Direct neighbours of each task in ascending order, so that they can be lent as slices.
    upstream: Vec<Vec<TaskId>>,
    downstream: Vec<Vec<TaskId>>,
}

impl TaskGraph {
    /// A graph without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task; its id is its place in the order of adding.
    ///
    /// # Errors
    /// [`GraphError::DuplicateName`], [`GraphError::TooManyTasks`].
    pub fn add_task(&mut self, task: TaskNode) -> Result<TaskId, GraphError> {
        if self.find(&task.name).is_some() {
            return Err(GraphError::DuplicateName { name: task.name });
        }
        let place = u32::try_from(self.num_tasks()).map_err(|_| GraphError::TooManyTasks)?;
        if place == u32::MAX {
            return Err(GraphError::TooManyTasks);
        }
        self.graph.add_node(task);
        self.upstream.push(Vec::new());
        self.downstream.push(Vec::new());
        Ok(TaskId::new(place))
    }

    /// Makes `downstream` wait for what it reads of `upstream`.
    ///
    /// # Errors
    /// [`GraphError::Cycle`], [`GraphError::UnknownTask`], [`GraphError::DimsMismatch`].
    pub fn add_edge(&mut self, upstream: TaskId, downstream: TaskId) -> Result<(), GraphError> {
        self.task(upstream)?.check_dims(self.task(downstream)?)?;
        let Err(place) = self.downstream[upstream.index()].binary_search(&downstream) else {
            return Ok(());
        };
        let (from, to) = (node(upstream), node(downstream));
        if let Some((_, path)) = astar(&self.graph, to, |at| at == from, |_| 1_u32, |_| 0) {
            let tasks = path.into_iter().map(|at| self.graph[at].name.clone()).collect();
            return Err(GraphError::Cycle { tasks });
        }
        self.graph.add_edge(from, to, ());
        self.downstream[upstream.index()].insert(place, downstream);
        let mirror = &mut self.upstream[downstream.index()];
        mirror.insert(mirror.partition_point(|&task| task < upstream), upstream);
        Ok(())
    }

    /// The number of tasks.
    #[must_use]
    pub fn num_tasks(&self) -> usize {
        self.graph.node_count()
    }

    /// The ids of all tasks in the order of adding.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = TaskId> + Clone + use<> {
        // `add_task` keeps the number of tasks within u32.
        (0..u32::try_from(self.num_tasks()).unwrap_or(u32::MAX)).map(TaskId::new)
    }

    /// One task.
    ///
    /// # Errors
    /// [`GraphError::UnknownTask`].
    pub fn task(&self, task: TaskId) -> Result<&TaskNode, GraphError> {
        self.graph
            .node_weight(node(task))
            .ok_or(GraphError::UnknownTask { task, num_tasks: self.num_tasks() })
    }

    /// The task of that name. O(tasks).
    #[must_use]
    pub fn find(&self, name: &str) -> Option<TaskId> {
        self.ids().find(|&id| self.graph[node(id)].name == name)
    }

    /// The tasks directly upstream, ascending; none for an unknown task.
    #[must_use]
    pub fn upstream(&self, task: TaskId) -> &[TaskId] {
        self.upstream.get(task.index()).map_or(&[], Vec::as_slice)
    }

    /// The tasks directly downstream, ascending; none for an unknown task.
    #[must_use]
    pub fn downstream(&self, task: TaskId) -> &[TaskId] {
        self.downstream.get(task.index()).map_or(&[], Vec::as_slice)
    }

    /// All tasks so that each comes after everything upstream of it. O(tasks + edges).
    #[must_use]
    pub fn topological_order(&self) -> Vec<TaskId> {
        // There is no cycle, so the sort always succeeds.
        let order = toposort(&self.graph, None).unwrap_or_default();
        order.into_iter().filter_map(|at| u32::try_from(at.index()).ok()).map(TaskId::new).collect()
    }

    /// The tasks nobody waits for.
    pub fn last_tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.ids().filter(|&id| {
            self.graph.neighbors_directed(node(id), Direction::Outgoing).next().is_none()
        })
    }

    /// The graph in Graphviz' language, one node for each task with its number of blocks.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let label = |_: &_, (_, task): (NodeIndex, &TaskNode)| {
            let blocks = task.tiling.num_cells();
            let text = format!("{}\n{blocks} blocks of {}", task.name, task.layout.write_shape());
            format!("shape=box label={text:?}")
        };
        let config = [Config::EdgeNoLabel, Config::NodeNoLabel];
        let dot = Dot::with_attr_getters(&self.graph, &config, &|_, _| String::new(), &label);
        format!("{dot:?}")
    }
}

impl core::ops::Index<TaskId> for TaskGraph {
    type Output = TaskNode;

    /// The task `id`.
    ///
    /// # Panics
    /// **Panics** if the graph has no such task; [`TaskGraph::task`] is the form that does not.
    fn index(&self, id: TaskId) -> &TaskNode {
        &self.graph[node(id)]
    }
}

fn node(task: TaskId) -> NodeIndex {
    NodeIndex::new(task.index())
}
