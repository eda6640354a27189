//! One transaction on the server.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use postgres::Row;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};

use super::channel::{Channel, through};
use super::failed;
use super::given::Given;
use super::rows::{Param, attrs, copy_type, position};
use super::tables::Tables;
use crate::engine::{Chosen, Each, EdgeSelect, End, Mark, NodeSelect, PlacedEdge, Put, Session};
use crate::names::signed_runs;
use crate::parts::parts;
use crate::sql::{Column, Statement, chosen, wanted};
use crate::{
    Attrs, BlockLease, Count, Edge, Filter, GraphError, Node, NodeId, Owner, Position, Schema,
    Value,
};

/// Cells that are asked for one by one; beyond that, positions alone select.
const MAX_CELLS: usize = 4_096;

/// Rows that are sent or fetched at once.
const ROWS: usize = 10_000;

/// About as many bytes are sent at once; the server takes up to 2^30.
const BYTES: usize = 1 << 26;

/// A transaction, or one statement.
pub(super) struct PostgresSession<'a> {
    pub(super) channel: Channel<'a>,
    pub(super) prepared: &'a mut BTreeMap<String, postgres::Statement>,
    pub(super) tables: &'a Tables,
    pub(super) schema: &'a Schema,
    /// Whether insertions go by `COPY`.
    pub(super) copies: bool,
}

type Params<'p> = &'p [&'p (dyn ToSql + Sync)];

impl PostgresSession<'_> {
    fn prepare(&mut self, text: &str) -> Result<postgres::Statement, GraphError> {
        if let Some(statement) = self.prepared.get(text) {
            return Ok(statement.clone());
        }
        let statement =
            through!(self.channel, prepare(text)).map_err(failed("prepare a statement"))?;
        self.prepared.insert(text.into(), statement.clone());
        Ok(statement)
    }

    fn query(
        &mut self,
        doing: &'static str,
        text: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, GraphError> {
        let prepared = self.prepare(text)?;
        through!(self.channel, query(&prepared, params)).map_err(failed(doing))
    }

    fn execute(
        &mut self,
        doing: &'static str,
        text: &str,
        params: Params<'_>,
    ) -> Result<u64, GraphError> {
        let prepared = self.prepare(text)?;
        through!(self.channel, execute(&prepared, params)).map_err(failed(doing))
    }

    /// Runs a statement with parameters of its own.
    fn ask(&mut self, doing: &'static str, statement: &Statement) -> Result<Vec<Row>, GraphError> {
        let params: Vec<_> = statement.params.iter().map(Param).collect();
        let params: Vec<_> = params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
        self.query(doing, &statement.text, &params)
    }

    /// Appends the test whether a node is selected by cells, position and filter.
    fn selects(&self, statement: Statement, select: &NodeSelect<'_>) -> Statement {
        let statement = match self.schema.few_cells(select.roi, MAX_CELLS) {
            Some(cells) => statement.push("cell = ANY(").bind(Value::I64s(cells)).push(") AND "),
            None => statement,
        };
        let statement = statement.inside(&self.tables.positions, &select.bounds);
        statement.push(" AND ").filter(select.filter, &self.tables.node_columns)
    }

    fn node(&self, row: &Row, columns: &[&Column]) -> Result<Node, GraphError> {
        let dims = self.tables.positions.len();
        Ok(Node {
            id: id(row, 0)?,
            position: position(row, 1, dims)?,
            attrs: attrs(row, 1 + dims, columns)?,
        })
    }

    /// Inserts rows by `COPY`.
    fn copy<'r>(
        &mut self,
        table: &str,
        fixed: &[(&str, Type)],
        columns: &[Column],
        rows: impl Iterator<Item = (Vec<Value>, &'r Attrs)>,
    ) -> Result<(), GraphError> {
        let mut wanted: Vec<&str> = fixed.iter().map(|(name, _)| *name).collect();
        wanted.extend(columns.iter().flat_map(|column| &column.names).map(String::as_str));
        let mut types: Vec<Type> = fixed.iter().map(|(_, kind)| kind.clone()).collect();
        types.extend(columns.iter().map(|column| copy_type(column.attribute.attr_type)));
        let text = format!("COPY {table} ({}) FROM STDIN BINARY", wanted.join(", "));
        let writer = through!(self.channel, copy_in(&text)).map_err(failed("copy rows"))?;
        let mut writer = BinaryCopyInWriter::new(writer, &types);
        for (key, values) in rows {
            let values = columns.iter().map(|column| values.value(&column.attribute.name));
            let params: Vec<Option<Param<'_>>> =
                key.iter().map(Some).chain(values).map(|value| value.map(Param)).collect();
            let params: Vec<_> = params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
            writer.write(&params).map_err(failed("copy rows"))?;
        }
        writer.finish().map(drop).map_err(failed("copy rows"))
    }

    /// Sets attributes of rows that are named by some key columns.
    fn set_attrs(
        &mut self,
        owner: Owner,
        keys: &[(&str, Vec<i64>)],
        places: &[usize],
        values: &[&Attrs],
    ) -> Result<(), GraphError> {
        let Tables { nodes, edges, node_columns, edge_columns, .. } = self.tables;
        let (table, columns) = match owner {
            Owner::Nodes => (nodes, node_columns),
            Owner::Edges => (edges, edge_columns),
        };
        let columns = chosen(columns, places);
        let mut given = Given::default();
        for (name, keys) in keys {
            given.push(name, ("bigint", ""), Box::new(keys.clone()));
        }
        for column in &columns {
            given.attribute(column, values.iter().copied());
        }
        let set = columns.iter().flat_map(|column| &column.names);
        let set: Vec<_> = set.map(|name| format!("{name} = d.{name}")).collect();
        let same = keys.iter().map(|(name, _)| format!("t.{name} = d.{name}"));
        let text = format!(
            "UPDATE {table} t SET {} FROM ({}) d WHERE {}",
            set.join(", "),
            given.select(),
            same.collect::<Vec<_>>().join(" AND ")
        );
        self.execute("update attributes", &text, &given.params()).map(drop)
    }
}

fn id(row: &Row, place: usize) -> Result<NodeId, GraphError> {
    row.try_get(place).map(NodeId::from_bits).map_err(failed("read an id"))
}

fn pair(row: &Row) -> Result<(NodeId, NodeId), GraphError> {
    Ok((id(row, 0)?, id(row, 1)?))
}

fn bits(ids: impl IntoIterator<Item = NodeId>) -> Vec<i64> {
    ids.into_iter().map(NodeId::to_bits).collect()
}

impl Session for PostgresSession<'_> {
    fn node_batches(
        &mut self,
        select: &NodeSelect<'_>,
        limit: usize,
        each: Each<'_>,
    ) -> Result<(), GraphError> {
        let tables = self.tables;
        let columns = chosen(&tables.node_columns, select.attrs.places());
        let place = ["id"].into_iter().chain(tables.positions.iter().map(String::as_str));
        let text = format!("SELECT {} FROM {} WHERE ", wanted(place, &columns), tables.nodes);
        let statement = self.selects(Statement::new('$', text), select);
        let prepared = self.prepare(&statement.text)?;
        let params: Vec<_> = statement.params.iter().map(Param).collect();
        let params: Vec<_> = params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
        let portal = match &mut self.channel {
            Channel::Transaction(transaction) if limit < usize::MAX => {
                Some(transaction.bind(&prepared, &params).map_err(failed("read nodes"))?)
            }
            _ => None,
        };
        let Some(portal) = portal else {
            // All at once: one round trip less.
            let rows = through!(self.channel, query(&prepared, &params));
            let rows = rows.map_err(failed("read nodes"))?;
            let nodes: Result<Vec<_>, _> =
                rows.iter().map(|row| self.node(row, &columns)).collect();
            let nodes = nodes?;
            return if nodes.is_empty() { Ok(()) } else { each(self, nodes) };
        };
        let mut batch = Vec::new();
        loop {
            let most = ROWS.min(limit - batch.len());
            let count = i32::try_from(most).unwrap_or(i32::MAX);
            let Channel::Transaction(transaction) = &mut self.channel else { return Ok(()) };
            let rows = transaction.query_portal(&portal, count).map_err(failed("read nodes"))?;
            for row in &rows {
                batch.push(self.node(row, &columns)?);
            }
            let is_last = rows.len() < most;
            if batch.len() >= limit || is_last && !batch.is_empty() {
                each(self, std::mem::take(&mut batch))?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn selected(
        &mut self,
        ids: &[NodeId],
        select: &NodeSelect<'_>,
    ) -> Result<Vec<NodeId>, GraphError> {
        let text = format!("SELECT id FROM {} WHERE id = ANY(", self.tables.nodes);
        let statement = Statement::new('$', text)
            .bind(Value::I64s(bits(ids.iter().copied())))
            .push(") AND ")
            .inside(&self.tables.positions, &select.bounds)
            .push(" AND ")
            .filter(select.filter, &self.tables.node_columns);
        self.ask("look nodes up", &statement)?.iter().map(|row| id(row, 0)).collect()
    }

    fn edges_at(
        &mut self,
        nodes: &[Node],
        end: End,
        select: &EdgeSelect<'_>,
    ) -> Result<Vec<Edge>, GraphError> {
        let Tables { edges: table, edge_columns, .. } = self.tables;
        let columns = chosen(edge_columns, select.attrs.places());
        let wanted = wanted(["u", "v"], &columns);
        let end = if end == End::First { "u" } else { "v" };
        let text = format!("SELECT {wanted} FROM {table} WHERE {end} = ANY(");
        let mut edges = Vec::new();
        for nodes in nodes.chunks(ROWS) {
            let statement = Statement::new('$', text.clone())
                .bind(Value::I64s(bits(nodes.iter().map(|node| node.id))))
                .push(") AND ")
                .filter(select.filter, edge_columns);
            for row in self.ask("read edges", &statement)? {
                let (u, v) = pair(&row)?;
                edges.push(Edge { u, v, attrs: attrs(&row, 2, &columns)? });
            }
        }
        Ok(edges)
    }

    fn count_nodes(&mut self, select: &NodeSelect<'_>) -> Result<u64, GraphError> {
        let text = format!("SELECT COUNT(*) FROM {} WHERE ", self.tables.nodes);
        let statement = self.selects(Statement::new('$', text), select);
        let rows = self.ask("count nodes", &statement)?;
        let count = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0));
        count.map(i64::cast_unsigned).map_err(failed("count nodes"))
    }

    fn has_edges(&mut self, select: &NodeSelect<'_>) -> Result<bool, GraphError> {
        let Tables { nodes, edges, .. } = self.tables;
        let text = format!(
            "SELECT 1 FROM {nodes} n WHERE EXISTS (SELECT 1 FROM {edges} e WHERE e.u = n.id) AND "
        );
        let select = NodeSelect { filter: &Filter::All, ..select.clone() };
        let statement = self.selects(Statement::new('$', text), &select).push(" LIMIT 1");
        Ok(!self.ask("look for edges", &statement)?.is_empty())
    }

    fn places(&mut self, ids: &[NodeId]) -> Result<Vec<(NodeId, Position)>, GraphError> {
        let Tables { nodes, positions, .. } = self.tables;
        // Locked in one order, so that two writers seldom wait for each other.
        let text = format!(
            "SELECT id, {} FROM {nodes} WHERE id = ANY($1) ORDER BY id FOR UPDATE",
            positions.join(", ")
        );
        let rows = self.query("look nodes up", &text, &[&bits(ids.iter().copied())])?;
        let dims = self.tables.positions.len();
        rows.iter().map(|row| Ok((id(row, 0)?, position(row, 1, dims)?))).collect()
    }

    fn stored_edges(
        &mut self,
        pairs: &[(NodeId, NodeId)],
    ) -> Result<Vec<(NodeId, NodeId)>, GraphError> {
        let text = format!(
            "SELECT u, v FROM {} JOIN unnest($1::bigint[], $2::bigint[]) AS given(u, v)
             USING (u, v)",
            self.tables.edges
        );
        let (us, vs) = (bits(pairs.iter().map(|p| p.0)), bits(pairs.iter().map(|p| p.1)));
        self.query("look edges up", &text, &[&us, &vs])?.iter().map(pair).collect()
    }

    fn delete_nodes(&mut self, select: &NodeSelect<'_>) -> Result<Count, GraphError> {
        let Tables { nodes, edges, .. } = self.tables;
        let text = format!("DELETE FROM {nodes} WHERE ");
        let statement = self.selects(Statement::new('$', text), select).push(" RETURNING id");
        let text = format!("DELETE FROM {edges} WHERE u = ANY($1)");
        let gone = self.ask("delete nodes", &statement)?;
        let gone = gone.iter().map(|row| id(row, 0)).collect::<Result<Vec<_>, _>>()?;
        let count = gone.len() as u64;
        let edges = self.execute("delete edges", &text, &[&bits(gone)])?;
        Ok(Count { nodes: count, edges })
    }

    fn delete_ids(&mut self, ids: &[NodeId]) -> Result<Count, GraphError> {
        let Tables { nodes, edges, .. } = self.tables;
        let (owned, gone) = (
            format!("DELETE FROM {edges} WHERE u = ANY($1)"),
            format!("DELETE FROM {nodes} WHERE id = ANY($1)"),
        );
        let ids = bits(ids.iter().copied());
        Ok(Count {
            nodes: self.execute("delete nodes", &gone, &[&ids])?,
            edges: self.execute("delete edges", &owned, &[&ids])?,
        })
    }

    fn delete_edges(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<(), GraphError> {
        let text = format!(
            "DELETE FROM {} e USING unnest($1::bigint[], $2::bigint[]) AS given(u, v)
             WHERE e.u = given.u AND e.v = given.v",
            self.tables.edges
        );
        let (us, vs) = (bits(pairs.iter().map(|p| p.0)), bits(pairs.iter().map(|p| p.1)));
        self.execute("delete edges", &text, &[&us, &vs]).map(drop)
    }

    fn put_nodes(&mut self, nodes: &[&Node], put: Put) -> Result<(), GraphError> {
        let tables = self.tables;
        let grid = self.schema.grid();
        let mut keyed: Vec<_> =
            nodes.iter().map(|node| (grid.key(&node.position), *node)).collect();
        keyed.sort_by_key(|(cell, node)| (*cell, node.id));
        if self.copies {
            let positions = tables.positions.iter().map(|name| (name.as_str(), Type::FLOAT8));
            let fixed = [("id", Type::INT8), ("cell", Type::INT8)].into_iter().chain(positions);
            let rows = keyed.iter().map(|(cell, node)| {
                let axes = node.position.axes().iter().copied().map(Value::F64);
                let key = [Value::I64(node.id.to_bits()), Value::I64(*cell)];
                (key.into_iter().chain(axes).collect(), &node.attrs)
            });
            let fixed: Vec<_> = fixed.collect();
            return self.copy(&tables.nodes, &fixed, &tables.node_columns, rows);
        }
        for rows in parts(&keyed, (ROWS, BYTES), |(_, node)| node.attrs.bytes()) {
            let mut given = Given::default();
            given.push("id", ("bigint", ""), Box::new(bits(rows.iter().map(|(_, n)| n.id))));
            let cells: Vec<_> = rows.iter().map(|(cell, _)| *cell).collect();
            given.push("cell", ("bigint", ""), Box::new(cells));
            for (axis, name) in tables.positions.iter().enumerate() {
                let along = rows.iter().map(|(_, node)| node.position.axes().get(axis).copied());
                let along: Vec<_> = along.collect();
                given.push(name, ("double precision", ""), Box::new(along));
            }
            for column in &tables.node_columns {
                given.attribute(column, rows.iter().map(|(_, node)| &node.attrs));
            }
            let insert = given.insert(&tables.nodes);
            if put == Put::Upsert {
                let text = insert + &tables.nodes_conflict();
                self.execute("write nodes", &text, &given.params())?;
                continue;
            }
            let text = insert + " ON CONFLICT DO NOTHING RETURNING id";
            let written = self.query("write nodes", &text, &given.params())?;
            if written.len() < rows.len() {
                let written = written.iter().map(|row| id(row, 0)).collect::<Result<_, _>>()?;
                return Err(faster_node(rows.iter().map(|(_, node)| node.id), &written));
            }
        }
        Ok(())
    }

    fn put_edges(&mut self, edges: &[PlacedEdge<'_>], put: Put) -> Result<(), GraphError> {
        let tables = self.tables;
        if self.copies {
            let rows = edges.iter().map(|PlacedEdge { edge, .. }| {
                let key = vec![Value::I64(edge.u.to_bits()), Value::I64(edge.v.to_bits())];
                (key, &edge.attrs)
            });
            let fixed = [("u", Type::INT8), ("v", Type::INT8)];
            return self.copy(&tables.edges, &fixed, &tables.edge_columns, rows);
        }
        for rows in parts(edges, (ROWS, BYTES), |row| row.edge.attrs.bytes()) {
            let mut given = Given::default();
            given.push("u", ("bigint", ""), Box::new(bits(rows.iter().map(|row| row.edge.u))));
            given.push("v", ("bigint", ""), Box::new(bits(rows.iter().map(|row| row.edge.v))));
            for column in &tables.edge_columns {
                given.attribute(column, rows.iter().map(|row| &row.edge.attrs));
            }
            let insert = given.insert(&tables.edges);
            if put == Put::Upsert {
                let text = insert + &tables.edges_conflict();
                self.execute("write edges", &text, &given.params())?;
                continue;
            }
            let text = insert + " ON CONFLICT DO NOTHING RETURNING u, v";
            let written = self.query("write edges", &text, &given.params())?;
            if written.len() < rows.len() {
                let written = written.iter().map(pair).collect::<Result<_, _>>()?;
                return Err(faster_edge(rows.iter().map(|row| (row.edge.u, row.edge.v)), &written));
            }
        }
        Ok(())
    }

    fn set_node_attrs(&mut self, nodes: &[&Node], attrs: &Chosen) -> Result<(), GraphError> {
        let keys = [("id", bits(nodes.iter().map(|node| node.id)))];
        let values: Vec<_> = nodes.iter().map(|node| &node.attrs).collect();
        self.set_attrs(Owner::Nodes, &keys, attrs.places(), &values)
    }

    fn set_edge_attrs(
        &mut self,
        edges: &[((NodeId, NodeId), &Edge)],
        attrs: &Chosen,
    ) -> Result<(), GraphError> {
        let (us, vs) = (edges.iter().map(|(p, _)| p.0), edges.iter().map(|(p, _)| p.1));
        let keys = [("u", bits(us)), ("v", bits(vs))];
        let values: Vec<_> = edges.iter().map(|(_, edge)| &edge.attrs).collect();
        self.set_attrs(Owner::Edges, &keys, attrs.places(), &values)
    }

    fn mark(&mut self, block: &BlockLease<'_>) -> Result<Option<Mark>, GraphError> {
        // Somebody who has the same block waits here until this session ends, and sees its mark.
        let blocks = &self.tables.blocks;
        let make =
            format!("INSERT INTO {blocks} VALUES ($1, $2, $3, $4, false) ON CONFLICT DO NOTHING");
        let look = format!(
            "SELECT lease, done FROM {blocks} WHERE task = $1 AND run = $2 AND block = $3 FOR UPDATE"
        );
        let (number, lease) = (block.block.cast_signed(), block.lease.cast_signed());
        self.execute("mark a block", &make, &[&block.task, &block.run, &number, &lease])?;
        let rows = self.query("mark a block", &look, &[&block.task, &block.run, &number])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let read = || Ok((row.try_get::<_, i64>(0)?, row.try_get(1)?));
        let (lease, is_done) = read().map_err(failed("read the mark of a block"))?;
        Ok(Some(Mark { lease: lease.cast_unsigned(), is_done }))
    }

    fn set_mark(&mut self, block: &BlockLease<'_>, is_done: bool) -> Result<bool, GraphError> {
        let text = format!(
            "UPDATE {} SET lease = $4, done = $5 WHERE task = $1 AND run = $2 AND block = $3",
            self.tables.blocks
        );
        let (number, lease) = (block.block.cast_signed(), block.lease.cast_signed());
        let params: Params<'_> = &[&block.task, &block.run, &number, &lease, &is_done];
        Ok(self.execute("mark a block", &text, params)? > 0)
    }

    fn done(&mut self, task: &str, run: Option<&str>) -> Result<Vec<u64>, GraphError> {
        let text = format!(
            "SELECT DISTINCT block FROM {} WHERE task = $1 AND ($2::text IS NULL OR run = $2) AND done",
            self.tables.blocks
        );
        let rows = self.query("read the marks of blocks", &text, &[&task, &run])?;
        let blocks = rows.iter().map(|row| row.try_get::<_, i64>(0).map(i64::cast_unsigned));
        let mut blocks =
            blocks.collect::<Result<Vec<_>, _>>().map_err(failed("read the marks of blocks"))?;
        blocks.sort_unstable();
        Ok(blocks)
    }

    fn forget(&mut self, task: &str, blocks: &[Range<u64>]) -> Result<u64, GraphError> {
        let table = &self.tables.blocks;
        let text = format!("DELETE FROM {table} WHERE task = $1 AND block BETWEEN $2 AND $3");
        let mut count = 0;
        for (first, last) in blocks.iter().flat_map(signed_runs) {
            count += self.execute("forget blocks", &text, &[&task, &first, &last])?;
        }
        Ok(count)
    }
}

/// That somebody else has inserted a node meanwhile.
fn faster_node(mut given: impl Iterator<Item = NodeId>, written: &BTreeSet<NodeId>) -> GraphError {
    let id = given.find(|id| !written.contains(id)).unwrap_or_default();
    GraphError::NodeExists { id }
}

/// That somebody else has inserted an edge meanwhile.
fn faster_edge(
    mut given: impl Iterator<Item = (NodeId, NodeId)>,
    written: &BTreeSet<(NodeId, NodeId)>,
) -> GraphError {
    let (u, v) = given.find(|pair| !written.contains(pair)).unwrap_or_default();
    GraphError::EdgeExists { u, v }
}
