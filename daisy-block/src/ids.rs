//! Names of tasks and blocks: small, `Copy`, ordered.

use core::fmt;

/// A task of one pipeline: its place in the order in which tasks were added.
///
/// ```
/// use daisy_block::TaskId;
/// assert_eq!(TaskId::new(3).index(), 3);
/// assert_eq!(TaskId::new(3).to_string(), "#3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskId(u32);

impl TaskId {
    /// The id of the task at place `index`, counted from 0.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The task's place as an index into per-task tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The 16-byte name of a block: a task and the number of a cell of its grid.
///
/// Everything that only needs to *name* a block (queues, leases, journals) carries this; the ROIs
/// are computed from it by the task's [`Tiling`](crate::Tiling) when someone needs them.
///
/// ```
/// use daisy_block::{BlockKey, TaskId};
/// let key = BlockKey::new(TaskId::new(0), 41);
/// assert_eq!(key.to_string(), "#0/41");
/// assert_eq!(size_of::<BlockKey>(), 16);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlockKey {
    /// The task the block belongs to.
    pub task: TaskId,
    /// The number of the block's cell in the grid of its task, `0..num_cells`.
    pub cell: u64,
}

impl BlockKey {
    /// The name of the block at `cell` of `task`.
    #[must_use]
    pub const fn new(task: TaskId, cell: u64) -> Self {
        Self { task, cell }
    }
}

impl fmt::Display for BlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.task, self.cell)
    }
}
