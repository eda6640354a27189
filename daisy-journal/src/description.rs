//! What makes a task the same task in the next run: its fingerprint, in full.

use core::fmt;

use daisy_block::{Layout, TaskId};
use daisy_graph::{GraphError, TaskGraph, TaskNode};

/// What a journal remembers of a task: name, ROIs, fit, conflict and the names of the tasks upstream.
///
/// Finished blocks may be skipped only where all of this is as it was. Functions, workers, retries,
/// timeouts, order and request are not part of it.
///
/// ```
/// use daisy_block::{Fit, Layout};
/// use daisy_geometry::Roi;
/// use daisy_graph::{TaskGraph, TaskNode};
/// use daisy_journal::{TaskDescription, TaskField};
///
/// let layout = |end| -> Result<Layout, Box<dyn std::error::Error>> {
///     let block = Roi::new([0], [10])?;
///     Ok(Layout::new(Roi::from_begin_end([0], [end])?, block.clone(), block, Fit::Valid)?)
/// };
/// let mut tasks = TaskGraph::new();
/// let task = tasks.add_task(TaskNode::new("smooth", layout(100)?, false)?)?;
/// let before = TaskDescription::of(&tasks, task)?;
/// let now = TaskDescription { layout: layout(200)?, ..before.clone() };
/// assert_eq!(before.first_difference(&now), Some(TaskField::TotalRoi));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskDescription {
    /// The unique name.
    pub name: String,
    /// Total, read and write ROI, and fit.
    pub layout: Layout,
    /// Whether blocks that would touch each other's data wait for one another. Where no two blocks
    /// would, it is false whatever was asked for.
    pub read_write_conflict: bool,
    /// The names of the tasks directly upstream, sorted, each once.
    pub upstream: Vec<String>,
}

impl TaskDescription {
    /// The description of one task of a graph.
    ///
    /// # Errors
    /// [`GraphError::UnknownTask`].
    pub fn of(tasks: &TaskGraph, task: TaskId) -> Result<Self, GraphError> {
        let node = tasks.task(task)?;
        let name_of = |&up: &TaskId| tasks.task(up).map(|up| up.name().to_owned());
        let mut upstream: Vec<String> =
            tasks.upstream(task).iter().map(name_of).collect::<Result<_, _>>()?;
        upstream.sort_unstable();
        Ok(Self {
            name: node.name().to_owned(),
            layout: node.layout().clone(),
            read_write_conflict: node.stencil().is_some(),
            upstream,
        })
    }

    /// The task as a node of a graph.
    ///
    /// # Errors
    /// [`GraphError::EmptyName`].
    pub fn node(&self) -> Result<TaskNode, GraphError> {
        TaskNode::new(self.name.clone(), self.layout.clone(), self.read_write_conflict)
    }

    /// The first field besides the name in which two descriptions differ.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<TaskField> {
        TaskField::ALL.into_iter().find(|field| match field {
            TaskField::TotalRoi => self.layout.total_roi() != other.layout.total_roi(),
            TaskField::ReadRoi => self.layout.read_roi() != other.layout.read_roi(),
            TaskField::WriteRoi => self.layout.write_roi() != other.layout.write_roi(),
            TaskField::Fit => self.layout.fit() != other.layout.fit(),
            TaskField::ReadWriteConflict => self.read_write_conflict != other.read_write_conflict,
            TaskField::Upstream => self.upstream != other.upstream,
        })
    }

    /// Writes the value of one field.
    pub(crate) fn write_field(&self, field: TaskField, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match field {
            TaskField::TotalRoi => write!(f, "{}", self.layout.total_roi()),
            TaskField::ReadRoi => write!(f, "{}", self.layout.read_roi()),
            TaskField::WriteRoi => write!(f, "{}", self.layout.write_roi()),
            TaskField::Fit => write!(f, "{}", self.layout.fit()),
            TaskField::ReadWriteConflict => write!(f, "{}", self.read_write_conflict),
            TaskField::Upstream => write!(f, "{:?}", self.upstream),
        }
    }
}

/// A part of a [`TaskDescription`] besides the name.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskField {
    /// The total ROI.
    TotalRoi,
    /// The read ROI.
    ReadRoi,
    /// The write ROI.
    WriteRoi,
    /// The fit.
    Fit,
    /// Whether conflicting blocks wait for one another.
    ReadWriteConflict,
    /// The tasks directly upstream.
    Upstream,
}

impl TaskField {
    /// All of them, in the order in which they are compared.
    pub const ALL: [Self; 6] = [
        Self::TotalRoi,
        Self::ReadRoi,
        Self::WriteRoi,
        Self::Fit,
        Self::ReadWriteConflict,
        Self::Upstream,
    ];
}

impl fmt::Display for TaskField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TotalRoi => "total_roi",
            Self::ReadRoi => "read_roi",
            Self::WriteRoi => "write_roi",
            Self::Fit => "fit",
            Self::ReadWriteConflict => "read_write_conflict",
            Self::Upstream => "upstream",
        })
    }
}
