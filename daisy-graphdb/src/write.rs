//! How something is written, and as whose result.

use daisy_geometry::Roi;

/// What happens to nodes and edges that are stored already, or are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteMode {
    /// A stored node or edge is replaced with all its attributes, a new one inserted.
    Upsert,
    /// A stored one is an error, and nothing is written.
    InsertOnly,
    /// A new one is an error, and nothing is written.
    UpdateOnly,
    /// First all nodes in the ROI and the edges that they own are deleted.
    ReplaceRoi,
    /// First the nodes in the ROI that are not given are deleted, and the edges that those own.
    ReplaceNodes,
    /// First the edges that nodes in the ROI own are deleted.
    ReplaceEdges,
}

impl WriteMode {
    /// Whether something is deleted first.
    pub(crate) fn replaces(self) -> bool {
        matches!(self, Self::ReplaceRoi | Self::ReplaceNodes | Self::ReplaceEdges)
    }
}

/// How a graph is written: a mode, and where.
///
/// ```
/// use daisy_geometry::Roi;
/// use daisy_graphdb::{Write, WriteMode};
///
/// let block = Roi::new([-100], [100])?;
/// let write = Write::replace(block.clone());
/// assert_eq!((write.mode(), write.roi()), (WriteMode::ReplaceRoi, Some(&block)));
/// # Ok::<(), daisy_geometry::GeometryError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    mode: WriteMode,
    roi: Option<Roi>,
}

impl Write {
    /// Replaces what is stored and inserts what is not.
    #[must_use]
    pub fn upsert() -> Self {
        Self { mode: WriteMode::Upsert, roi: None }
    }

    /// Inserts; fails if something is stored already.
    #[must_use]
    pub fn insert_only() -> Self {
        Self { mode: WriteMode::InsertOnly, roi: None }
    }

    /// Replaces; fails if something is not stored yet.
    #[must_use]
    pub fn update_only() -> Self {
        Self { mode: WriteMode::UpdateOnly, roi: None }
    }

    /// Makes the ROI hold what is given and nothing else, so that a block which is processed again
    /// leaves nothing of the first time. What is given outside of the ROI is left out.
    ///
    /// Edges of nodes outside that point into the ROI stay: they belong to other blocks.
    #[must_use]
    pub fn replace(roi: Roi) -> Self {
        Self { mode: WriteMode::ReplaceRoi, roi: Some(roi) }
    }

    /// Makes the ROI hold the nodes that are given and no others. Edges that are given are left out;
    /// nodes that are stored and given keep those that they own.
    #[must_use]
    pub fn replace_nodes(roi: Roi) -> Self {
        Self { mode: WriteMode::ReplaceNodes, roi: Some(roi) }
    }

    /// Makes nodes in the ROI own the edges that are given and no others. Nodes that are given are
    /// left out: the first endpoints must be stored.
    #[must_use]
    pub fn replace_edges(roi: Roi) -> Self {
        Self { mode: WriteMode::ReplaceEdges, roi: Some(roi) }
    }

    /// Only nodes inside the half-open ROI are written, and edges whose first endpoint lies in it.
    #[must_use]
    pub fn within(mut self, roi: Roi) -> Self {
        self.roi = Some(roi);
        self
    }

    /// What happens to what is stored already.
    #[must_use]
    pub fn mode(&self) -> WriteMode {
        self.mode
    }

    /// Where is written; everywhere, if there is none.
    #[must_use]
    pub fn roi(&self) -> Option<&Roi> {
        self.roi.as_ref()
    }
}

/// How many nodes and edges something concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Nodes.
    pub nodes: u64,
    /// Edges.
    pub edges: u64,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.edges += other.edges;
    }
}

/// What a write did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// What was written.
    pub written: Count,
    /// What was deleted before, by [`Write::replace`].
    pub deleted: Count,
}

/// A block as the one lends it who has it: its name, and the lease under which its result counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLease<'a> {
    /// The run, by a name that stays the same when it is resumed.
    pub run: &'a str,
    /// The task.
    pub task: &'a str,
    /// The number of the block's cell in the grid of its task.
    pub block: u64,
    /// The number of the lease; a later one is higher.
    pub lease: u64,
}

/// Whether a block should be worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Begun {
    /// Yes: no result is stored, and no higher lease.
    Begun,
    /// No: its result is stored. Release it as a success.
    AlreadyDone,
    /// No: somebody else has it under a higher lease.
    StaleLease {
        /// The higher lease.
        stored: u64,
    },
}

/// What became of the result of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Committed {
    /// It is stored, and the block's mark with it.
    Written(Written),
    /// Nothing was written: a result of the block is stored already. Release it as a success.
    AlreadyDone,
    /// Nothing was written: somebody else has the block under a higher lease.
    StaleLease {
        /// The higher lease.
        stored: u64,
    },
}
