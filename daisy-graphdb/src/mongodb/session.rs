//! What a transaction would be: a stand-alone server has none.

use std::collections::BTreeSet;
use std::ops::Range;

use mongodb::bson::{self, Bson, Document, doc};
use mongodb::options::Acknowledgment;

use super::failed;
use super::fields::{Fields, bson, whole};
use super::filter::condition;
use super::layout::Layout;
use super::server::Server;
use crate::engine::{Chosen, Each, EdgeSelect, End, Mark, NodeSelect, PlacedEdge, Put, Session};
use crate::parts::parts;
use crate::{Attrs, BlockLease, Count, Edge, GraphError, Node, NodeId, Position, Schema};

/// Changes, or ids asked for, in one command: far below the limits of a message.
const MANY: usize = 1_000;

/// About as many bytes in one command; a document, and so a command, may have 2^24.
const BYTES: usize = 1 << 22;

/// The error code of a key that exists.
pub(super) const DUPLICATE: i32 = 11_000;

/// How often a change is tried in which others were faster to insert the same.
const ATTEMPTS: usize = 20;

/// One call.
pub(super) struct MongoSession<'a> {
    pub(super) server: &'a Server,
    pub(super) layout: &'a Layout,
    pub(super) schema: &'a Schema,
}

/// Runs a command that changes something and must succeed as a whole.
pub(super) fn run(
    server: &Server,
    doing: &'static str,
    command: Document,
) -> Result<Document, GraphError> {
    let reply = change(server, doing, command)?;
    match write_error(&reply) {
        None => Ok(reply),
        Some(error) => Err(GraphError::database(doing, error.to_string())),
    }
}

/// Runs a command that changes something; some of it may have failed. The driver neither adds the
/// write concern of the address to a command that it has not made, nor looks for that one's errors.
pub(super) fn change(
    server: &Server,
    doing: &'static str,
    mut command: Document,
) -> Result<Document, GraphError> {
    let concern = server.write_concern();
    // Changes that nobody acknowledges cannot be counted.
    if let Some(concern) = concern.filter(|concern| concern.w != Some(Acknowledgment::Nodes(0))) {
        let concern = bson::serialize_to_bson(concern);
        let concern = concern.map_err(|error| GraphError::database(doing, error))?;
        command.insert("writeConcern", concern);
    }
    let reply = server.command(command).map_err(failed(doing))?;
    match reply.get_document("writeConcernError") {
        Ok(error) => Err(GraphError::database(doing, error.to_string())),
        Err(_) => Ok(reply),
    }
}

/// The first change that failed.
pub(super) fn write_error(reply: &Document) -> Option<&Document> {
    reply.get_array("writeErrors").ok()?.first()?.as_document()
}

fn bits(ids: impl IntoIterator<Item = NodeId>) -> Vec<i64> {
    ids.into_iter().map(NodeId::to_bits).collect()
}

/// The order of unsigned numbers, kept in signed ones.
fn ordered(number: u64) -> i64 {
    (number ^ (1 << 63)).cast_signed()
}

fn key(block: &BlockLease<'_>) -> Document {
    doc! { "task": block.task, "run": block.run, "block": block.block.cast_signed() }
}

impl MongoSession<'_> {
    fn selected_by(&self, select: &NodeSelect<'_>) -> Document {
        let place = self.layout.inside(self.schema, select);
        doc! { "$and": [place, condition(select.filter, &self.layout.node_fields)] }
    }

    fn find(
        &self,
        collection: &str,
        filter: Document,
        projection: Document,
        mut each: impl FnMut(Document) -> Result<(), GraphError>,
    ) -> Result<(), GraphError> {
        let found = self.server.find(collection, filter, projection);
        for document in found.map_err(failed("read"))? {
            each(document.map_err(failed("read"))?)?;
        }
        Ok(())
    }

    fn count(&self, collection: &str, filter: Document, limit: i64) -> Result<u64, GraphError> {
        let command = doc! { "count": collection, "query": filter, "limit": limit };
        let reply = self.server.command(command).map_err(failed("count"))?;
        whole(reply.get("n").unwrap_or(&Bson::Null)).map(i64::cast_unsigned)
    }

    fn id(document: &Document, field: &str) -> Result<NodeId, GraphError> {
        whole(document.get(field).unwrap_or(&Bson::Null)).map(NodeId::from_bits)
    }

    fn pair(&self, document: &Document) -> Result<(NodeId, NodeId), GraphError> {
        Ok((Self::id(document, &self.layout.u)?, Self::id(document, &self.layout.v)?))
    }

    fn named(&self, (u, v): (NodeId, NodeId)) -> Document {
        doc! { &self.layout.u: u.to_bits(), &self.layout.v: v.to_bits() }
    }

    /// Replaces or inserts whole documents; `exists` is the error for one that is there.
    fn put(
        &self,
        collection: &str,
        documents: impl Iterator<Item = (Document, Document)>,
        put: Put,
        exists: impl Fn(usize) -> GraphError,
    ) -> Result<(), GraphError> {
        let (command, list) = match put {
            Put::Insert => ("insert", "documents"),
            Put::Upsert => ("update", "updates"),
        };
        let mut changes: Vec<Document> = match put {
            Put::Insert => documents.map(|(_, document)| document).collect(),
            Put::Upsert => documents
                .map(|(name, document)| doc! { "q": name, "u": document, "upsert": true })
                .collect(),
        };
        for _ in 0..changes.len() + ATTEMPTS {
            let command = doc! { command: collection, list: changes.clone() };
            let reply = change(self.server, "write", command)?;
            let Some(error) = write_error(&reply) else { return Ok(()) };
            let place = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok());
            match (put, error.get_i32("code"), place) {
                (Put::Insert, Ok(DUPLICATE), Some(place)) => return Err(exists(place)),
                // Of two who upsert the same at once, one may be told that it exists: now it does.
                // Changes are made in order, so those before it are done.
                (Put::Upsert, Ok(DUPLICATE), Some(place)) if place < changes.len() => {
                    changes.drain(..place);
                }
                _ => return Err(GraphError::database("write", error.to_string())),
            }
        }
        Err(GraphError::database("write", "others write the same all the time"))
    }

    /// Sets some attributes of documents, or takes them away.
    fn set_attrs(
        &self,
        collection: &str,
        known: &Fields,
        chosen: &Chosen,
        rows: &[(Document, &Attrs)],
    ) -> Result<(), GraphError> {
        let chosen = known.chosen(chosen).unwrap_or_default();
        let update = |(name, values): &(Document, &Attrs)| {
            let (mut set, mut unset) = (Document::new(), Document::new());
            for (name, field) in &chosen {
                match values.value(name) {
                    Some(value) => set.insert(*field, bson(value)),
                    None => unset.insert(*field, ""),
                };
            }
            let mut change = Document::new();
            for (operator, fields) in [("$set", set), ("$unset", unset)] {
                if !fields.is_empty() {
                    change.insert(operator, fields);
                }
            }
            doc! { "q": name.clone(), "u": change }
        };
        for rows in parts(rows, (MANY, BYTES), |(_, values)| values.bytes()) {
            let updates: Vec<_> = rows.iter().map(update).collect();
            let command = doc! { "update": collection, "updates": updates };
            run(self.server, "update attributes", command)?;
        }
        Ok(())
    }

    fn delete(&self, collection: &str, filters: &[Document]) -> Result<u64, GraphError> {
        let mut count = 0;
        for filters in filters.chunks(MANY) {
            let each = |filter: &Document| doc! { "q": filter.clone(), "limit": 0 };
            let deletes: Vec<_> = filters.iter().map(each).collect();
            let reply =
                run(self.server, "delete", doc! { "delete": collection, "deletes": deletes })?;
            count += whole(reply.get("n").unwrap_or(&Bson::Null))?.cast_unsigned();
        }
        Ok(count)
    }

    fn node(&self, document: &Document, chosen: &Chosen) -> Result<Option<Node>, GraphError> {
        let Some(position) = self.layout.position(self.schema, document)? else { return Ok(None) };
        let attrs = self.layout.node_fields.read(chosen, document)?;
        Ok(Some(Node { id: Self::id(document, "id")?, position, attrs }))
    }
}

impl Session for MongoSession<'_> {
    fn node_batches(
        &mut self,
        select: &NodeSelect<'_>,
        limit: usize,
        each: Each<'_>,
    ) -> Result<(), GraphError> {
        let projection = self.layout.projection(&select.attrs);
        let found = self.server.find(&self.layout.nodes, self.selected_by(select), projection);
        let mut batch = Vec::new();
        for document in found.map_err(failed("read nodes"))? {
            let document = document.map_err(failed("read nodes"))?;
            batch.extend(self.node(&document, &select.attrs)?);
            if batch.len() >= limit {
                each(self, std::mem::take(&mut batch))?;
            }
        }
        if batch.is_empty() { Ok(()) } else { each(self, batch) }
    }

    fn selected(
        &mut self,
        ids: &[NodeId],
        select: &NodeSelect<'_>,
    ) -> Result<Vec<NodeId>, GraphError> {
        let mut selected = Vec::new();
        for ids in ids.chunks(MANY) {
            let these = doc! { "id": { "$in": bits(ids.iter().copied()) } };
            let filter = doc! { "$and": [these, self.selected_by(select)] };
            self.find(&self.layout.nodes, filter, doc! { "_id": 0, "id": 1 }, |document| {
                selected.push(Self::id(&document, "id")?);
                Ok(())
            })?;
        }
        Ok(selected)
    }

    fn edges_at(
        &mut self,
        nodes: &[Node],
        end: End,
        select: &EdgeSelect<'_>,
    ) -> Result<Vec<Edge>, GraphError> {
        let Layout { edges: collection, u, v, edge_fields, .. } = self.layout;
        let end = if end == End::First { u } else { v };
        let mut edges = Vec::new();
        for nodes in nodes.chunks(MANY) {
            let ends = doc! { end: { "$in": bits(nodes.iter().map(|node| node.id)) } };
            let filter = doc! { "$and": [ends, condition(select.filter, edge_fields)] };
            self.find(collection, filter, doc! { "_id": 0 }, |document| {
                let (u, v) = self.pair(&document)?;
                edges.push(Edge { u, v, attrs: edge_fields.read(&select.attrs, &document)? });
                Ok(())
            })?;
        }
        Ok(edges)
    }

    fn count_nodes(&mut self, select: &NodeSelect<'_>) -> Result<u64, GraphError> {
        self.count(&self.layout.nodes, self.selected_by(select), 0)
    }

    fn has_edges(&mut self, select: &NodeSelect<'_>) -> Result<bool, GraphError> {
        let Layout { nodes, edges, u, .. } = self.layout;
        let mut owners = Vec::new();
        self.find(nodes, self.selected_by(select), doc! { "_id": 0, "id": 1 }, |document| {
            owners.push(Self::id(&document, "id")?);
            Ok(())
        })?;
        for owners in owners.chunks(MANY) {
            let owned = doc! { u: { "$in": bits(owners.iter().copied()) } };
            if self.count(edges, owned, 1)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn places(&mut self, ids: &[NodeId]) -> Result<Vec<(NodeId, Position)>, GraphError> {
        let mut places = Vec::new();
        for ids in ids.chunks(MANY) {
            let these = doc! { "id": { "$in": bits(ids.iter().copied()) } };
            self.find(
                &self.layout.nodes,
                these,
                self.layout.projection(&Chosen::NONE),
                |document| {
                    let node = self.node(&document, &Chosen::NONE)?;
                    places.extend(node.map(|node| (node.id, node.position)));
                    Ok(())
                },
            )?;
        }
        Ok(places)
    }

    fn stored_edges(
        &mut self,
        pairs: &[(NodeId, NodeId)],
    ) -> Result<Vec<(NodeId, NodeId)>, GraphError> {
        let wanted: BTreeSet<_> = pairs.iter().copied().collect();
        let firsts: BTreeSet<_> = pairs.iter().map(|(u, _)| *u).collect();
        let firsts: Vec<_> = firsts.into_iter().collect();
        let mut stored = Vec::new();
        for firsts in firsts.chunks(MANY) {
            let owned = doc! { &self.layout.u: { "$in": bits(firsts.iter().copied()) } };
            self.find(&self.layout.edges, owned, doc! { "_id": 0 }, |document| {
                stored.push(self.pair(&document)?);
                Ok(())
            })?;
        }
        stored.retain(|pair| wanted.contains(pair));
        Ok(stored)
    }

    fn delete_nodes(&mut self, select: &NodeSelect<'_>) -> Result<Count, GraphError> {
        let nodes = &self.layout.nodes;
        let mut gone = Vec::new();
        self.find(nodes, self.selected_by(select), doc! { "_id": 0, "id": 1 }, |document| {
            gone.push(Self::id(&document, "id")?);
            Ok(())
        })?;
        self.delete_ids(&gone)
    }

    fn delete_ids(&mut self, ids: &[NodeId]) -> Result<Count, GraphError> {
        let Layout { nodes, edges, u, .. } = self.layout;
        let mut count = Count::default();
        for ids in ids.chunks(MANY) {
            // Edges first: what is left if this is interrupted still has owners, and goes next time.
            let ids = bits(ids.iter().copied());
            count.edges += self.delete(edges, &[doc! { u: { "$in": &ids } }])?;
            count.nodes += self.delete(nodes, &[doc! { "id": { "$in": ids } }])?;
        }
        Ok(count)
    }

    fn delete_edges(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<(), GraphError> {
        let filters: Vec<_> = pairs.iter().map(|pair| self.named(*pair)).collect();
        self.delete(&self.layout.edges, &filters).map(drop)
    }

    fn put_nodes(&mut self, nodes: &[&Node], put: Put) -> Result<(), GraphError> {
        for nodes in parts(nodes, (MANY, BYTES), |node| node.attrs.bytes()) {
            let document = |node: &&Node| {
                (doc! { "id": node.id.to_bits() }, self.layout.document(self.schema, node))
            };
            self.put(&self.layout.nodes, nodes.iter().map(document), put, |place| {
                let id = nodes.get(place).map_or(NodeId::default(), |node| node.id);
                GraphError::NodeExists { id }
            })?;
        }
        Ok(())
    }

    fn put_edges(&mut self, edges: &[PlacedEdge<'_>], put: Put) -> Result<(), GraphError> {
        for edges in parts(edges, (MANY, BYTES), |placed| placed.edge.attrs.bytes()) {
            let document = |PlacedEdge { edge, .. }: &PlacedEdge<'_>| {
                let name = self.named((edge.u, edge.v));
                let mut document = name.clone();
                document.extend(self.layout.edge_fields.write(&edge.attrs));
                (name, document)
            };
            self.put(&self.layout.edges, edges.iter().map(document), put, |place| {
                let edge = edges.get(place).map(|placed| (placed.edge.u, placed.edge.v));
                let (u, v) = edge.unwrap_or_default();
                GraphError::EdgeExists { u, v }
            })?;
        }
        Ok(())
    }

    fn set_node_attrs(&mut self, nodes: &[&Node], attrs: &Chosen) -> Result<(), GraphError> {
        let rows = nodes.iter().map(|node| (doc! { "id": node.id.to_bits() }, &node.attrs));
        let rows: Vec<_> = rows.collect();
        self.set_attrs(&self.layout.nodes, &self.layout.node_fields, attrs, &rows)
    }

    fn set_edge_attrs(
        &mut self,
        edges: &[((NodeId, NodeId), &Edge)],
        attrs: &Chosen,
    ) -> Result<(), GraphError> {
        let rows = edges.iter().map(|(pair, edge)| (self.named(*pair), &edge.attrs));
        let rows: Vec<_> = rows.collect();
        self.set_attrs(&self.layout.edges, &self.layout.edge_fields, attrs, &rows)
    }

    fn mark(&mut self, block: &BlockLease<'_>) -> Result<Option<Mark>, GraphError> {
        let mark = self.server.first("daisy_blocks", doc! { "_id": key(block) });
        let Some(mark) = mark.map_err(failed("look at the mark of a block"))? else {
            return Ok(None);
        };
        let lease = whole(mark.get("lease").unwrap_or(&Bson::Null))?;
        let lease = lease.cast_unsigned() ^ (1 << 63);
        Ok(Some(Mark { lease, is_done: mark.get_bool("done").unwrap_or(false) }))
    }

    fn set_mark(&mut self, block: &BlockLease<'_>, is_done: bool) -> Result<bool, GraphError> {
        // In one step. If a mark is there that this must not change, the query does not find it,
        // and inserting another one under its id fails. So it does if somebody else makes the mark
        // at this very moment; then there is one that may be changed the next time.
        let lease = ordered(block.lease);
        let may = doc! { "_id": key(block), "done": { "$ne": true }, "lease": { "$lte": lease } };
        let set = doc! { "$set": { "lease": lease, "done": is_done } };
        let update = doc! { "q": may, "u": set, "upsert": true };
        let command = doc! { "update": "daisy_blocks", "updates": [update] };
        for _ in 0..ATTEMPTS {
            let reply = change(self.server, "mark a block", command.clone())?;
            match write_error(&reply) {
                None => return Ok(true),
                Some(error) if matches!(error.get_i32("code"), Ok(DUPLICATE)) => {}
                Some(error) => return Err(GraphError::database("mark a block", error.to_string())),
            }
            let mark = self.mark(block)?;
            if mark.is_some_and(|mark| mark.is_done || mark.lease > block.lease) {
                return Ok(false);
            }
        }
        Err(GraphError::database("mark a block", "others change its mark all the time"))
    }

    fn done(&mut self, task: &str, run: Option<&str>) -> Result<Vec<u64>, GraphError> {
        let mut filter = doc! { "_id.task": task, "done": true };
        if let Some(run) = run {
            filter.insert("_id.run", run);
        }
        let mut blocks = BTreeSet::new();
        self.find("daisy_blocks", filter, doc! { "_id": 1 }, |document| {
            let id = document.get_document("_id").ok();
            let block = id.and_then(|id| id.get("block")).unwrap_or(&Bson::Null);
            blocks.insert(whole(block)?.cast_unsigned());
            Ok(())
        })?;
        Ok(blocks.into_iter().collect())
    }

    fn forget(&mut self, task: &str, blocks: &[Range<u64>]) -> Result<u64, GraphError> {
        let runs = blocks.iter().flat_map(crate::names::signed_runs);
        let filter = |(first, last): (i64, i64)| {
            doc! { "_id.task": task, "_id.block": { "$gte": first, "$lte": last } }
        };
        self.delete("daisy_blocks", &runs.map(filter).collect::<Vec<_>>())
    }
}
