//! Nodes, edges, and the part of a graph that is in memory.
//!
//! Inside is a petgraph graph, with an index by node id and one by pair of endpoints. Edges keep
//! the order of their endpoints also where the graph is undirected; there a pair names the same
//! edge in both orders.

use std::{collections::BTreeMap, fmt};

use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::unionfind::UnionFind;

use crate::{Attrs, Position};

/// The id of a node, any number up to 2^64 - 1. Databases hold it as the `i64` of the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl NodeId {
    /// As it is stored.
    #[must_use]
    pub const fn to_bits(self) -> i64 {
        self.0.cast_signed()
    }

    /// From what is stored.
    #[must_use]
    pub const fn from_bits(bits: i64) -> Self {
        Self(bits.cast_unsigned())
    }
}

impl From<u64> for NodeId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A node: an id, a position, attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Where it lies, in world units.
    pub position: Position,
    /// Its attributes.
    pub attrs: Attrs,
}

impl Node {
    /// A node without attributes.
    #[must_use]
    pub fn new(id: impl Into<NodeId>, position: Position) -> Self {
        Self { id: id.into(), position, attrs: Attrs::new() }
    }

    /// This node with one attribute more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<crate::Value>) -> Self {
        self.attrs.set(name, value);
        self
    }
}

/// An edge: two endpoints and attributes. It belongs to the block in which its first endpoint lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// The first endpoint: of a directed edge, where it begins.
    pub u: NodeId,
    /// The second endpoint.
    pub v: NodeId,
    /// Its attributes.
    pub attrs: Attrs,
}

impl Edge {
    /// An edge without attributes.
    #[must_use]
    pub fn new(u: impl Into<NodeId>, v: impl Into<NodeId>) -> Self {
        Self { u: u.into(), v: v.into(), attrs: Attrs::new() }
    }

    /// This edge with one attribute more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<crate::Value>) -> Self {
        self.attrs.set(name, value);
        self
    }
}

/// What the inner graph holds for a node: its id, and the node itself unless only an edge names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Vertex {
    /// The id.
    pub id: NodeId,
    /// The node; none for the far end of an edge that leaves what was read.
    pub node: Option<Node>,
}

/// A part of a graph, in memory: what is written, and what reading gives.
///
/// An edge may name nodes that are not there: the far ends of edges that leave a ROI.
///
/// ```
/// use daisy_graphdb::{Edge, Node, NodeId, Position, SubGraph};
///
/// let mut graph = SubGraph::undirected();
/// graph.insert_node(Node::new(1, Position::new([0.0, 5.0])?));
/// graph.insert_node(Node::new(2, Position::new([3.5, 5.0])?));
/// graph.insert_edge(Edge::new(2, 1).with("length", 3.5));
/// graph.insert_edge(Edge::new(2, 9)); // node 9 lies elsewhere
///
/// assert_eq!((graph.num_nodes(), graph.num_edges()), (2, 2));
/// assert!(graph.edge(NodeId(1), NodeId(2)).is_some()); // either order
/// assert!(graph.node(NodeId(9)).is_none());
/// assert_eq!(graph.connected_components(), [[NodeId(1), NodeId(2), NodeId(9)]]);
/// # Ok::<(), daisy_graphdb::GraphError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SubGraph {
    is_directed: bool,
    graph: DiGraph<Vertex, Edge>,
    vertices: BTreeMap<NodeId, NodeIndex>,
    pairs: BTreeMap<(NodeId, NodeId), EdgeIndex>,
    num_nodes: usize,
}

impl SubGraph {
    /// An empty directed graph: `(u, v)` and `(v, u)` are two edges.
    #[must_use]
    pub fn directed() -> Self {
        Self::new(true)
    }

    /// An empty undirected graph: `(u, v)` and `(v, u)` are the same edge.
    #[must_use]
    pub fn undirected() -> Self {
        Self::new(false)
    }

    pub(crate) fn new(is_directed: bool) -> Self {
        Self {
            is_directed,
            graph: DiGraph::default(),
            vertices: BTreeMap::new(),
            pairs: BTreeMap::new(),
            num_nodes: 0,
        }
    }

    /// A graph of these nodes and edges: quicker than to insert one node after the other. Of nodes
    /// or edges that are given twice, the last one is taken. Costs O((nodes + edges) log nodes).
    #[must_use]
    pub fn of(is_directed: bool, nodes: Vec<Node>, edges: Vec<Edge>) -> Self {
        let mut read = Self::new(is_directed);
        let places = nodes.iter().enumerate();
        read.vertices = places.map(|(place, node)| (node.id, NodeIndex::new(place))).collect();
        if read.vertices.len() == nodes.len() {
            read.num_nodes = nodes.len();
            read.graph.reserve_nodes(nodes.len());
            for node in nodes {
                read.graph.add_node(Vertex { id: node.id, node: Some(node) });
            }
        } else {
            // Without a snapshot, a node that moves meanwhile may come twice.
            read.vertices.clear();
            for node in nodes {
                read.insert_node(node);
            }
        }
        read.graph.reserve_edges(edges.len());
        for edge in edges {
            read.insert_edge(edge);
        }
        read
    }

    /// Whether `(u, v)` and `(v, u)` are two edges.
    #[must_use]
    pub fn is_directed(&self) -> bool {
        self.is_directed
    }

    /// Inserts a node, or replaces the one of its id and gives it back. Costs O(log nodes).
    pub fn insert_node(&mut self, node: Node) -> Option<Node> {
        let index = self.vertex(node.id);
        let old = self.graph.node_weight_mut(index)?.node.replace(node);
        self.num_nodes += usize::from(old.is_none());
        old
    }

    /// Inserts an edge, or replaces the one between its endpoints (in either order, if undirected)
    /// and gives it back. Costs O(log edges).
    pub fn insert_edge(&mut self, edge: Edge) -> Option<Edge> {
        let key = self.pair(edge.u, edge.v);
        let replaced = self.pairs.get(&key).and_then(|&index| self.graph.edge_weight_mut(index));
        if let Some(old) = replaced.filter(|old| (old.u, old.v) == (edge.u, edge.v)) {
            return Some(std::mem::replace(old, edge));
        }
        // The other order: petgraph cannot turn an edge around, but it can take one away.
        let old = self.remove_edge(key);
        let (u, v) = (self.vertex(edge.u), self.vertex(edge.v));
        let index = self.graph.add_edge(u, v, edge);
        self.pairs.insert(key, index);
        old
    }

    /// The node of an id; none if it is not there or is only named by an edge.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.graph.node_weight(*self.vertices.get(&id)?)?.node.as_ref()
    }

    /// The edge between two nodes; in either order, if undirected.
    #[must_use]
    pub fn edge(&self, u: NodeId, v: NodeId) -> Option<&Edge> {
        self.graph.edge_weight(*self.pairs.get(&self.pair(u, v))?)
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        let vertices = self.vertices.values();
        vertices.filter_map(|index| self.graph.node_weight(*index)?.node.as_ref())
    }

    /// All edges, by their endpoints (the smaller one first, if undirected).
    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        self.pairs.values().filter_map(|index| self.graph.edge_weight(*index))
    }

    /// The number of nodes, without those that are only named by edges.
    #[must_use]
    pub fn num_nodes(&self) -> usize {
        self.num_nodes
    }

    /// The number of edges.
    #[must_use]
    pub fn num_edges(&self) -> usize {
        self.graph.edge_count()
    }

    /// Whether there are neither nodes nor edges.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vertices.is_empty()
    }

    /// The nodes of each connected component, by id; components by their smallest id. The
    /// direction of edges does not matter (weak components), and a node that is only named by
    /// edges connects too. Costs O((nodes + edges) log nodes).
    #[must_use]
    pub fn connected_components(&self) -> Vec<Vec<NodeId>> {
        let mut sets = UnionFind::new(self.graph.node_count());
        for edge in self.graph.raw_edges() {
            sets.union(edge.source().index(), edge.target().index());
        }
        let mut component_of = BTreeMap::new();
        let mut components: Vec<Vec<NodeId>> = Vec::new();
        for (id, index) in &self.vertices {
            let next = components.len();
            let place = *component_of.entry(sets.find(index.index())).or_insert(next);
            if place == next {
                components.push(Vec::new());
            }
            if let Some(component) = components.get_mut(place) {
                component.push(*id);
            }
        }
        components
    }

    /// The graph inside, for petgraph's algorithms. Its edges have a direction also if
    /// [`is_directed`](Self::is_directed) is false.
    #[must_use]
    pub fn petgraph(&self) -> &DiGraph<Vertex, Edge> {
        &self.graph
    }

    /// The place of a node in [`petgraph`](Self::petgraph).
    #[must_use]
    pub fn node_index(&self, id: NodeId) -> Option<NodeIndex> {
        self.vertices.get(&id).copied()
    }

    /// The one name of an edge.
    fn pair(&self, u: NodeId, v: NodeId) -> (NodeId, NodeId) {
        if self.is_directed || u <= v { (u, v) } else { (v, u) }
    }

    /// The place of a node, which is made if need be.
    fn vertex(&mut self, id: NodeId) -> NodeIndex {
        let graph = &mut self.graph;
        *self.vertices.entry(id).or_insert_with(|| graph.add_node(Vertex { id, node: None }))
    }

    fn remove_edge(&mut self, key: (NodeId, NodeId)) -> Option<Edge> {
        let index = self.pairs.remove(&key)?;
        let old = self.graph.remove_edge(index)?;
        // The last edge has moved to the place that is free now.
        if let Some(moved) = self.graph.edge_weight(index).map(|edge| (edge.u, edge.v)) {
            self.pairs.insert(self.pair(moved.0, moved.1), index);
        }
        Some(old)
    }
}

impl PartialEq for SubGraph {
    /// Whether nodes and edges are the same, whatever the order in which they were inserted.
    fn eq(&self, other: &Self) -> bool {
        self.is_directed == other.is_directed
            && self.nodes().eq(other.nodes())
            && self.edges().eq(other.edges())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u64) -> Node {
        Node::new(id, Position::new([0.0]).unwrap())
    }

    #[test]
    fn an_undirected_edge_is_one_in_both_orders_and_keeps_the_last_one_given() {
        let mut graph = SubGraph::undirected();
        graph.insert_edge(Edge::new(1, 2));
        graph.insert_edge(Edge::new(3, 4));
        assert_eq!(graph.insert_edge(Edge::new(2, 1)), Some(Edge::new(1, 2)));
        assert_eq!(graph.edge(NodeId(1), NodeId(2)), Some(&Edge::new(2, 1)));
        assert_eq!(graph.edge(NodeId(4), NodeId(3)), Some(&Edge::new(3, 4)));
        assert_eq!(graph.num_edges(), 2);
    }

    #[test]
    fn a_node_that_comes_twice_counts_once() {
        let moved = Node::new(1, Position::new([5.0]).unwrap());
        for nodes in [vec![node(1), node(2), moved.clone()], vec![node(2), moved.clone()]] {
            let graph = SubGraph::of(true, nodes, vec![Edge::new(1, 2)]);
            assert_eq!((graph.num_nodes(), graph.nodes().count()), (2, 2));
            assert_eq!((graph.node(NodeId(1)), graph.num_edges()), (Some(&moved), 1));
        }
    }

    #[test]
    fn a_directed_pair_has_two_edges() {
        let mut graph = SubGraph::directed();
        graph.insert_edge(Edge::new(1, 2));
        graph.insert_edge(Edge::new(2, 1));
        assert_eq!(graph.insert_edge(Edge::new(2, 1).with("a", true)), Some(Edge::new(2, 1)));
        assert_eq!(graph.num_edges(), 2);
    }

    #[test]
    fn components_do_not_care_about_direction() {
        let mut graph = SubGraph::directed();
        for id in [5, 1, 2, u64::MAX] {
            graph.insert_node(node(id));
        }
        graph.insert_edge(Edge::new(u64::MAX, 1));
        graph.insert_edge(Edge::new(u64::MAX, 2));
        let ids = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        assert_eq!(graph.connected_components(), [ids(&[1, 2, u64::MAX]), ids(&[5])]);
    }

    #[test]
    fn a_node_named_by_an_edge_first_becomes_a_node_when_it_is_inserted() {
        let mut graph = SubGraph::directed();
        graph.insert_edge(Edge::new(7, 8));
        assert_eq!((graph.num_nodes(), graph.node(NodeId(7))), (0, None));
        assert_eq!(graph.insert_node(node(7)), None);
        assert_eq!(graph.insert_node(node(7)), Some(node(7)));
        assert_eq!(graph.num_nodes(), 1);
    }
}
