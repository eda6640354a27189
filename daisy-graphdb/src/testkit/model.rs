//! A store as its documentation describes it: two lists, everything compared with everything.

use daisy_geometry::Roi;

use crate::{Count, Edge, EdgesBy, Filter, Node, SubGraph, Write, WriteMode};

/// The nodes and edges that a store should hold.
#[derive(Clone, Debug, Default)]
pub struct Model {
    is_directed: bool,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

impl Model {
    /// An empty one.
    #[must_use]
    pub fn new(is_directed: bool) -> Self {
        Self { is_directed, ..Self::default() }
    }

    /// Writes as [`GraphStore::write`](crate::GraphStore::write) does. Returns false, and changes
    /// nothing, if that must be refused.
    pub fn write(&mut self, graph: &SubGraph, write: &Write) -> bool {
        let is_inside = |node: &Node| write.roi().is_none_or(|roi| node.position.is_in(roi));
        let mut new = self.clone();
        let (with_nodes, with_edges) =
            (write.mode() != WriteMode::ReplaceEdges, write.mode() != WriteMode::ReplaceNodes);
        if let Some(roi) = write.roi() {
            new.make_room(write.mode(), roi, graph);
        }
        let mut edges = Vec::new();
        for edge in graph.edges().filter(|_| with_edges) {
            let stored = new.nodes.iter().find(|node| node.id == edge.u);
            let given = graph.node(edge.u).filter(|_| with_nodes);
            let Some(owner) = given.or(stored) else { return false };
            if is_inside(owner) {
                edges.push(edge.clone());
            }
        }
        for node in graph.nodes().filter(|node| with_nodes && is_inside(node)) {
            let before = new.nodes.len();
            new.nodes.retain(|stored| stored.id != node.id);
            if !allowed(write.mode(), new.nodes.len() < before) {
                return false;
            }
            new.nodes.push(node.clone());
        }
        for edge in edges {
            let before = new.edges.len();
            let is_directed = self.is_directed;
            new.edges.retain(|stored| !is_same(is_directed, stored, &edge));
            if !allowed(write.mode(), new.edges.len() < before) {
                return false;
            }
            new.edges.push(edge);
        }
        *self = new;
        true
    }

    /// Deletes what a write replaces.
    fn make_room(&mut self, mode: WriteMode, roi: &Roi, graph: &SubGraph) {
        let is_stored_inside = |model: &Self, id| {
            model.nodes.iter().any(|node| node.id == id && node.position.is_in(roi))
        };
        match mode {
            WriteMode::ReplaceRoi => drop(self.delete(roi)),
            WriteMode::ReplaceNodes => {
                let is_given = |id| graph.node(id).is_some_and(|node| node.position.is_in(roi));
                let gone: Vec<_> = self.nodes.iter().map(|node| node.id).collect();
                let gone = gone.into_iter().filter(|id| is_stored_inside(self, *id));
                let gone: Vec<_> = gone.filter(|id| !is_given(*id)).collect();
                self.nodes.retain(|node| !gone.contains(&node.id));
                self.edges.retain(|edge| !gone.contains(&edge.u));
            }
            WriteMode::ReplaceEdges => {
                let kept = self.clone();
                self.edges.retain(|edge| !is_stored_inside(&kept, edge.u));
            }
            _ => {}
        }
    }

    /// Deletes as [`GraphStore::delete`](crate::GraphStore::delete) does.
    pub fn delete(&mut self, roi: &Roi) -> Count {
        let (nodes, edges) = (self.nodes.len(), self.edges.len());
        let gone: Vec<_> =
            self.nodes.iter().filter(|node| node.position.is_in(roi)).map(|node| node.id).collect();
        self.nodes.retain(|node| !gone.contains(&node.id));
        self.edges.retain(|edge| !gone.contains(&edge.u));
        Count { nodes: (nodes - self.nodes.len()) as u64, edges: (edges - self.edges.len()) as u64 }
    }

    /// Reads as [`GraphStore::read`](crate::GraphStore::read) does.
    #[must_use]
    pub fn read(&self, roi: &Roi, nodes: &Filter, edges: &Filter, by: EdgesBy) -> SubGraph {
        let mut read = SubGraph::new(self.is_directed);
        let is_inside = |node: &&Node| node.position.is_in(roi) && nodes.matches(&node.attrs);
        let inside: Vec<_> = self.nodes.iter().filter(is_inside).cloned().collect();
        let is_in = |id| inside.iter().any(|node| node.id == id);
        for edge in self.edges.iter().filter(|edge| edges.matches(&edge.attrs)) {
            let (u, v) = (is_in(edge.u), is_in(edge.v));
            let is_wanted = match by {
                EdgesBy::Nothing => false,
                EdgesBy::FirstEnd => u,
                EdgesBy::EitherEnd => u || v,
                EdgesBy::BothEnds => u && v,
            };
            if is_wanted {
                read.insert_edge(edge.clone());
            }
        }
        for node in inside {
            read.insert_node(node);
        }
        read
    }
}

fn allowed(mode: WriteMode, is_stored: bool) -> bool {
    match mode {
        WriteMode::InsertOnly => !is_stored,
        WriteMode::UpdateOnly => is_stored,
        _ => true,
    }
}

fn is_same(is_directed: bool, a: &Edge, b: &Edge) -> bool {
    (a.u, a.v) == (b.u, b.v) || !is_directed && (a.u, a.v) == (b.v, b.u)
}
