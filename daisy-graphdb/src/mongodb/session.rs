//! What a transaction would be: a stand-alone server has none.

use std::collections::BTreeSet;
use std::ops::Range;

use mongodb::bson::{Bson, Document, doc};

use super::change::{DUPLICATE, Row, change, write_error};
use super::failed;
use super::fields::whole;
use super::filter::Sieve;
use super::join::{JOINED, Join, Key, bits};
use super::layout::Layout;
use super::server::Server;
use crate::engine::{Chosen, Each, EdgeSelect, End, Mark, NodeSelect, PlacedEdge, Put, Session};
use crate::parts::parts;
use crate::{Attrs, BlockLease, Count, Edge, GraphError, Node, NodeId, Owner, Position, Schema};

/// Changes, or ids asked for, in one command: far below the limits of a message.
pub(super) const MANY: usize = 1_000;

/// About as many bytes in one command; a document, and so a command, may have 2^24.
pub(super) const BYTES: usize = 1 << 22;

/// How often a change is tried in which others were faster to insert the same.
pub(super) const ATTEMPTS: usize = 20;

/// The collection of the marks of blocks.
pub(super) const BLOCKS: &str = "daisy_blocks";

/// One call.
pub(super) struct MongoSession<'a> {
    pub(super) server: &'a Server,
    pub(super) layout: &'a Layout,
    pub(super) schema: &'a Schema,
}

/// The order of unsigned numbers, kept in signed ones.
fn ordered(number: u64) -> i64 {
    (number ^ (1 << 63)).cast_signed()
}

fn key(block: &BlockLease<'_>) -> Document {
    doc! { "task": block.task, "run": block.run, "block": block.block.cast_signed() }
}

impl MongoSession<'_> {
    /// The condition on the documents of nodes, and what is asked of their attributes aside.
    fn selected_by<'s>(&self, select: &'s NodeSelect<'_>) -> (Document, Join<'s>) {
        let place = self.layout.inside(self.schema, select);
        let (condition, sieves) = Sieve::of(select.filter, Owner::Nodes, self.layout);
        (doc! { "$and": [place, condition] }, Join { sieves, chosen: &select.attrs })
    }

    pub(super) fn find(
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

    /// The ids of the nodes that meet a condition.
    fn ids(&self, condition: Document) -> Result<Vec<NodeId>, GraphError> {
        let mut ids = Vec::new();
        self.find(&self.layout.nodes, condition, doc! { "_id": 0, "id": 1 }, |document| {
            ids.push(NodeId::read(&document, self.layout)?);
            Ok(())
        })?;
        Ok(ids)
    }

    fn count(&self, collection: &str, filter: Document, limit: i64) -> Result<u64, GraphError> {
        let command = doc! { "count": collection, "query": filter, "limit": limit };
        let reply = self.server.command(command).map_err(failed("count"))?;
        whole(reply.get("n").unwrap_or(&Bson::Null)).map(i64::cast_unsigned)
    }

    fn node(&self, document: &Document, chosen: &Chosen) -> Result<Option<Node>, GraphError> {
        let Some(position) = self.layout.position(self.schema, document)? else { return Ok(None) };
        let attrs = self.layout.node_fields.read(chosen, document)?;
        Ok(Some(Node { id: NodeId::read(document, self.layout)?, position, attrs }))
    }

    /// Leaves out those nodes or edges whose attributes aside do not pass, and adds the others'.
    fn join<K: Key, T>(
        &self,
        rows: &mut Vec<T>,
        join: &Join<'_>,
        key: impl Fn(&T) -> K,
        attrs: impl Fn(&mut T) -> &mut Attrs,
    ) -> Result<(), GraphError> {
        if !self.joins::<K>(join) {
            return Ok(());
        }
        let keys: Vec<K> = rows.iter().map(&key).collect();
        let mut gathered = self.gather(&keys, join)?;
        rows.retain_mut(|row| {
            let aside = gathered.remove(&key(row));
            let passes = aside.is_some();
            attrs(row).append(aside.unwrap_or_default());
            passes
        });
        Ok(())
    }

    fn join_nodes(&self, nodes: &mut Vec<Node>, join: &Join<'_>) -> Result<(), GraphError> {
        self.join(nodes, join, |node| node.id, |node| &mut node.attrs)
    }

    /// Gives nodes to `each`, as long as there are as many as it takes at once.
    fn give(
        &mut self,
        nodes: &mut Vec<Node>,
        limit: usize,
        each: Each<'_>,
    ) -> Result<(), GraphError> {
        while nodes.len() >= limit {
            let rest = nodes.split_off(limit);
            each(self, std::mem::replace(nodes, rest))?;
        }
        Ok(())
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
        let (condition, join) = self.selected_by(select);
        // As many are joined at once as there may be, for fewer questions.
        let most = if self.joins::<NodeId>(&join) { limit.clamp(MANY, JOINED) } else { limit };
        let (mut batch, mut joined) = (Vec::new(), Vec::new());
        let found = self.server.find(&self.layout.nodes, condition, projection);
        for document in found.map_err(failed("read nodes"))? {
            let document = document.map_err(failed("read nodes"))?;
            batch.extend(self.node(&document, &select.attrs)?);
            if batch.len() >= most {
                self.join_nodes(&mut batch, &join)?;
                joined.append(&mut batch);
                self.give(&mut joined, limit, each)?;
            }
        }
        self.join_nodes(&mut batch, &join)?;
        joined.append(&mut batch);
        self.give(&mut joined, limit, each)?;
        if joined.is_empty() { Ok(()) } else { each(self, joined) }
    }

    fn selected(
        &mut self,
        ids: &[NodeId],
        select: &NodeSelect<'_>,
    ) -> Result<Vec<NodeId>, GraphError> {
        let (condition, join) = self.selected_by(select);
        let join = Join { chosen: &Chosen::NONE, ..join };
        let mut selected = Vec::new();
        for ids in ids.chunks(MANY) {
            let these = NodeId::among(ids, self.layout);
            let mut found = self.ids(doc! { "$and": [these, &condition] })?;
            self.sift(&mut found, &join)?;
            selected.append(&mut found);
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
        let (condition, sieves) = Sieve::of(select.filter, Owner::Edges, self.layout);
        let join = Join { sieves, chosen: &select.attrs };
        let mut edges = Vec::new();
        for nodes in nodes.chunks(MANY) {
            let ends = doc! { end: { "$in": bits(nodes.iter().map(|node| node.id)) } };
            let filter = doc! { "$and": [ends, &condition] };
            let mut found = Vec::new();
            self.find(collection, filter, doc! { "_id": 0 }, |document| {
                let (u, v) = <(NodeId, NodeId)>::read(&document, self.layout)?;
                found.push(Edge { u, v, attrs: edge_fields.read(&select.attrs, &document)? });
                Ok(())
            })?;
            self.join(&mut found, &join, |edge| (edge.u, edge.v), |edge| &mut edge.attrs)?;
            edges.append(&mut found);
        }
        Ok(edges)
    }

    fn count_nodes(&mut self, select: &NodeSelect<'_>) -> Result<u64, GraphError> {
        let (condition, join) = self.selected_by(select);
        if join.sieves.is_empty() {
            return self.count(&self.layout.nodes, condition, 0);
        }
        let mut ids = self.ids(condition)?;
        self.sift(&mut ids, &Join { chosen: &Chosen::NONE, ..join })?;
        Ok(ids.len() as u64)
    }

    fn has_edges(&mut self, select: &NodeSelect<'_>) -> Result<bool, GraphError> {
        let Layout { edges, u, .. } = self.layout;
        let (condition, _) = self.selected_by(select); // There is no filter.
        for owners in self.ids(condition)?.chunks(MANY) {
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
            let these = NodeId::among(ids, self.layout);
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
                stored.push(<(NodeId, NodeId)>::read(&document, self.layout)?);
                Ok(())
            })?;
        }
        stored.retain(|pair| wanted.contains(pair));
        Ok(stored)
    }

    fn delete_nodes(&mut self, select: &NodeSelect<'_>) -> Result<Count, GraphError> {
        let (condition, _) = self.selected_by(select); // There is no filter.
        let gone = self.ids(condition)?;
        self.delete_ids(&gone)
    }

    fn delete_ids(&mut self, ids: &[NodeId]) -> Result<Count, GraphError> {
        let mut count = Count::default();
        for ids in ids.chunks(MANY) {
            // Edges first: what is left if this is interrupted still has owners, and goes next time.
            let owned = doc! { &self.layout.u: { "$in": bits(ids.iter().copied()) } };
            count.edges += self.delete_with_aside::<(NodeId, NodeId)>(&[owned])?;
            count.nodes += self.delete_with_aside::<NodeId>(&NodeId::exactly(ids, self.layout))?;
        }
        Ok(count)
    }

    fn delete_edges(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<(), GraphError> {
        let filters = Key::exactly(pairs, self.layout);
        self.delete_with_aside::<(NodeId, NodeId)>(&filters).map(drop)
    }

    fn put_nodes(&mut self, nodes: &[&Node], put: Put) -> Result<(), GraphError> {
        for nodes in parts(nodes, (MANY, BYTES), |node| node.attrs.bytes()) {
            let rows = nodes.iter().map(|node| Row {
                key: node.id,
                document: self.layout.document(self.schema, node),
                attrs: &node.attrs,
            });
            self.put(&rows.collect::<Vec<_>>(), put, |id| GraphError::NodeExists { id })?;
        }
        Ok(())
    }

    fn put_edges(&mut self, edges: &[PlacedEdge<'_>], put: Put) -> Result<(), GraphError> {
        for edges in parts(edges, (MANY, BYTES), |placed| placed.edge.attrs.bytes()) {
            let rows = edges.iter().map(|PlacedEdge { edge, .. }| {
                let key = (edge.u, edge.v);
                let mut document = key.document(self.layout);
                document.extend(self.layout.edge_fields.write(&edge.attrs));
                Row { key, document, attrs: &edge.attrs }
            });
            let exists = |(u, v)| GraphError::EdgeExists { u, v };
            self.put(&rows.collect::<Vec<_>>(), put, exists)?;
        }
        Ok(())
    }

    fn set_node_attrs(&mut self, nodes: &[&Node], attrs: &Chosen) -> Result<(), GraphError> {
        let rows: Vec<_> = nodes.iter().map(|node| (node.id, &node.attrs)).collect();
        self.set_attrs(&rows, attrs)
    }

    fn set_edge_attrs(
        &mut self,
        edges: &[((NodeId, NodeId), &Edge)],
        attrs: &Chosen,
    ) -> Result<(), GraphError> {
        let rows: Vec<_> = edges.iter().map(|(pair, edge)| (*pair, &edge.attrs)).collect();
        self.set_attrs(&rows, attrs)
    }

    fn mark(&mut self, block: &BlockLease<'_>) -> Result<Option<Mark>, GraphError> {
        let mark = self.server.first(BLOCKS, doc! { "_id": key(block) });
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
        let command = doc! { "update": BLOCKS, "updates": [update] };
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
        self.find(BLOCKS, filter, doc! { "_id": 1 }, |document| {
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
        self.delete(BLOCKS, &runs.map(filter).collect::<Vec<_>>())
    }
}
