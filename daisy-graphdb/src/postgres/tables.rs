//! The tables of a graph.
//!
//! ```text
//!   nodes (id PRIMARY KEY, cell, p0 .., attributes)      INDEX (cell, p0 ..)
//!   edges (u, v, attributes)                             PRIMARY KEY (u, v), INDEX (v)
//!   daisy_blocks (task, run, block, lease, done)         PRIMARY KEY (task, run, block)
//!   daisy_graph (schema)
//! ```
//!
//! With the positions in the index, rows outside of a ROI are left out without a look at the heap.
//! Blocks that are written together lie together in the heap. In undirected graphs, what is unique
//! is the pair without its order, so that not even two writers at once can store both orders.

use crate::sql::{Column, quoted};
use crate::{AttrType, Schema};

/// The names of a graph's tables and columns.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) namespace: String,
    pub(super) nodes: String,
    pub(super) edges: String,
    pub(super) blocks: String,
    pub(super) positions: Vec<String>,
    pub(super) node_columns: Vec<Column>,
    pub(super) edge_columns: Vec<Column>,
    is_directed: bool,
}

impl Tables {
    pub(super) fn new(name: &str, schema: &Schema) -> Self {
        let namespace = quoted(name);
        Self {
            nodes: format!("{namespace}.nodes"),
            edges: format!("{namespace}.edges"),
            blocks: format!("{namespace}.daisy_blocks"),
            positions: (0..schema.dims()).map(|axis| format!("p{axis}")).collect(),
            node_columns: Column::of(schema.node_attrs()),
            edge_columns: Column::of(schema.edge_attrs()),
            is_directed: schema.is_directed(),
            namespace,
        }
    }

    /// What creates namespace and tables.
    pub(super) fn create(&self, schema: &Schema) -> String {
        let Self { namespace, nodes, edges, blocks, .. } = self;
        let positions = self.positions.iter().map(|p| format!(", {p} double precision NOT NULL"));
        let positions: String = positions.collect();
        let unique = if schema.is_directed() {
            format!("ALTER TABLE {edges} ADD PRIMARY KEY (u, v);")
        } else {
            format!(
                "CREATE UNIQUE INDEX ON {edges} (LEAST(u, v), GREATEST(u, v));
                 CREATE INDEX ON {edges} (u);"
            )
        };
        format!(
            "CREATE SCHEMA IF NOT EXISTS {namespace};
             CREATE TABLE {nodes} (id bigint PRIMARY KEY, cell bigint NOT NULL{positions}{});
             CREATE INDEX ON {nodes} (cell, {});
             CREATE TABLE {edges} (u bigint NOT NULL, v bigint NOT NULL{});
             {unique}
             CREATE INDEX ON {edges} (v);
             CREATE TABLE {blocks} (task text NOT NULL, run text NOT NULL, block bigint NOT NULL,
                 lease bigint NOT NULL, done boolean NOT NULL, PRIMARY KEY (task, run, block));
             CREATE TABLE {namespace}.daisy_graph (schema text NOT NULL);",
            declared(&self.node_columns),
            self.positions.join(", "),
            declared(&self.edge_columns),
        )
    }

    /// What follows an insertion of edges that may be there.
    pub(super) fn edges_conflict(&self) -> String {
        let attrs = self.edge_columns.iter().flat_map(|column| &column.names);
        let set: Vec<_> = if self.is_directed { vec![] } else { vec!["u", "v"] };
        let set: Vec<_> = set.into_iter().chain(attrs.map(String::as_str)).collect();
        let target = if self.is_directed { "(u, v)" } else { "(LEAST(u, v), GREATEST(u, v))" };
        upsert(target, &set)
    }

    /// What follows an insertion of nodes that may be there.
    pub(super) fn nodes_conflict(&self) -> String {
        let attrs = self.node_columns.iter().flat_map(|column| &column.names);
        let set = ["cell"].into_iter();
        let set = set.chain(self.positions.iter().chain(attrs).map(String::as_str));
        upsert("(id)", &set.collect::<Vec<_>>())
    }
}

fn upsert(target: &str, set: &[&str]) -> String {
    if set.is_empty() {
        return format!(" ON CONFLICT {target} DO NOTHING");
    }
    let set: Vec<_> = set.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    format!(" ON CONFLICT {target} DO UPDATE SET {}", set.join(", "))
}

/// The type of a column. Text is compared by its bytes, as everywhere.
pub(super) fn kind(attr_type: AttrType) -> &'static str {
    match attr_type {
        AttrType::Bool => "boolean",
        AttrType::I64 | AttrType::U64 => "bigint",
        AttrType::F64 => "double precision",
        AttrType::Text => "text",
        AttrType::Bytes | AttrType::Nested => "bytea",
        AttrType::I64s(_) | AttrType::U64s(_) => "bigint[]",
        AttrType::F64s(_) => "double precision[]",
    }
}

fn declared(columns: &[Column]) -> String {
    let declare = |column: &Column| {
        let attr_type = column.attribute.attr_type;
        let collate = if attr_type == AttrType::Text { " COLLATE \"C\"" } else { "" };
        let kind = kind(attr_type);
        column.names.iter().map(|name| format!(", {name} {kind}{collate}")).collect::<String>()
    };
    columns.iter().map(declare).collect()
}
