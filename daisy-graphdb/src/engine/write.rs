//! Writing: first everything that could refuse it, then the changes.

use std::collections::{BTreeMap, BTreeSet};

use daisy_geometry::Roi;

use super::read::everything_in;
use super::session::{Backend, Chosen, EdgeSelect, End, PlacedEdge, Put, Session};
use crate::position::Bounds;
use crate::{
    Attribute, Attrs, Count, Edge, Filter, GraphError, Node, NodeId, Owner, Position, Schema,
    SubGraph, Write, WriteMode, Written,
};

/// [`GraphStore::write`](crate::GraphStore::write).
pub(crate) fn write(
    store: &impl Backend,
    graph: &SubGraph,
    write: &Write,
) -> Result<Written, GraphError> {
    check(store, graph, write)?;
    let mut written = Written::default();
    store.writing(&mut |session| {
        written = write_in(session, graph, write)?;
        Ok(())
    })?;
    Ok(written)
}

/// [`GraphStore::bulk_load`](crate::GraphStore::bulk_load).
pub(crate) fn bulk_load(
    store: &impl Backend,
    graphs: &mut dyn Iterator<Item = SubGraph>,
) -> Result<Count, GraphError> {
    let mut count = Count::default();
    let write = Write::insert_only();
    for graph in graphs {
        check(store, &graph, &write)?;
        let mut written = Written::default();
        store.loading(&mut |session| {
            written = write_in(session, &graph, &write)?;
            Ok(())
        })?;
        count += written.written;
    }
    Ok(count)
}

/// [`GraphStore::update_attrs`](crate::GraphStore::update_attrs).
pub(crate) fn update_attrs(
    store: &impl Backend,
    graph: &SubGraph,
    names: &[&str],
) -> Result<Count, GraphError> {
    check_graph(store, graph)?;
    let schema = store.schema();
    let (node_attrs, edge_attrs) =
        (named(schema, Owner::Nodes, names), named(schema, Owner::Edges, names));
    for name in names {
        let is_unknown = |owner| match schema.has_any_attrs() {
            true => store.refuses(owner, name),
            false => Attribute::find(schema.attrs(owner), name, owner).is_err(),
        };
        if is_unknown(Owner::Nodes) && is_unknown(Owner::Edges) {
            let name = (*name).to_owned();
            return Err(GraphError::UnknownAttribute { name, owner: Owner::Nodes });
        }
    }
    let mut count = Count::default();
    store.writing(&mut |session| {
        count = Count::default();
        if !node_attrs.is_empty() {
            let ids: Vec<_> = graph.nodes().map(|node| node.id).collect();
            let stored = session.places(&ids)?;
            let stored: BTreeSet<_> = stored.into_iter().map(|(id, _)| id).collect();
            let nodes: Vec<_> = graph.nodes().filter(|node| stored.contains(&node.id)).collect();
            session.set_node_attrs(&nodes, &node_attrs)?;
            count.nodes = nodes.len() as u64;
        }
        if !edge_attrs.is_empty() {
            let edges: Vec<_> = graph.edges().collect();
            let stored = StoredPairs::look_up(session, graph.is_directed(), &edges)?;
            let edges: Vec<_> = edges
                .into_iter()
                .filter_map(|edge| stored.of(edge).map(|pair| (pair, edge)))
                .collect();
            session.set_edge_attrs(&edges, &edge_attrs)?;
            count.edges = edges.len() as u64;
        }
        Ok(())
    })?;
    Ok(count)
}

/// [`GraphStore::delete`](crate::GraphStore::delete).
pub(crate) fn delete(store: &impl Backend, roi: &Roi) -> Result<Count, GraphError> {
    check_writable(store)?;
    store.schema().check_dims(roi.dims())?;
    let select = everything_in(roi, &Filter::All);
    let mut count = Count::default();
    if !select.bounds.is_empty() {
        store.writing(&mut |session| {
            count = session.delete_nodes(&select)?;
            Ok(())
        })?;
    }
    Ok(count)
}

/// Whether something can be written at all, whatever is stored.
pub(super) fn check(
    store: &impl Backend,
    graph: &SubGraph,
    write: &Write,
) -> Result<(), GraphError> {
    check_graph(store, graph)?;
    match (write.roi(), write.mode()) {
        (Some(roi), _) => store.schema().check_dims(roi.dims()),
        (None, mode) if mode.replaces() => Err(GraphError::NothingToReplace),
        (None, _) => Ok(()),
    }
}

pub(super) fn check_writable(store: &impl Backend) -> Result<(), GraphError> {
    if store.is_writable() { Ok(()) } else { Err(GraphError::ReadOnly) }
}

/// Writes in a session what was checked.
pub(super) fn write_in(
    session: &mut dyn Session,
    graph: &SubGraph,
    write: &Write,
) -> Result<Written, GraphError> {
    let bounds = write.roi().map(Bounds::new);
    let nodes: Vec<&Node> = match write.mode() {
        WriteMode::ReplaceEdges => Vec::new(),
        _ => graph
            .nodes()
            .filter(|node| bounds.is_none_or(|bounds| bounds.contains(&node.position)))
            .collect(),
    };
    let edges = match write.mode() {
        WriteMode::ReplaceNodes => Vec::new(),
        mode => owned_edges(session, graph, bounds, mode)?,
    };
    match write.mode() {
        WriteMode::InsertOnly => refuse_existing(session, graph, &nodes, &edges)?,
        WriteMode::UpdateOnly => refuse_missing(session, graph, &nodes, &edges)?,
        _ => {}
    }
    let mut written = Written::default();
    if write.mode().replaces()
        && let Some(roi) = write.roi()
    {
        written.deleted = make_room(session, write.mode(), roi, &nodes)?;
    }
    let put = if write.mode() == WriteMode::InsertOnly { Put::Insert } else { Put::Upsert };
    session.put_nodes(&nodes, put)?;
    if !graph.is_directed() && put == Put::Upsert {
        let turned = edges.iter().map(|placed| (placed.edge.v, placed.edge.u));
        let turned: Vec<_> = turned.filter(|(v, u)| u != v).collect();
        session.delete_edges(&turned)?;
    }
    session.put_edges(&edges, put)?;
    written.written = Count { nodes: nodes.len() as u64, edges: edges.len() as u64 };
    Ok(written)
}

/// Deletes what a write replaces.
fn make_room(
    session: &mut dyn Session,
    mode: WriteMode,
    roi: &Roi,
    nodes: &[&Node],
) -> Result<Count, GraphError> {
    let select = everything_in(roi, &Filter::All);
    if select.bounds.is_empty() {
        return Ok(Count::default());
    }
    if mode == WriteMode::ReplaceRoi {
        return session.delete_nodes(&select);
    }
    let mut stored = Vec::new();
    session.node_batches(&select, usize::MAX, &mut |_, batch| {
        stored.extend(batch);
        Ok(())
    })?;
    if mode == WriteMode::ReplaceNodes {
        let kept: BTreeSet<_> = nodes.iter().map(|node| node.id).collect();
        stored.retain(|node| !kept.contains(&node.id));
        let gone: Vec<_> = stored.into_iter().map(|node| node.id).collect();
        return session.delete_ids(&gone);
    }
    let edges = EdgeSelect { filter: &Filter::All, attrs: Chosen::NONE };
    let pairs = session.edges_at(&stored, End::First, &edges)?;
    let pairs: Vec<_> = pairs.into_iter().map(|edge| (edge.u, edge.v)).collect();
    session.delete_edges(&pairs)?;
    Ok(Count { nodes: 0, edges: pairs.len() as u64 })
}

/// The edges whose first endpoint lies inside.
fn owned_edges<'a>(
    session: &mut dyn Session,
    graph: &'a SubGraph,
    bounds: Option<Bounds>,
    mode: WriteMode,
) -> Result<Vec<PlacedEdge<'a>>, GraphError> {
    // Nodes that are not written may be stored elsewhere than they are given.
    let given = |u| if mode == WriteMode::ReplaceEdges { None } else { graph.node(u) };
    let far: BTreeSet<NodeId> =
        graph.edges().map(|edge| edge.u).filter(|u| given(*u).is_none()).collect();
    let far: Vec<_> = far.into_iter().collect();
    let mut stored = BTreeMap::new();
    if !far.is_empty() {
        stored.extend(session.places(&far)?);
    }
    let is_inside = |place: &Position| bounds.is_none_or(|bounds| bounds.contains(place));
    if mode == WriteMode::ReplaceRoi {
        stored.retain(|_, place| !is_inside(place)); // They are about to be deleted.
    }
    let mut owned = Vec::with_capacity(graph.num_edges());
    for edge in graph.edges() {
        let place = given(edge.u).map(|node| node.position);
        let place = place.or_else(|| stored.get(&edge.u).copied());
        let place = place.ok_or(GraphError::UnknownEndpoint { u: edge.u, v: edge.v })?;
        if is_inside(&place) {
            owned.push(PlacedEdge { edge, place });
        }
    }
    Ok(owned)
}

fn refuse_existing(
    session: &mut dyn Session,
    graph: &SubGraph,
    nodes: &[&Node],
    edges: &[PlacedEdge<'_>],
) -> Result<(), GraphError> {
    if session.finds_existing() && graph.is_directed() {
        return Ok(());
    }
    let ids: Vec<_> = nodes.iter().map(|node| node.id).collect();
    if let Some(id) = session.places(&ids)?.into_iter().map(|(id, _)| id).min() {
        return Err(GraphError::NodeExists { id });
    }
    let edges: Vec<_> = edges.iter().map(|placed| placed.edge).collect();
    let stored = StoredPairs::look_up(session, graph.is_directed(), &edges)?;
    match edges.iter().find(|edge| stored.of(edge).is_some()) {
        Some(edge) => Err(GraphError::EdgeExists { u: edge.u, v: edge.v }),
        None => Ok(()),
    }
}

fn refuse_missing(
    session: &mut dyn Session,
    graph: &SubGraph,
    nodes: &[&Node],
    edges: &[PlacedEdge<'_>],
) -> Result<(), GraphError> {
    let ids: Vec<_> = nodes.iter().map(|node| node.id).collect();
    let stored: BTreeSet<_> = session.places(&ids)?.into_iter().map(|(id, _)| id).collect();
    if let Some(id) = ids.into_iter().find(|id| !stored.contains(id)) {
        return Err(GraphError::NodeMissing { id });
    }
    let edges: Vec<_> = edges.iter().map(|placed| placed.edge).collect();
    let stored = StoredPairs::look_up(session, graph.is_directed(), &edges)?;
    match edges.iter().find(|edge| stored.of(edge).is_none()) {
        Some(edge) => Err(GraphError::EdgeMissing { u: edge.u, v: edge.v }),
        None => Ok(()),
    }
}

/// Under which pairs edges are stored.
struct StoredPairs {
    is_directed: bool,
    pairs: BTreeSet<(NodeId, NodeId)>,
}

impl StoredPairs {
    /// Looks edges up; in undirected graphs, in both orders.
    fn look_up(
        session: &mut dyn Session,
        is_directed: bool,
        edges: &[&Edge],
    ) -> Result<Self, GraphError> {
        let mut pairs: Vec<_> = edges.iter().map(|edge| (edge.u, edge.v)).collect();
        if !is_directed {
            pairs.extend(edges.iter().filter(|edge| edge.u != edge.v).map(|edge| (edge.v, edge.u)));
        }
        let stored = if pairs.is_empty() { Vec::new() } else { session.stored_edges(&pairs)? };
        Ok(Self { is_directed, pairs: stored.into_iter().collect() })
    }

    /// The pair under which one edge is stored.
    fn of(&self, edge: &Edge) -> Option<(NodeId, NodeId)> {
        let is_stored = |pair: &(NodeId, NodeId)| self.pairs.contains(pair);
        let turned = Some((edge.v, edge.u)).filter(|pair| !self.is_directed && is_stored(pair));
        Some((edge.u, edge.v)).filter(is_stored).or(turned)
    }
}

/// Whether the store is writable and the graph fits its schema.
fn check_graph(store: &impl Backend, graph: &SubGraph) -> Result<(), GraphError> {
    check_writable(store)?;
    let schema = store.schema();
    let expected = schema.is_directed();
    if graph.is_directed() != expected {
        return Err(GraphError::Directedness { expected });
    }
    let total = Bounds::new(schema.roi());
    for node in graph.nodes() {
        schema.check_dims(node.position.dims())?;
        if !total.contains(&node.position) {
            return Err(GraphError::OutsideTotal { id: node.id, position: node.position });
        }
        check_attrs(store, Owner::Nodes, &node.attrs)?;
    }
    graph.edges().try_for_each(|edge| check_attrs(store, Owner::Edges, &edge.attrs))
}

fn check_attrs(store: &impl Backend, owner: Owner, attrs: &Attrs) -> Result<(), GraphError> {
    let schema = store.schema();
    for (name, value) in attrs.iter() {
        if !schema.has_any_attrs() {
            Attribute::find(schema.attrs(owner), name, owner)?.check(value)?;
            continue;
        }
        if store.refuses(owner, name) {
            return Err(GraphError::AttributeName { name: name.into(), owner });
        }
        #[cfg(feature = "mongodb")]
        if value.is_too_large() {
            let what = "a number that has no 64 bits with a sign";
            return Err(GraphError::Unstorable { name: name.into(), what });
        }
        #[cfg(not(feature = "mongodb"))]
        let _ = value;
    }
    Ok(())
}

/// The attributes of some names; where they are declared, those that there are.
fn named(schema: &Schema, owner: Owner, names: &[&str]) -> Chosen {
    if schema.has_any_attrs() {
        return Chosen::Names(names.iter().map(|name| (*name).to_owned()).collect());
    }
    let is_named = |(_, attribute): &(usize, &Attribute)| names.contains(&&*attribute.name);
    let attributes = schema.attrs(owner).iter().enumerate();
    Chosen::Places(attributes.filter(is_named).map(|(place, _)| place).collect())
}
