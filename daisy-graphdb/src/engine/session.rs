//! What a back end has to offer: sessions, and in each the few things that differ between
//! databases.

use std::ops::Range;

use daisy_geometry::Roi;

use crate::position::Bounds;
use crate::{BlockLease, Count, Edge, Filter, GraphError, Node, NodeId, Owner, Position, Schema};

/// What is done in one transaction.
pub(crate) type Run<'a> = &'a mut dyn FnMut(&mut dyn Session) -> Result<(), GraphError>;

/// A database that holds a graph.
pub(crate) trait Backend {
    /// What the graph holds.
    fn schema(&self) -> &Schema;

    /// Whether the store was opened for writing.
    fn is_writable(&self) -> bool;

    /// Whether an attribute that is not declared cannot have this name, where any can be given.
    fn refuses(&self, _owner: Owner, _name: &str) -> bool {
        false
    }

    /// Runs something on one consistent snapshot.
    fn reading(&self, run: Run<'_>) -> Result<(), GraphError>;

    /// Runs something that asks one question, which needs no more than the snapshot of one statement.
    fn asking(&self, run: Run<'_>) -> Result<(), GraphError> {
        self.reading(run)
    }

    /// Runs something in a transaction, which is committed if it succeeds and rolled back if not.
    /// It may be run again after a conflict with another writer.
    fn writing(&self, run: Run<'_>) -> Result<(), GraphError>;

    /// The transactions of a bulk load; others than [`writing`](Self::writing) if that is faster.
    fn loading(&self, run: Run<'_>) -> Result<(), GraphError> {
        self.writing(run)
    }
}

/// Which attributes are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Those at these places of the schema, ascending.
    Places(Vec<usize>),
    /// Those of these names, where attributes are taken as they come.
    Names(Vec<String>),
    /// All that there are, likewise.
    All,
}

impl Chosen {
    /// No attributes.
    pub(crate) const NONE: Self = Self::Places(Vec::new());

    /// The places in the schema.
    pub(crate) fn places(&self) -> &[usize] {
        match self {
            Self::Places(places) => places,
            Self::Names(_) | Self::All => &[],
        }
    }

    /// Whether no attribute is meant.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Places(places) if places.is_empty())
            || matches!(self, Self::Names(names) if names.is_empty())
    }
}

/// Which nodes are meant, and which of their attributes.
#[derive(Clone, Debug)]
pub(crate) struct NodeSelect<'a> {
    pub(crate) roi: &'a Roi,
    pub(crate) bounds: Bounds,
    pub(crate) filter: &'a Filter,
    pub(crate) attrs: Chosen,
}

/// Which edges are meant, and which of their attributes.
#[derive(Clone, Debug)]
pub(crate) struct EdgeSelect<'a> {
    pub(crate) filter: &'a Filter,
    pub(crate) attrs: Chosen,
}

/// One of the two ends of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    First,
    Second,
}

/// Whether what is put may be stored already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Upsert,
    /// If it is stored all the same, somebody else was faster: an error.
    Insert,
}

/// An edge, and where its first endpoint lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacedEdge<'a> {
    pub(crate) edge: &'a Edge,
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "for tables that are clustered")
    )]
    pub(crate) place: Position,
}

/// What is stored about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) lease: u64,
    pub(crate) is_done: bool,
}

/// What a stream of batches calls; the session is free for other questions meanwhile.
pub(crate) type Each<'a> = &'a mut dyn FnMut(&mut dyn Session, Vec<Node>) -> Result<(), GraphError>;

/// One transaction.
pub(crate) trait Session {
    /// Gives all selected nodes to `each`, at most `limit` at a time and never none.
    fn node_batches(
        &mut self,
        select: &NodeSelect<'_>,
        limit: usize,
        each: Each<'_>,
    ) -> Result<(), GraphError>;

    /// Which of these nodes are selected.
    fn selected(
        &mut self,
        ids: &[NodeId],
        select: &NodeSelect<'_>,
    ) -> Result<Vec<NodeId>, GraphError>;

    /// The edges of which one end is one of these nodes, which are stored.
    fn edges_at(
        &mut self,
        nodes: &[Node],
        end: End,
        select: &EdgeSelect<'_>,
    ) -> Result<Vec<Edge>, GraphError>;

    /// The number of selected nodes.
    fn count_nodes(&mut self, select: &NodeSelect<'_>) -> Result<u64, GraphError>;

    /// Whether one of the selected nodes owns an edge. The filter is [`Filter::All`].
    fn has_edges(&mut self, select: &NodeSelect<'_>) -> Result<bool, GraphError>;

    /// Those of these nodes that are stored, and where; they stay so until the end of the session.
    fn places(&mut self, ids: &[NodeId]) -> Result<Vec<(NodeId, Position)>, GraphError>;

    /// Those of these edges that are stored with their endpoints in this order.
    fn stored_edges(
        &mut self,
        pairs: &[(NodeId, NodeId)],
    ) -> Result<Vec<(NodeId, NodeId)>, GraphError>;

    /// Deletes the selected nodes and the edges that they own. The filter is [`Filter::All`].
    fn delete_nodes(&mut self, select: &NodeSelect<'_>) -> Result<Count, GraphError>;

    /// Deletes nodes and the edges that they own.
    fn delete_ids(&mut self, ids: &[NodeId]) -> Result<Count, GraphError>;

    /// Deletes edges that are stored with their endpoints in this order.
    fn delete_edges(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<(), GraphError>;

    /// Whether [`Put::Insert`] itself finds what is stored already, and rolling back undoes the
    /// rest; an undirected edge in the other order need not be found.
    fn finds_existing(&self) -> bool {
        false
    }

    /// Inserts or replaces nodes; the edges of those that move stay theirs.
    fn put_nodes(&mut self, nodes: &[&Node], put: Put) -> Result<(), GraphError>;

    /// Inserts or replaces edges, whose first endpoints are stored.
    fn put_edges(&mut self, edges: &[PlacedEdge<'_>], put: Put) -> Result<(), GraphError>;

    /// Sets attributes of stored nodes.
    fn set_node_attrs(&mut self, nodes: &[&Node], attrs: &Chosen) -> Result<(), GraphError>;

    /// Sets attributes of edges that are stored under these pairs, which may be those of the edge
    /// in the other order.
    fn set_edge_attrs(
        &mut self,
        edges: &[((NodeId, NodeId), &Edge)],
        attrs: &Chosen,
    ) -> Result<(), GraphError>;

    /// What is stored about a block; it stays so until the end of the session, but for a back end
    /// that is not atomic.
    fn mark(&mut self, block: &BlockLease<'_>) -> Result<Option<Mark>, GraphError>;

    /// Stores a lease, or that the block is done. False if meanwhile another one stands there
    /// that must not be overwritten, which happens only where sessions are not atomic.
    fn set_mark(&mut self, block: &BlockLease<'_>, is_done: bool) -> Result<bool, GraphError>;

    /// The blocks that are done, ascending; a block may come more than once.
    fn done(&mut self, task: &str, run: Option<&str>) -> Result<Vec<u64>, GraphError>;

    /// Removes marks.
    fn forget(&mut self, task: &str, blocks: &[Range<u64>]) -> Result<u64, GraphError>;
}
