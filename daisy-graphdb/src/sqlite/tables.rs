//! The tables of a graph: our own, and those of other programs.
//!
//! ```text
//!   nodes (cell, id, p0 .., attributes)      PRIMARY KEY (cell, id), UNIQUE (id)
//!   edges (u_cell, u, v, attributes)         PRIMARY KEY (u_cell, u, v), INDEX (v, u)
//!   daisy_blocks (task, run, block, lease, done)
//!   daisy_graph (schema)
//! ```
//!
//! Without row ids the primary keys are the tables: a block that is written as one cell lies in
//! one piece. `u_cell` is the cell of the first endpoint; a trigger keeps it so when nodes move.

use crate::position::Bounds;
use crate::sql::{Column, Statement};
use crate::{AttrType, Attribute, Filter, Schema, Value};

/// What removes tables of our own.
pub(super) const DROP: &str = "DROP TABLE IF EXISTS nodes; DROP TABLE IF EXISTS edges;
    DROP TABLE IF EXISTS daisy_blocks; DROP TABLE IF EXISTS daisy_graph;";

/// Where nodes and edges are.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    /// Quoted, as all names here.
    pub(super) nodes: String,
    pub(super) edges: String,
    pub(super) u: String,
    pub(super) v: String,
    pub(super) positions: Vec<String>,
    pub(super) node_columns: Vec<Column>,
    pub(super) edge_columns: Vec<Column>,
    /// Whether there are cells: the tables are our own.
    pub(super) has_cells: bool,
    /// Whether positions are whole numbers, as those of other programs may be.
    pub(super) has_whole_positions: bool,
}

impl Tables {
    /// Tables of our own.
    pub(super) fn own(schema: &Schema) -> Self {
        Self {
            nodes: "nodes".into(),
            edges: "edges".into(),
            u: "u".into(),
            v: "v".into(),
            positions: (0..schema.dims()).map(|axis| format!("p{axis}")).collect(),
            node_columns: Column::of(schema.node_attrs()),
            edge_columns: Column::of(schema.edge_attrs()),
            has_cells: true,
            has_whole_positions: false,
        }
    }

    /// What creates tables of our own.
    pub(super) fn create(&self) -> String {
        let positions: String =
            self.positions.iter().map(|p| format!(", {p} REAL NOT NULL")).collect();
        format!(
            "CREATE TABLE nodes (cell INTEGER NOT NULL, id INTEGER NOT NULL{positions}{},
               PRIMARY KEY (cell, id), UNIQUE (id)) WITHOUT ROWID;
             CREATE TABLE edges (u_cell INTEGER NOT NULL, u INTEGER NOT NULL, v INTEGER NOT NULL{},
               PRIMARY KEY (u_cell, u, v)) WITHOUT ROWID;
             CREATE INDEX edges_by_v ON edges (v, u);
             CREATE TRIGGER nodes_move AFTER UPDATE OF cell ON nodes WHEN old.cell <> new.cell BEGIN
               UPDATE edges SET u_cell = new.cell WHERE u_cell = old.cell AND u = old.id;
             END;
             {MARKS}
             CREATE TABLE daisy_graph (schema TEXT NOT NULL);",
            declared(&self.node_columns),
            declared(&self.edge_columns),
        )
    }

    /// All selected nodes with some of their attributes; for tables of our own, the first two
    /// parameters are the first and the last cell.
    pub(super) fn select_nodes(&self, what: &str, bounds: &Bounds, filter: &Filter) -> Statement {
        let select = Statement::new('?', format!("SELECT {what} FROM {} WHERE ", self.nodes));
        self.inside(select, bounds).push(" AND ").filter(filter, &self.node_columns)
    }

    /// Appends the test for cells, if there are any, and positions.
    pub(super) fn inside(&self, statement: Statement, bounds: &Bounds) -> Statement {
        if !self.has_cells {
            return statement.inside(&self.positions, bounds);
        }
        let between = |statement: Statement, name: &str, first: Value, last: Value| {
            statement.push(name).push(" BETWEEN ").bind(first).push(" AND ").bind(last)
        };
        let statement = between(statement, "cell", Value::I64(0), Value::I64(0));
        // Here all positions are `f64`s, so the last one inside is that before the end. A row's
        // column is decoded once for this, and twice for two comparisons.
        let axes = self.positions.iter().zip(bounds.axes());
        let bounded = axes.filter(|(_, bounds)| *bounds != (f64::NEG_INFINITY, f64::INFINITY));
        bounded.fold(statement, |statement, (name, (begin, end))| {
            let (first, last) = (Value::F64(begin), Value::F64(end.next_down()));
            between(statement.push(" AND "), name, first, last)
        })
    }

    /// An insertion of a node or edge, with all columns as parameters in the order of
    /// [`node_names`](Self::node_names) or [`edge_names`](Self::edge_names).
    pub(super) fn insert(table: &str, names: &[&str], keys: usize, is_upsert: bool) -> String {
        let marks: Vec<_> = (1..=names.len()).map(|n| format!("?{n}")).collect();
        let insert =
            format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), marks.join(", "));
        let set: Vec<_> =
            names.iter().skip(keys).map(|name| format!("{name} = excluded.{name}")).collect();
        match (is_upsert, set.is_empty()) {
            (false, _) => insert,
            (true, true) => format!("{insert} ON CONFLICT DO NOTHING"),
            (true, false) => format!("{insert} ON CONFLICT DO UPDATE SET {}", set.join(", ")),
        }
    }

    /// The columns of nodes; those that do not name a node come after the first.
    pub(super) fn node_names(&self) -> Vec<&str> {
        let cell = self.has_cells.then_some("cell");
        let attrs = self.node_columns.iter().flat_map(|column| &column.names);
        let named = self.positions.iter().chain(attrs).map(String::as_str);
        ["id"].into_iter().chain(cell).chain(named).collect()
    }

    /// The columns of edges; the first two name an edge, and the third, if there are cells.
    pub(super) fn edge_names(&self) -> Vec<&str> {
        let cell = self.has_cells.then_some("u_cell");
        let attrs = self.edge_columns.iter().flat_map(|column| &column.names);
        cell.into_iter().chain([&*self.u, &*self.v]).chain(attrs.map(String::as_str)).collect()
    }
}

/// The table of marks.
pub(super) const MARKS: &str = "CREATE TABLE IF NOT EXISTS daisy_blocks (
       task TEXT NOT NULL, run TEXT NOT NULL, block INTEGER NOT NULL, lease INTEGER NOT NULL,
       done INTEGER NOT NULL, PRIMARY KEY (task, run, block)) WITHOUT ROWID;";

fn declared(columns: &[Column]) -> String {
    let declare = |column: &Column| {
        let kind = kind(&column.attribute);
        column.names.iter().map(|name| format!(", {name} {kind}")).collect::<String>()
    };
    columns.iter().map(declare).collect()
}

fn kind(attribute: &Attribute) -> &'static str {
    match attribute.attr_type {
        AttrType::Bool | AttrType::I64 | AttrType::U64 => "INTEGER",
        AttrType::F64 => "REAL",
        AttrType::Text => "TEXT",
        AttrType::Bytes
        | AttrType::I64s(_)
        | AttrType::U64s(_)
        | AttrType::F64s(_)
        | AttrType::Nested => "BLOB",
    }
}
