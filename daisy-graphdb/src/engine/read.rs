//! Reading: batches of nodes, and the edges that go with them.

use std::collections::HashSet;

use daisy_geometry::Roi;

use super::session::{Backend, Chosen, EdgeSelect, End, NodeSelect, Session};
use crate::position::Bounds;
use crate::query::chosen;
use crate::{Edge, EdgesBy, Filter, GraphError, Node, NodeId, Owner, Query, SubGraph};

/// [`GraphStore::read`](crate::GraphStore::read).
pub(crate) fn read(store: &impl Backend, query: &Query) -> Result<SubGraph, GraphError> {
    let mut read = store.schema().sub_graph();
    stream(store, query, usize::MAX, &mut |graph| {
        read = graph;
        Ok(())
    })?;
    Ok(read)
}

/// [`GraphStore::stream`](crate::GraphStore::stream).
pub(crate) fn stream(
    store: &impl Backend,
    query: &Query,
    batch: usize,
    each: &mut dyn FnMut(SubGraph) -> Result<(), GraphError>,
) -> Result<(), GraphError> {
    let schema = store.schema();
    query.check(schema)?;
    let nodes = NodeSelect {
        attrs: chosen(schema, Owner::Nodes, query.node_attrs.as_deref())?,
        ..everything_in(&query.roi, &query.nodes)
    };
    let attrs = chosen(schema, Owner::Edges, query.edge_attrs.as_deref())?;
    let edges = EdgeSelect { filter: &query.edges, attrs };
    if nodes.bounds.is_empty() {
        return Ok(());
    }
    let ask = Ask { ends: query.edges_by, is_whole: batch == usize::MAX, nodes, edges };
    let mut run = |session: &mut dyn Session| {
        session.node_batches(&ask.nodes, batch.max(1), &mut |session, nodes| {
            let edges = ask.edges_of(session, &nodes)?;
            each(SubGraph::of(schema.is_directed(), nodes, edges))
        })
    };
    if ask.is_whole && ask.ends == EdgesBy::Nothing {
        return store.asking(&mut run);
    }
    store.reading(&mut run)
}

/// [`GraphStore::count_nodes`](crate::GraphStore::count_nodes).
pub(crate) fn count_nodes(
    store: &impl Backend,
    roi: &Roi,
    filter: &Filter,
) -> Result<u64, GraphError> {
    let schema = store.schema();
    schema.check_dims(roi.dims())?;
    filter.check(schema, Owner::Nodes)?;
    let select = everything_in(roi, filter);
    let mut count = 0;
    if !select.bounds.is_empty() {
        store.asking(&mut |session| {
            count = session.count_nodes(&select)?;
            Ok(())
        })?;
    }
    Ok(count)
}

/// [`GraphStore::has_edges`](crate::GraphStore::has_edges).
pub(crate) fn has_edges(store: &impl Backend, roi: &Roi) -> Result<bool, GraphError> {
    store.schema().check_dims(roi.dims())?;
    let select = everything_in(roi, &Filter::All);
    let mut has_edges = false;
    if !select.bounds.is_empty() {
        store.asking(&mut |session| {
            has_edges = session.has_edges(&select)?;
            Ok(())
        })?;
    }
    Ok(has_edges)
}

/// All nodes in a ROI that meet a filter, without attributes.
pub(super) fn everything_in<'a>(roi: &'a Roi, filter: &'a Filter) -> NodeSelect<'a> {
    NodeSelect { roi, bounds: Bounds::new(roi), filter, attrs: Chosen::NONE }
}

/// What a query asks, made ready.
struct Ask<'a> {
    ends: EdgesBy,
    /// Whether the first batch is the only one.
    is_whole: bool,
    nodes: NodeSelect<'a>,
    edges: EdgeSelect<'a>,
}

impl Ask<'_> {
    /// The edges that come with a batch of nodes.
    fn edges_of(&self, session: &mut dyn Session, nodes: &[Node]) -> Result<Vec<Edge>, GraphError> {
        if self.ends == EdgesBy::Nothing {
            return Ok(Vec::new());
        }
        let mut edges = session.edges_at(nodes, End::First, &self.edges)?;
        if self.ends == EdgesBy::BothEnds {
            let inside = self.inside(session, nodes, edges.iter().map(|edge| edge.v))?;
            edges.retain(|edge| inside.contains(&edge.v));
        }
        if self.ends == EdgesBy::EitherEnd {
            // Those that are owned inside come with their owners.
            let mut coming_in = session.edges_at(nodes, End::Second, &self.edges)?;
            let inside = self.inside(session, nodes, coming_in.iter().map(|edge| edge.u))?;
            coming_in.retain(|edge| !inside.contains(&edge.u));
            edges.append(&mut coming_in);
        }
        Ok(edges)
    }

    /// The nodes of the batch, and those of `far` that are in another one.
    fn inside(
        &self,
        session: &mut dyn Session,
        nodes: &[Node],
        far: impl Iterator<Item = NodeId>,
    ) -> Result<HashSet<NodeId>, GraphError> {
        let mut inside: HashSet<NodeId> = nodes.iter().map(|node| node.id).collect();
        if !self.is_whole {
            let mut far: Vec<_> = far.filter(|id| !inside.contains(id)).collect();
            far.sort_unstable();
            far.dedup();
            if !far.is_empty() {
                inside.extend(session.selected(&far, &self.nodes)?);
            }
        }
        Ok(inside)
    }
}
