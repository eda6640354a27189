//! How fast graphs are written and read: our layout against that of funlib.persistence, through
//! the same code and in one run. Prints a table, and each figure as a line of JSON.
//!
//! ```text
//! cargo run --release -p daisy-graphdb --features testkit,postgres --example layouts
//! ```
//!
//! PostgreSQL is measured on a cluster that is started for it, if it is installed; funlib's layout
//! there, by the statements that funlib runs.
//!
//! 500,000 random nodes in a cube of 100,000 units, cells of 5,000; ROIs of 5,000 (62 nodes) and
//! 20,000 (4,000 nodes) at random places, nodes only and all their attributes; medians.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use daisy_geometry::{Coordinate, Roi};
#[cfg(feature = "postgres")]
use daisy_graphdb::PostgresStore;
use daisy_graphdb::testkit::Dice;
use daisy_graphdb::{
    AttrType, Edge, EdgesBy, Filter, GraphStore, Node, Open, Position, Query, Schema, SqliteStore,
    SubGraph, Write,
};

#[cfg(feature = "postgres")]
#[path = "../tests/it/cluster.rs"]
mod cluster;
#[path = "../../tests/skipped.rs"]
mod skipped;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const NODES: u64 = 500_000;
const SIDE: i64 = 100_000;
const CELL: i64 = 5_000;
const BATCH: u64 = 5_000;
const QUESTIONS: usize = 200;

/// The metadata and tables that funlib.persistence makes.
const FUNLIB_META: &str = r#"{"position_attribute": "position", "directed": true,
    "total_roi_offset": [null, null, null], "total_roi_shape": [null, null, null],
    "nodes_table_name": "nodes", "edges_table_name": "edges", "endpoint_names": ["u", "v"],
    "node_attrs": {"position": "Vec(float, 3)", "score": "float"}, "edge_attrs": {}, "ndims": 3}"#;
const FUNLIB_TABLES: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE nodes(id INTEGER not null PRIMARY KEY, position_0, position_1, position_2, score);
    CREATE INDEX pos_index ON nodes(position_0,position_1,position_2);
    CREATE TABLE edges(u INTEGER not null, v INTEGER not null, PRIMARY KEY (u, v));";

fn main() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut table = Table::default();
    let ours = SqliteStore::open(folder.path().join("ours.db"), Open::Create(schema()?))?;
    measure(&ours, "sqlite, daisy", &mut table)?;
    let theirs = funlib(&folder.path().join("theirs.db"))?;
    measure(&theirs, "sqlite, funlib's layout", &mut table)?;
    let fresh = SqliteStore::open(folder.path().join("four.db"), Open::Create(schema()?))?;
    four_writers(&fresh, "sqlite, daisy", &mut table)?;
    #[cfg(feature = "postgres")]
    if let Some(cluster) = cluster::cluster() {
        let ours = PostgresStore::open(&cluster.config(), "ours", Open::Create(schema()?))?;
        measure(&ours, "PostgreSQL, daisy", &mut table)?;
        bare_on_postgres(&cluster.config(), &mut table)?;
        funlib_on_postgres(&cluster.config(), &mut table)?;
        let name = cluster::Cluster::fresh_name();
        let fresh = PostgresStore::open(&cluster.config(), &name, Open::Create(schema()?))?;
        four_writers(&fresh, "PostgreSQL, daisy", &mut table)?;
    }
    table.print();
    Ok(())
}

/// What no layout can be faster than: as many rows, side by side in a table that holds nothing else,
/// through the same driver, and nothing made of them.
#[cfg(feature = "postgres")]
fn bare_on_postgres(config: &str, table: &mut Table) -> Outcome {
    let mut client = postgres::Client::connect(config, postgres::NoTls)?;
    for (count, what) in [(62, "62 nodes"), (4_000, "4,000 nodes")] {
        client.batch_execute(&format!(
            "CREATE TABLE bare_{count} AS SELECT id, p0, p1, p2, score FROM ours.nodes LIMIT {count}"
        ))?;
        let select = client.prepare(&format!("SELECT * FROM bare_{count}"))?;
        let mut times = Vec::new();
        for _ in 0..QUESTIONS {
            let start = Instant::now();
            std::hint::black_box(client.query(&select, &[])?);
            times.push(start.elapsed());
        }
        times.sort_unstable();
        let name = "PostgreSQL, bare SELECT of as many rows";
        table.time(name, &format!("ROI of {what}"), times[QUESTIONS / 2]);
    }
    Ok(())
}

/// funlib's tables on PostgreSQL: an index on the whole position, which is an array.
#[cfg(feature = "postgres")]
fn funlib_on_postgres(config: &str, table: &mut Table) -> Outcome {
    let name = "PostgreSQL, funlib's layout";
    let mut client = postgres::Client::connect(config, postgres::NoTls)?;
    client.batch_execute(
        "CREATE TABLE nodes (id BIGINT not null PRIMARY KEY, position REAL[], score REAL);
         CREATE INDEX pos_index ON nodes(position);",
    )?;
    let insert = client.prepare(
        "INSERT INTO nodes SELECT id, ARRAY[z, y, x], 0.5
         FROM unnest($1::bigint[], $2::float8[], $3::float8[], $4::float8[]) AS g(id, z, y, x)
         ON CONFLICT DO NOTHING",
    )?;
    let schema = schema()?;
    let batches: Vec<_> =
        (0..NODES / BATCH).map(|batch| nodes(&schema, batch)).collect::<Result<_, _>>()?;
    let start = Instant::now();
    for graph in &batches {
        let along = |axis: usize| -> Vec<f64> {
            graph.nodes().filter_map(|node| node.position.axes().get(axis).copied()).collect()
        };
        let ids: Vec<_> = graph.nodes().map(|node| node.id.to_bits()).collect();
        client.execute(&insert, &[&ids, &along(0), &along(1), &along(2)])?;
    }
    table.rate(name, "nodes inserted", NODES, start.elapsed());
    let select = client.prepare(
        "SELECT id, position, score FROM nodes WHERE position[1] >= $1 AND position[1] < $2
         AND position[2] >= $3 AND position[2] < $4 AND position[3] >= $5 AND position[3] < $6",
    )?;
    for (side, what) in [(5_000, "62 nodes"), (20_000, "4,000 nodes")] {
        let mut dice = Dice::new(11);
        let mut times = Vec::new();
        for _ in 0..QUESTIONS {
            let mut bounds = Vec::new();
            for _ in 0..3 {
                let begin = u32::try_from(dice.between(0, SIDE - side))?;
                #[expect(clippy::cast_precision_loss, reason = "funlib holds positions so")]
                bounds.extend([begin as f32, (begin + u32::try_from(side)?) as f32]);
            }
            let bounds: Vec<_> =
                bounds.iter().map(|bound| bound as &(dyn postgres::types::ToSql + Sync)).collect();
            let start = Instant::now();
            std::hint::black_box(client.query(&select, &bounds)?);
            times.push(start.elapsed());
        }
        times.sort_unstable();
        table.time(name, &format!("ROI of {what}"), times[QUESTIONS / 2]);
    }
    Ok(())
}

fn schema() -> Outcome<Schema> {
    Ok(Schema::new(Coordinate::splat(3, CELL))?.node_attr("score", AttrType::F64)?)
}

fn funlib(path: &Path) -> Outcome<SqliteStore> {
    fs::write(path.with_file_name("theirs-meta.json"), FUNLIB_META)?;
    rusqlite::Connection::open(path)?.execute_batch(FUNLIB_TABLES)?;
    Ok(SqliteStore::open(path, Open::ReadWrite)?)
}

/// A batch of nodes at random places; the same for each store.
fn nodes(schema: &Schema, batch: u64) -> Outcome<SubGraph> {
    let mut dice = Dice::new(batch);
    let mut graph = schema.sub_graph();
    for id in batch * BATCH..(batch + 1) * BATCH {
        let mut axis = || f64::from(u32::try_from(dice.below(SIDE.unsigned_abs())).unwrap_or(0));
        let position = Position::new([axis(), axis(), axis()])?;
        graph.insert_node(Node::new(id, position).with("score", 0.5));
    }
    Ok(graph)
}

/// Writing, then reading.
fn measure(store: &dyn GraphStore, name: &str, table: &mut Table) -> Outcome {
    let batches: Vec<_> =
        (0..NODES / BATCH).map(|batch| nodes(store.schema(), batch)).collect::<Result<_, _>>()?;
    let start = Instant::now();
    store.bulk_load(&mut batches.into_iter())?;
    table.rate(name, "nodes inserted", NODES, start.elapsed());

    let mut dice = Dice::new(7);
    let mut edges = Vec::new();
    for batch in 0..NODES / BATCH {
        let mut graph = store.schema().sub_graph();
        for u in batch * BATCH..(batch + 1) * BATCH {
            graph.insert_edge(Edge::new(u, dice.below(NODES)));
        }
        edges.push(graph);
    }
    let start = Instant::now();
    for graph in &edges {
        store.write(graph, &Write::upsert())?;
    }
    table.rate(name, "edges written", NODES, start.elapsed());

    for (side, what) in [(5_000, "62 nodes"), (20_000, "4,000 nodes")] {
        for (by, with) in [(EdgesBy::Nothing, ""), (EdgesBy::FirstEnd, " and their edges")] {
            let mut dice = Dice::new(11);
            let mut times = Vec::new();
            for _ in 0..QUESTIONS {
                let mut axis = || dice.between(0, SIDE - side);
                let roi = Roi::new([axis(), axis(), axis()], [side, side, side])?;
                let query = Query::new(roi).edges_by(by);
                let start = Instant::now();
                let read = store.read(&query)?;
                times.push(start.elapsed());
                std::hint::black_box(read);
            }
            times.sort_unstable();
            table.time(name, &format!("ROI of {what}{with}"), times[QUESTIONS / 2]);
        }
    }
    let start = Instant::now();
    let slab = Roi::from_axes([None, Some((0, SIDE / 2)), None])?;
    store.count_nodes(&slab, &Filter::All)?;
    table.time(name, "half of all nodes counted", start.elapsed());
    Ok(())
}

/// Four threads, each with transactions of 500 nodes.
fn four_writers(store: &dyn GraphStore, name: &str, table: &mut Table) -> Outcome {
    let start = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                scope.spawn(move || -> Outcome {
                    for batch in 0..10 {
                        let all = nodes(store.schema(), worker * 10 + batch)?;
                        let mut parts = all.nodes().cloned().collect::<Vec<_>>();
                        while !parts.is_empty() {
                            let mut graph = store.schema().sub_graph();
                            for node in parts.drain(..parts.len().min(500)) {
                                graph.insert_node(node);
                            }
                            store.write(&graph, &Write::upsert())?;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a writer panicked")?)
    })?;
    table.rate(name, "nodes written by 4 writers, 500 each time", 40 * BATCH, start.elapsed());
    Ok(())
}

/// Figures by what was measured, and by layout.
#[derive(Default)]
struct Table(Vec<(String, String, String)>);

impl Table {
    fn rate(&mut self, layout: &str, what: &str, rows: u64, time: Duration) {
        let rate = u128::from(rows) * 1_000_000_000 / time.as_nanos().max(1);
        println!("{{\"layout\":{layout:?},\"what\":{what:?},\"rows_per_s\":{rate}}}");
        self.0.push((what.into(), layout.into(), format!("{rate} /s")));
    }

    fn time(&mut self, layout: &str, what: &str, time: Duration) {
        let time_us = time.as_micros();
        println!("{{\"layout\":{layout:?},\"what\":{what:?},\"time_us\":{time_us}}}");
        self.0.push((what.into(), layout.into(), format!("{time_us} us")));
    }

    fn print(&self) {
        let mut layouts: Vec<&str> = Vec::new();
        let mut rows: Vec<&str> = Vec::new();
        for (what, layout, _) in &self.0 {
            for (list, item) in [(&mut rows, what), (&mut layouts, layout)] {
                if !list.contains(&item.as_str()) {
                    list.push(item);
                }
            }
        }
        println!("\n| | {} |\n|---|{}", layouts.join(" | "), "---|".repeat(layouts.len()));
        for row in rows {
            let cell = |layout: &&str| {
                let found = self.0.iter().find(|(what, of, _)| what == row && of == layout);
                found.map_or("", |(_, _, figure)| figure.as_str())
            };
            let cells: Vec<_> = layouts.iter().map(cell).collect();
            println!("| {row} | {} |", cells.join(" | "));
        }
    }
}
