//! One transaction on a file.

use std::collections::{BTreeMap, HashSet};
use std::ops::{Range, RangeInclusive};

use rusqlite::{CachedStatement, Connection, ErrorCode, Row, params_from_iter};

use super::marks;
use super::rows::{Param, attrs, bind, bind_position, position};
use super::tables::Tables;
use crate::engine::{Chosen, Each, EdgeSelect, End, Mark, NodeSelect, PlacedEdge, Put, Session};
use crate::position::Bounds;
use crate::sql::{Column, Statement, chosen, wanted};
use crate::{BlockLease, Count, Edge, Filter, GraphError, Node, NodeId, Position, Schema, Value};

/// The ranges of cells that are looked at for one ROI.
const MAX_RANGES: usize = 4_096;

/// A transaction.
pub(super) struct SqliteSession<'a> {
    pub(super) connection: &'a Connection,
    pub(super) tables: &'a Tables,
    pub(super) schema: &'a Schema,
}

/// An error of SQLite, with what was being done.
pub(super) fn failed(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> GraphError {
    move |error| GraphError::database(doing, error)
}

/// The error of an insertion: that something exists, if that is what it is.
fn unless_unique(doing: &'static str, error: rusqlite::Error, exists: GraphError) -> GraphError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => exists,
        _ => GraphError::database(doing, error),
    }
}

impl<'a> SqliteSession<'a> {
    pub(super) fn prepare(&self, text: &str) -> Result<CachedStatement<'a>, GraphError> {
        self.connection.prepare_cached(text).map_err(failed("prepare a statement"))
    }

    /// The ranges of cells to look at, by the positions that are left to compare; where there are
    /// no cells, one that stands for all.
    fn aims(&self, select: &NodeSelect<'_>) -> Vec<(Bounds, Vec<RangeInclusive<i64>>)> {
        if !self.tables.has_cells {
            return vec![(select.bounds, vec![0..=0])];
        }
        let mut aims: Vec<(Bounds, Vec<_>)> = Vec::new();
        for stretch in self.schema.stretches(select.roi, MAX_RANGES) {
            let bounds = select.bounds.unbounded_along(&stretch.is_inside);
            match aims.iter_mut().find(|(other, _)| *other == bounds) {
                Some((_, ranges)) => ranges.push(stretch.keys),
                None => aims.push((bounds, vec![stretch.keys])),
            }
        }
        aims
    }

    /// The parameters of a statement for one range.
    fn aim(&self, statement: &mut Statement, range: &RangeInclusive<i64>) {
        if let (true, [first, last, ..]) = (self.tables.has_cells, &mut *statement.params) {
            (*first, *last) = (Value::I64(*range.start()), Value::I64(*range.end()));
        }
    }

    /// Runs a statement for each range and adds up the rows that it changed.
    fn execute_in(
        &self,
        mut statement: Statement,
        ranges: &[RangeInclusive<i64>],
    ) -> Result<u64, GraphError> {
        let mut prepared = self.prepare(&statement.text)?;
        let mut changed = 0;
        for range in ranges {
            self.aim(&mut statement, range);
            let params = params_from_iter(statement.params.iter().map(Param));
            changed += prepared.execute(params).map_err(failed("delete"))? as u64;
        }
        Ok(changed)
    }

    fn node(&self, row: &Row<'_>, columns: &[&Column]) -> Result<Node, GraphError> {
        let dims = self.tables.positions.len();
        let id = row.get(0).map_err(failed("read a node"))?;
        Ok(Node {
            id: NodeId::from_bits(id),
            position: position(row, 1, dims)?,
            attrs: attrs(row, 1 + dims, columns)?,
        })
    }

    /// A selection of edges, to which a condition is appended.
    fn select_edges(&self, select: &EdgeSelect<'_>) -> Statement {
        let Tables { edges, u, v, edge_columns, .. } = self.tables;
        let wanted = wanted([&**u, v], &chosen(edge_columns, select.attrs.places()));
        Statement::new('?', format!("SELECT {wanted} FROM {edges} WHERE "))
            .filter(select.filter, edge_columns)
    }

    /// Reads the edges that a statement finds with these parameters behind its own.
    fn read_edges(
        &self,
        statement: &Statement,
        more: &[i64],
        select: &EdgeSelect<'_>,
        mut each: impl FnMut(Edge),
    ) -> Result<(), GraphError> {
        let more: Vec<_> = more.iter().copied().map(Value::I64).collect();
        let columns = chosen(&self.tables.edge_columns, select.attrs.places());
        let mut prepared = self.prepare(&statement.text)?;
        let params = params_from_iter(statement.params.iter().chain(&more).map(Param));
        let mut rows = prepared.query(params).map_err(failed("read edges"))?;
        while let Some(row) = rows.next().map_err(failed("read edges"))? {
            let end = |place| row.get(place).map(NodeId::from_bits).map_err(failed("read edges"));
            each(Edge { u: end(0)?, v: end(1)?, attrs: attrs(row, 2, &columns)? });
        }
        Ok(())
    }

    /// The edges that nodes own, cell by cell: as a scan of what lies side by side.
    fn owned_by_cells(
        &self,
        nodes: &[Node],
        select: &EdgeSelect<'_>,
    ) -> Result<Vec<Edge>, GraphError> {
        let grid = self.schema.grid();
        let mut cells: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for node in nodes {
            let id = node.id.to_bits();
            let (first, last) = cells.entry(grid.key(&node.position)).or_insert((id, id));
            (*first, *last) = ((*first).min(id), (*last).max(id));
        }
        let owners: HashSet<NodeId> = nodes.iter().map(|node| node.id).collect();
        let statement = self.select_edges(select);
        let n = statement.params.len();
        let aimed = format!(" AND u_cell = ?{} AND u BETWEEN ?{} AND ?{}", n + 1, n + 2, n + 3);
        let statement = statement.push(&aimed);
        let mut edges = Vec::new();
        for (cell, (first, last)) in cells {
            self.read_edges(&statement, &[cell, first, last], select, |edge| {
                if owners.contains(&edge.u) {
                    edges.push(edge);
                }
            })?;
        }
        Ok(edges)
    }

    /// Updates rows one by one.
    fn update<'r>(
        &self,
        text: &str,
        columns: &[&Column],
        rows: impl Iterator<Item = (&'r crate::Attrs, Vec<i64>)>,
    ) -> Result<(), GraphError> {
        let mut prepared = self.prepare(text)?;
        for (values, keys) in rows {
            let update = || {
                let mut place = 1;
                for column in columns {
                    let value = values.value(&column.attribute.name);
                    place = bind(&mut prepared, place, column, value)?;
                }
                for (place, key) in (place..).zip(keys) {
                    prepared.raw_bind_parameter(place, key)?;
                }
                prepared.raw_execute()
            };
            update().map_err(failed("update attributes"))?;
        }
        Ok(())
    }

    fn update_text(table: &str, columns: &[&Column], keys: &[&str]) -> String {
        let set = columns.iter().flat_map(|column| &column.names).map(String::as_str);
        let numbered = |(name, n): (&str, usize)| format!("{name} = ?{n}");
        let set: Vec<_> = set.zip(1..).map(numbered).collect();
        let keys = keys.iter().copied().zip(set.len() + 1..).map(numbered);
        let keys: Vec<_> = keys.collect();
        format!("UPDATE {table} SET {} WHERE {}", set.join(", "), keys.join(" AND "))
    }
}

impl Session for SqliteSession<'_> {
    fn node_batches(
        &mut self,
        select: &NodeSelect<'_>,
        limit: usize,
        each: Each<'_>,
    ) -> Result<(), GraphError> {
        let tables = self.tables;
        let columns = chosen(&tables.node_columns, select.attrs.places());
        let place = ["id"].into_iter().chain(tables.positions.iter().map(String::as_str));
        let wanted = wanted(place, &columns);
        let mut batch = Vec::new();
        for (bounds, ranges) in self.aims(select) {
            let mut statement = tables.select_nodes(&wanted, &bounds, select.filter);
            let mut prepared = self.prepare(&statement.text)?;
            for range in ranges {
                self.aim(&mut statement, &range);
                let params = params_from_iter(statement.params.iter().map(Param));
                let mut rows = prepared.query(params).map_err(failed("read nodes"))?;
                while let Some(row) = rows.next().map_err(failed("read nodes"))? {
                    batch.push(self.node(row, &columns)?);
                    if batch.len() >= limit {
                        each(self, std::mem::take(&mut batch))?;
                    }
                }
            }
        }
        if batch.is_empty() { Ok(()) } else { each(self, batch) }
    }

    fn selected(
        &mut self,
        ids: &[NodeId],
        select: &NodeSelect<'_>,
    ) -> Result<Vec<NodeId>, GraphError> {
        let statement = Statement::new('?', format!("SELECT 1 FROM {} WHERE ", self.tables.nodes))
            .inside(&self.tables.positions, &select.bounds)
            .push(" AND ")
            .filter(select.filter, &self.tables.node_columns);
        let id = format!(" AND id = ?{}", statement.params.len() + 1);
        let mut statement = statement.push(&id);
        let mut prepared = self.prepare(&statement.text)?;
        let mut selected = Vec::new();
        for id in ids {
            statement.params.push(Value::I64(id.to_bits()));
            let params = params_from_iter(statement.params.iter().map(Param));
            if prepared.exists(params).map_err(failed("look nodes up"))? {
                selected.push(*id);
            }
            statement.params.pop();
        }
        Ok(selected)
    }

    fn edges_at(
        &mut self,
        nodes: &[Node],
        end: End,
        select: &EdgeSelect<'_>,
    ) -> Result<Vec<Edge>, GraphError> {
        let Tables { u, v, has_cells, .. } = self.tables;
        if end == End::First && *has_cells {
            return self.owned_by_cells(nodes, select);
        }
        let mut edges = Vec::new();
        let statement = self.select_edges(select);
        if end == End::Second && !has_cells {
            // No index serves: one look at all edges.
            let ends: HashSet<NodeId> = nodes.iter().map(|node| node.id).collect();
            self.read_edges(&statement, &[], select, |edge| {
                if ends.contains(&edge.v) {
                    edges.push(edge);
                }
            })?;
            return Ok(edges);
        }
        let name = if end == End::First { u } else { v };
        let aimed = format!(" AND {name} = ?{}", statement.params.len() + 1);
        let statement = statement.push(&aimed);
        for node in nodes {
            self.read_edges(&statement, &[node.id.to_bits()], select, |edge| edges.push(edge))?;
        }
        Ok(edges)
    }

    fn count_nodes(&mut self, select: &NodeSelect<'_>) -> Result<u64, GraphError> {
        let mut count = 0;
        for (bounds, ranges) in self.aims(select) {
            let mut statement = self.tables.select_nodes("COUNT(*)", &bounds, select.filter);
            let mut prepared = self.prepare(&statement.text)?;
            for range in ranges {
                self.aim(&mut statement, &range);
                let params = params_from_iter(statement.params.iter().map(Param));
                let found = prepared.query_row(params, |row| row.get::<_, i64>(0));
                count += found.map_err(failed("count nodes"))?.cast_unsigned();
            }
        }
        Ok(count)
    }

    fn has_edges(&mut self, select: &NodeSelect<'_>) -> Result<bool, GraphError> {
        let Tables { nodes, edges, u, has_cells, .. } = self.tables;
        let cell =
            if *has_cells { format!("{edges}.u_cell = {nodes}.cell AND ") } else { String::new() };
        let owned = format!(
            " AND EXISTS (SELECT 1 FROM {edges} WHERE {cell}{edges}.{u} = {nodes}.id) LIMIT 1"
        );
        for (bounds, ranges) in self.aims(select) {
            let statement = self.tables.select_nodes("1", &bounds, &Filter::All);
            let mut statement = statement.push(&owned);
            let mut prepared = self.prepare(&statement.text)?;
            for range in ranges {
                self.aim(&mut statement, &range);
                let params = params_from_iter(statement.params.iter().map(Param));
                if prepared.exists(params).map_err(failed("look for edges"))? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn places(&mut self, ids: &[NodeId]) -> Result<Vec<(NodeId, Position)>, GraphError> {
        let Tables { nodes, positions, .. } = self.tables;
        let text = format!("SELECT {} FROM {nodes} WHERE id = ?1", positions.join(", "));
        let mut prepared = self.prepare(&text)?;
        let mut places = Vec::new();
        for id in ids {
            let mut rows = prepared.query([id.to_bits()]).map_err(failed("look nodes up"))?;
            if let Some(row) = rows.next().map_err(failed("look nodes up"))? {
                places.push((*id, position(row, 0, positions.len())?));
            }
        }
        Ok(places)
    }

    fn stored_edges(
        &mut self,
        pairs: &[(NodeId, NodeId)],
    ) -> Result<Vec<(NodeId, NodeId)>, GraphError> {
        let Tables { edges, u, v, .. } = self.tables;
        let text = format!("SELECT 1 FROM {edges} WHERE {v} = ?1 AND {u} = ?2");
        let mut prepared = self.prepare(&text)?;
        let mut stored = Vec::new();
        for pair in pairs {
            let ends = [pair.1.to_bits(), pair.0.to_bits()];
            if prepared.exists(ends).map_err(failed("look edges up"))? {
                stored.push(*pair);
            }
        }
        Ok(stored)
    }

    fn delete_nodes(&mut self, select: &NodeSelect<'_>) -> Result<Count, GraphError> {
        let Tables { nodes, edges, u, has_cells, .. } = self.tables;
        let (owner, key) = if *has_cells { ("(u_cell, u)", "cell, id") } else { (&**u, "id") };
        let owned =
            format!("DELETE FROM {edges} WHERE {owner} IN (SELECT {key} FROM {nodes} WHERE ");
        let gone = format!("DELETE FROM {nodes} WHERE ");
        let mut count = Count::default();
        for (bounds, ranges) in self.aims(select) {
            let inside = |text: &str| self.tables.inside(Statement::new('?', text), &bounds);
            count.edges += self.execute_in(inside(&owned).push(")"), &ranges)?;
            count.nodes += self.execute_in(inside(&gone), &ranges)?;
        }
        Ok(count)
    }

    fn delete_ids(&mut self, ids: &[NodeId]) -> Result<Count, GraphError> {
        let Tables { nodes, edges, u, has_cells, .. } = self.tables;
        let owner = match has_cells {
            true => format!("(u_cell, u) = (SELECT cell, id FROM {nodes} WHERE id = ?1)"),
            false => format!("{u} = ?1"),
        };
        let mut owned = self.prepare(&format!("DELETE FROM {edges} WHERE {owner}"))?;
        let mut gone = self.prepare(&format!("DELETE FROM {nodes} WHERE id = ?1"))?;
        let mut count = Count::default();
        for id in ids {
            let id = [id.to_bits()];
            count.edges += owned.execute(id).map_err(failed("delete edges"))? as u64;
            count.nodes += gone.execute(id).map_err(failed("delete nodes"))? as u64;
        }
        Ok(count)
    }

    fn delete_edges(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<(), GraphError> {
        let Tables { edges, u, v, .. } = self.tables;
        let mut prepared =
            self.prepare(&format!("DELETE FROM {edges} WHERE {v} = ?1 AND {u} = ?2"))?;
        for pair in pairs {
            let ends = [pair.1.to_bits(), pair.0.to_bits()];
            prepared.execute(ends).map_err(failed("delete edges"))?;
        }
        Ok(())
    }

    fn finds_existing(&self) -> bool {
        true
    }

    fn put_nodes(&mut self, nodes: &[&Node], put: Put) -> Result<(), GraphError> {
        let grid = self.schema.grid();
        let mut keyed: Vec<_> =
            nodes.iter().map(|node| (grid.key(&node.position), node.id.to_bits(), node)).collect();
        keyed.sort_unstable_by_key(|(cell, id, _)| (*cell, *id));
        let columns = self.tables.node_names();
        let text = Tables::insert(&self.tables.nodes, &columns, 1, put == Put::Upsert);
        let is_whole = self.tables.has_whole_positions;
        if is_whole
            && nodes.iter().any(|node| node.position.axes().iter().any(|x| x.fract() != 0.0))
        {
            return Err(GraphError::NotInThisLayout {
                what: "positions that are not whole numbers",
            });
        }
        let mut prepared = self.prepare(&text)?;
        for (cell, id, node) in keyed {
            let mut insert = || {
                prepared.raw_bind_parameter(1, id)?;
                let mut place = 2;
                if self.tables.has_cells {
                    prepared.raw_bind_parameter(place, cell)?;
                    place += 1;
                }
                place = bind_position(&mut prepared, place, &node.position, is_whole)?;
                for column in &self.tables.node_columns {
                    let value = node.attrs.value(&column.attribute.name);
                    place = bind(&mut prepared, place, column, value)?;
                }
                prepared.raw_execute()
            };
            insert().map_err(|error| {
                let exists = GraphError::NodeExists { id: node.id };
                unless_unique("write nodes", error, exists)
            })?;
        }
        Ok(())
    }

    fn put_edges(&mut self, edges: &[PlacedEdge<'_>], put: Put) -> Result<(), GraphError> {
        let grid = self.schema.grid();
        let key = |placed: &PlacedEdge<'_>| {
            let edge = placed.edge;
            (grid.key(&placed.place), edge.u.to_bits(), edge.v.to_bits())
        };
        let mut keyed: Vec<_> = edges.iter().map(|placed| (key(placed), placed.edge)).collect();
        keyed.sort_unstable_by_key(|(key, _)| *key);
        let keys = if self.tables.has_cells { 3 } else { 2 };
        let columns = self.tables.edge_names();
        let text = Tables::insert(&self.tables.edges, &columns, keys, put == Put::Upsert);
        let mut prepared = self.prepare(&text)?;
        for ((cell, u, v), edge) in keyed {
            let mut insert = || {
                let key = [cell, u, v];
                for (place, part) in (1..).zip(key.iter().skip(3 - keys)) {
                    prepared.raw_bind_parameter(place, part)?;
                }
                let mut place = keys + 1;
                for column in &self.tables.edge_columns {
                    let value = edge.attrs.value(&column.attribute.name);
                    place = bind(&mut prepared, place, column, value)?;
                }
                prepared.raw_execute()
            };
            insert().map_err(|error| {
                let exists = GraphError::EdgeExists { u: edge.u, v: edge.v };
                unless_unique("write edges", error, exists)
            })?;
        }
        Ok(())
    }

    fn set_node_attrs(&mut self, nodes: &[&Node], attrs: &Chosen) -> Result<(), GraphError> {
        let columns = chosen(&self.tables.node_columns, attrs.places());
        let text = Self::update_text(&self.tables.nodes, &columns, &["id"]);
        let rows = nodes.iter().map(|node| (&node.attrs, vec![node.id.to_bits()]));
        self.update(&text, &columns, rows)
    }

    fn set_edge_attrs(
        &mut self,
        edges: &[((NodeId, NodeId), &Edge)],
        attrs: &Chosen,
    ) -> Result<(), GraphError> {
        let Tables { edges: table, u, v, edge_columns, .. } = self.tables;
        let columns = chosen(edge_columns, attrs.places());
        let text = Self::update_text(table, &columns, &[v, u]);
        let rows = edges.iter().map(|((u, v), edge)| (&edge.attrs, vec![v.to_bits(), u.to_bits()]));
        self.update(&text, &columns, rows)
    }

    fn mark(&mut self, block: &BlockLease<'_>) -> Result<Option<Mark>, GraphError> {
        marks::mark(self, block)
    }

    fn set_mark(&mut self, block: &BlockLease<'_>, is_done: bool) -> Result<bool, GraphError> {
        marks::set_mark(self, block, is_done)
    }

    fn done(&mut self, task: &str, run: Option<&str>) -> Result<Vec<u64>, GraphError> {
        marks::done(self, task, run)
    }

    fn forget(&mut self, task: &str, blocks: &[Range<u64>]) -> Result<u64, GraphError> {
        marks::forget(self, task, blocks)
    }
}
