//! A graph in memory, for tests and for what needs no database.
//!
//! Readers hold on to the state that they began with; a writer copies it if somebody does.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use crate::engine::{
    Backend, Chosen, Each, EdgeSelect, End, Mark, NodeSelect, PlacedEdge, Put, Run, Session,
    graph_store,
};
use crate::{
    Attribute, Attrs, BlockLease, Count, Edge, GraphError, Node, NodeId, Open, Owner, Position,
    Schema,
};

/// The ranges of cells that are looked at for one ROI.
const MAX_RANGES: usize = 4_096;

/// A place in memory where one graph can be, and which any number of stores can have open.
///
/// ```
/// use daisy_geometry::Coordinate;
/// use daisy_graphdb::{GraphStore, MemoryDatabase, MemoryStore, Open, Schema};
///
/// let database = MemoryDatabase::new();
/// assert!(MemoryStore::open(&database, Open::Read).is_err()); // nothing there yet
/// let schema = Schema::new(Coordinate::new([100, 100]))?;
/// let store = MemoryStore::open(&database, Open::Create(schema))?;
/// assert_eq!(MemoryStore::open(&database, Open::Read)?.schema(), store.schema());
/// # Ok::<(), daisy_graphdb::GraphError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryDatabase(Arc<RwLock<Option<Arc<State>>>>);

impl MemoryDatabase {
    /// An empty place.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> Option<Arc<State>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A graph in memory.
#[derive(Debug)]
pub struct MemoryStore {
    database: MemoryDatabase,
    schema: Schema,
    is_writable: bool,
}

impl MemoryStore {
    /// Opens the graph of a database.
    ///
    /// # Errors
    ///
    /// [`GraphError::NotFound`], or [`GraphError::SchemaDiffers`].
    pub fn open(database: &MemoryDatabase, open: Open) -> Result<Self, GraphError> {
        let place = || "this memory database".to_owned();
        let is_writable = open != Open::Read;
        if let Open::Create(schema) = open {
            schema.check_declared()?;
            let mut state = database.0.write().unwrap_or_else(PoisonError::into_inner);
            let state = state.get_or_insert_with(|| Arc::new(State::new(schema.clone())));
            let differences = schema.differences(&state.schema);
            if !differences.is_empty() {
                return Err(GraphError::SchemaDiffers { place: place(), differences });
            }
        }
        let state = database.state().ok_or_else(|| GraphError::NotFound { place: place() })?;
        Ok(Self { database: database.clone(), schema: state.schema.clone(), is_writable })
    }
}

graph_store!(MemoryStore, atomic: true);

impl Backend for MemoryStore {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn is_writable(&self) -> bool {
        self.is_writable
    }

    fn reading(&self, run: Run<'_>) -> Result<(), GraphError> {
        match self.database.state() {
            Some(state) => run(&mut Memory(state)),
            None => Ok(()),
        }
    }

    fn writing(&self, run: Run<'_>) -> Result<(), GraphError> {
        let mut state = self.database.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(whole) = state.take() else { return Ok(()) };
        // Nothing here fails once something is changed: see the invariant of the engine.
        let mut session = Memory(whole);
        let outcome = run(&mut session);
        *state = Some(session.0);
        outcome
    }
}

#[derive(Clone, Debug)]
struct State {
    schema: Schema,
    /// By cell and id.
    nodes: BTreeMap<(i64, NodeId), Node>,
    /// The cell of each node.
    cells: BTreeMap<NodeId, i64>,
    edges: BTreeMap<(NodeId, NodeId), Attrs>,
    /// The pairs of all edges, second endpoint first.
    turned: BTreeSet<(NodeId, NodeId)>,
    /// By task, run and block.
    marks: BTreeMap<(String, String, u64), Mark>,
}

impl State {
    fn new(schema: Schema) -> Self {
        Self {
            schema,
            nodes: BTreeMap::new(),
            cells: BTreeMap::new(),
            edges: BTreeMap::new(),
            turned: BTreeSet::new(),
            marks: BTreeMap::new(),
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&(*self.cells.get(&id)?, id))
    }

    /// All selected nodes, with all attributes.
    fn select<'a>(&'a self, select: &NodeSelect<'_>) -> impl Iterator<Item = &'a Node> {
        let ranges = self.schema.ranges(select.roi, MAX_RANGES);
        let (bounds, filter) = (select.bounds, select.filter.clone());
        ranges
            .into_iter()
            .flat_map(|range| {
                self.nodes.range((*range.start(), NodeId(0))..=(*range.end(), NodeId(u64::MAX)))
            })
            .map(|(_, node)| node)
            .filter(move |node| bounds.contains(&node.position) && filter.matches(&node.attrs))
    }

    fn owned(&self, u: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.edges.range((u, NodeId(0))..=(u, NodeId(u64::MAX))).map(|(pair, _)| *pair)
    }

    fn remove_edge(&mut self, pair: (NodeId, NodeId)) {
        self.edges.remove(&pair);
        self.turned.remove(&(pair.1, pair.0));
    }
}

/// A session: a snapshot, which is copied where it is changed while others hold it.
struct Memory(Arc<State>);

impl Session for Memory {
    fn node_batches(
        &mut self,
        select: &NodeSelect<'_>,
        limit: usize,
        each: Each<'_>,
    ) -> Result<(), GraphError> {
        let state = Arc::clone(&self.0);
        let mut nodes = state.select(select).peekable();
        while nodes.peek().is_some() {
            let batch = nodes.by_ref().take(limit).map(|node| {
                let attrs = only(&node.attrs, state.schema.node_attrs(), select.attrs.places());
                Node { id: node.id, position: node.position, attrs }
            });
            each(self, batch.collect())?;
        }
        Ok(())
    }

    fn selected(
        &mut self,
        ids: &[NodeId],
        select: &NodeSelect<'_>,
    ) -> Result<Vec<NodeId>, GraphError> {
        let nodes = ids.iter().filter_map(|id| self.0.node(*id));
        let is_selected = |node: &&Node| {
            select.bounds.contains(&node.position) && select.filter.matches(&node.attrs)
        };
        Ok(nodes.filter(is_selected).map(|node| node.id).collect())
    }

    fn edges_at(
        &mut self,
        nodes: &[Node],
        end: End,
        select: &EdgeSelect<'_>,
    ) -> Result<Vec<Edge>, GraphError> {
        let mut edges = Vec::new();
        for node in nodes {
            let pairs: Vec<_> = match end {
                End::First => self.0.owned(node.id).collect(),
                End::Second => {
                    let ends = (node.id, NodeId(0))..=(node.id, NodeId(u64::MAX));
                    self.0.turned.range(ends).map(|(v, u)| (*u, *v)).collect()
                }
            };
            for pair in pairs {
                let Some(attrs) = self.0.edges.get(&pair) else { continue };
                if select.filter.matches(attrs) {
                    let attrs = only(attrs, self.0.schema.edge_attrs(), select.attrs.places());
                    edges.push(Edge { u: pair.0, v: pair.1, attrs });
                }
            }
        }
        Ok(edges)
    }

    fn count_nodes(&mut self, select: &NodeSelect<'_>) -> Result<u64, GraphError> {
        Ok(self.0.select(select).count() as u64)
    }

    fn has_edges(&mut self, select: &NodeSelect<'_>) -> Result<bool, GraphError> {
        Ok(self.0.select(select).any(|node| self.0.owned(node.id).next().is_some()))
    }

    fn places(&mut self, ids: &[NodeId]) -> Result<Vec<(NodeId, Position)>, GraphError> {
        Ok(ids.iter().filter_map(|id| Some((*id, self.0.node(*id)?.position))).collect())
    }

    fn stored_edges(
        &mut self,
        pairs: &[(NodeId, NodeId)],
    ) -> Result<Vec<(NodeId, NodeId)>, GraphError> {
        Ok(pairs.iter().filter(|pair| self.0.edges.contains_key(pair)).copied().collect())
    }

    fn delete_nodes(&mut self, select: &NodeSelect<'_>) -> Result<Count, GraphError> {
        let ids: Vec<_> = self.0.select(select).map(|node| node.id).collect();
        self.delete_ids(&ids)
    }

    fn delete_ids(&mut self, ids: &[NodeId]) -> Result<Count, GraphError> {
        let state = Arc::make_mut(&mut self.0);
        let mut count = Count::default();
        for id in ids {
            for pair in state.owned(*id).collect::<Vec<_>>() {
                state.remove_edge(pair);
                count.edges += 1;
            }
            if let Some(cell) = state.cells.remove(id) {
                state.nodes.remove(&(cell, *id));
                count.nodes += 1;
            }
        }
        Ok(count)
    }

    fn delete_edges(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<(), GraphError> {
        let state = Arc::make_mut(&mut self.0);
        pairs.iter().for_each(|pair| state.remove_edge(*pair));
        Ok(())
    }

    fn put_nodes(&mut self, nodes: &[&Node], _: Put) -> Result<(), GraphError> {
        let state = Arc::make_mut(&mut self.0);
        let grid = state.schema.grid();
        for node in nodes {
            let cell = grid.key(&node.position);
            if let Some(old) = state.cells.insert(node.id, cell) {
                state.nodes.remove(&(old, node.id));
            }
            state.nodes.insert((cell, node.id), (*node).clone());
        }
        Ok(())
    }

    fn put_edges(&mut self, edges: &[PlacedEdge<'_>], _: Put) -> Result<(), GraphError> {
        let state = Arc::make_mut(&mut self.0);
        for PlacedEdge { edge, .. } in edges {
            state.edges.insert((edge.u, edge.v), edge.attrs.clone());
            state.turned.insert((edge.v, edge.u));
        }
        Ok(())
    }

    fn set_node_attrs(&mut self, nodes: &[&Node], attrs: &Chosen) -> Result<(), GraphError> {
        let State { schema, nodes: stored, cells, .. } = Arc::make_mut(&mut self.0);
        for node in nodes {
            let Some(cell) = cells.get(&node.id) else { continue };
            if let Some(stored) = stored.get_mut(&(*cell, node.id)) {
                copy(&mut stored.attrs, &node.attrs, schema, Owner::Nodes, attrs.places());
            }
        }
        Ok(())
    }

    fn set_edge_attrs(
        &mut self,
        edges: &[((NodeId, NodeId), &Edge)],
        attrs: &Chosen,
    ) -> Result<(), GraphError> {
        let State { schema, edges: stored, .. } = Arc::make_mut(&mut self.0);
        for (pair, edge) in edges {
            if let Some(stored) = stored.get_mut(pair) {
                copy(stored, &edge.attrs, schema, Owner::Edges, attrs.places());
            }
        }
        Ok(())
    }

    fn mark(&mut self, block: &BlockLease<'_>) -> Result<Option<Mark>, GraphError> {
        Ok(self.0.marks.get(&key(block)).copied())
    }

    fn set_mark(&mut self, block: &BlockLease<'_>, is_done: bool) -> Result<bool, GraphError> {
        let mark = Mark { lease: block.lease, is_done };
        Arc::make_mut(&mut self.0).marks.insert(key(block), mark);
        Ok(true)
    }

    fn done(&mut self, task: &str, run: Option<&str>) -> Result<Vec<u64>, GraphError> {
        let marks = self.0.marks.iter().filter(|((of, in_run, _), mark)| {
            mark.is_done && of == task && run.is_none_or(|run| run == in_run)
        });
        let blocks: BTreeSet<_> = marks.map(|((_, _, block), _)| *block).collect();
        Ok(blocks.into_iter().collect())
    }

    fn forget(&mut self, task: &str, blocks: &[Range<u64>]) -> Result<u64, GraphError> {
        let marks = &mut Arc::make_mut(&mut self.0).marks;
        let before = marks.len();
        marks.retain(|(of, _, block), _| {
            of != task || !blocks.iter().any(|run| run.contains(block))
        });
        Ok((before - marks.len()) as u64)
    }
}

fn key(block: &BlockLease<'_>) -> (String, String, u64) {
    (block.task.into(), block.run.into(), block.block)
}

/// The attributes at some places of the schema.
fn only(attrs: &Attrs, attributes: &[Attribute], places: &[usize]) -> Attrs {
    let mut chosen = Attrs::new();
    for attribute in places.iter().filter_map(|place| attributes.get(*place)) {
        if let Some(value) = attrs.value(&attribute.name) {
            chosen.push(&attribute.name, value.clone());
        }
    }
    chosen
}

/// Sets the attributes at some places of the schema to those of another node or edge.
fn copy(to: &mut Attrs, from: &Attrs, schema: &Schema, owner: Owner, places: &[usize]) {
    for attribute in places.iter().filter_map(|place| schema.attrs(owner).get(*place)) {
        match from.value(&attribute.name) {
            Some(value) => to.set(&attribute.name, value.clone()),
            None => to.remove(&attribute.name),
        };
    }
}
