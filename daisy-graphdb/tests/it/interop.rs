//! funlib.persistence itself, from PyPI, on the other side: it makes files, both programs write
//! into them in turn, and both read the same. It makes the files because this crate makes none of
//! that form: it opens those that are there.

use std::collections::BTreeMap;
use std::path::Path;

use daisy_geometry::Roi;
use daisy_graphdb::{
    AttrType, Attrs, Edge, EdgesBy, GraphError, GraphStore, Node, NodeId, Open, Position, Query,
    SqliteStore, SubGraph, Value, Write,
};
use serde_json::Value as Json;

use crate::python::{python, run};

/// Makes files of 120 nodes and as many edges by a formula that [`graph`] knows too.
const MAKE: &str = r#"
import sys, networkx as nx
from pathlib import Path
from funlib.geometry import Roi
from funlib.persistence.graphs import SQLiteGraphDataBase
from funlib.persistence.types import Vec
folder = Path(sys.argv[1])
node_attrs = {"position": Vec(float, 3), "score": float, "name": str, "axis": Vec(int, 2), "merged": bool}
def name(i):
    return i if i < 100 else -1 if i == 119 else 2**63 - 1 - (i - 100)
def make(file, directed, bulk, more):
    db = SQLiteGraphDataBase(folder / file, "position", mode="w", directed=directed,
        total_roi=Roi((-100, 0, 0), (200, None, 1000)), node_attrs=node_attrs,
        edge_attrs={"weight": float, "tag": str, **more})
    g = nx.DiGraph() if directed else nx.Graph()
    for i in range(120):
        some = {"score": i / 8} if i % 5 else {}
        g.add_node(name(i), position=(i % 12 * 2.5 - 10, i // 12, 3 * i), name=f"it's {i}",
            axis=(i, -i), merged=i % 2 == 0, **some)
    for i in range(120):
        g.add_edge(name(i), name((7 * i + 1) % 120), weight=i, tag='"', **{a: (i, -1) for a in more})
    (db.bulk_write_graph if bulk else db.write_graph)(g)
    db.close()
make("undirected.db", False, False, {})
make("directed.db", True, False, {})
make("vectors.db", True, True, {"offset": Vec(int, 2)})
line = SQLiteGraphDataBase(folder / "line.db", "x", mode="w", directed=True, endpoint_names=["a", "b"],
    node_attrs={"x": float}, edge_attrs={}, nodes_table="points", edges_table="steps")
g = nx.DiGraph()
g.add_node(1, x=-5.5); g.add_node(2, x=6); g.add_edge(1, 2)
line.bulk_write_graph(g)
numpy = SQLiteGraphDataBase(folder / "numpy.db", "x", mode="w", node_attrs={"x": float, "size": int, "count": int})
import numpy as np
g = nx.Graph()
g.add_node(1, x=np.float64(0.5), size=np.int64(7), count=2.0)
numpy.bulk_write_graph(g)
"#;

/// Prints what funlib reads: all of it, then a part of it.
const READ: &str = r#"
import sys, json
from pathlib import Path
from funlib.geometry import Roi
from funlib.persistence.graphs import SQLiteGraphDataBase
db = SQLiteGraphDataBase(Path(sys.argv[1]), "position", mode="r")
for roi in (None, Roi((-5, 0, 0), (15, 9, 280))):
    read = db.read_graph(roi)
    nodes, edges = db.read_nodes(roi), db.read_edges(roi)
    assert len(edges) == read.number_of_edges() and all(n["id"] in read for n in nodes)
    print(json.dumps({"nodes": nodes, "edges": edges}))
"#;

/// Writes once more into a file: a node that is there, which funlib leaves alone, and a new one.
const WRITE: &str = r#"
import sys, networkx as nx
from pathlib import Path
from funlib.persistence.graphs import SQLiteGraphDataBase
db = SQLiteGraphDataBase(Path(sys.argv[1]), "position", mode="r+")
g = nx.DiGraph() if db.directed else nx.Graph()
for i in (1000, 3000):
    g.add_node(i, position=(20, 20, 20), axis=(0, 0), name="funlib's")
g.add_edge(1000, 3000, weight=0.5)
db.write_graph(g)
"#;

fn name(i: i64) -> i64 {
    match i {
        119 => -1,
        100.. => i64::MAX - (i - 100),
        _ => i,
    }
}

/// What [`MAKE`] writes. funlib has the smaller id of an undirected edge first.
fn graph(empty: SubGraph, has_offsets: bool) -> SubGraph {
    let mut graph = empty;
    for i in 0..120_i64 {
        let (axis, along) = (f64::from(i as i32), f64::from((i / 12) as i32));
        let position = Position::new([axis % 12.0 * 2.5 - 10.0, along, 3.0 * axis]).unwrap();
        let node = Node::new(name(i).cast_unsigned(), position).with("name", format!("it's {i}"));
        let node = node.with("axis", [i, -i]).with("merged", i % 2 == 0);
        graph.insert_node(if i % 5 == 0 { node } else { node.with("score", axis / 8.0) });
        let (mut u, mut v) = (name(i), name((7 * i + 1) % 120));
        if !graph.is_directed() && u > v {
            (u, v) = (v, u);
        }
        let edge = Edge::new(u.cast_unsigned(), v.cast_unsigned());
        let edge = edge.with("weight", axis).with("tag", "\"");
        graph.insert_edge(if has_offsets { edge.with("offset", [i, -1]) } else { edge });
    }
    graph
}

/// A graph of 3-D nodes as [`READ`] prints it.
fn parse(empty: SubGraph, line: &str) -> SubGraph {
    let json: Json = serde_json::from_str(line).unwrap();
    let mut graph = empty;
    let id = |row: &Json, key: &str| NodeId::from(row[key].as_i64().unwrap().cast_unsigned());
    let floats = |list: &Json| -> Vec<f64> {
        list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let attrs = |row: &Json, types: &BTreeMap<&str, AttrType>| -> Attrs {
        let named = types.iter().filter_map(|(name, kind)| {
            let value = row.get(*name).filter(|value| !value.is_null())?;
            if value.as_array().is_some_and(|list| list.iter().all(Json::is_null)) {
                return None; // an attribute that is not there has as many nulls as elements
            }
            let value = match kind {
                AttrType::F64 => Value::from(value.as_f64().unwrap()),
                AttrType::Bool => Value::from(value.as_i64().unwrap() != 0),
                AttrType::Text => Value::from(value.as_str().unwrap()),
                _ => Value::I64s(floats(value).into_iter().map(|x| x as i64).collect()),
            };
            Some((*name, value))
        });
        named.collect()
    };
    let node_types = BTreeMap::from([
        ("score", AttrType::F64),
        ("name", AttrType::Text),
        ("axis", AttrType::I64s(2)),
        ("merged", AttrType::Bool),
    ]);
    for row in json["nodes"].as_array().unwrap() {
        let position = Position::new(floats(&row["position"])).unwrap();
        graph.insert_node(Node { id: id(row, "id"), position, attrs: attrs(row, &node_types) });
    }
    let edge_types = BTreeMap::from([("weight", AttrType::F64), ("tag", AttrType::Text)]);
    for row in json["edges"].as_array().unwrap() {
        graph.insert_edge(Edge {
            u: id(row, "u"),
            v: id(row, "v"),
            attrs: attrs(row, &edge_types),
        });
    }
    graph
}

/// Everything, and the part that [`READ`] reads.
fn rois() -> [Roi; 2] {
    [Roi::unbounded(3), Roi::new([-5, 0, 0], [15, 9, 280]).unwrap()]
}

/// That both programs read the same from a file, and all of it is as expected.
fn both_read(python: &Path, path: &Path, expected: &SubGraph) {
    let store = SqliteStore::open(path, Open::Read).unwrap();
    let printed = run(python, READ, path);
    let mut counts = Vec::new();
    for (roi, line) in rois().into_iter().zip(printed.lines()) {
        let ours = store.read(&Query::new(roi)).unwrap();
        assert_eq!(parse(store.schema().sub_graph(), line), ours);
        counts.push(ours.num_nodes());
        if counts.len() == 1 {
            assert_eq!(&ours, expected);
        }
    }
    assert!(counts.len() == 2 && 0 < counts[1] && counts[1] < counts[0], "{counts:?}");
}

fn made() -> Option<(&'static Path, tempfile::TempDir)> {
    let python = python()?;
    let folder = tempfile::tempdir().unwrap();
    run(python, MAKE, folder.path());
    Some((python, folder))
}

#[test]
fn what_funlib_writes_is_read() {
    let Some((python, folder)) = made() else { return };
    let path = |name: &str| folder.path().join(name);
    for name in ["undirected.db", "directed.db"] {
        let store = SqliteStore::open(path(name), Open::Read).unwrap();
        assert_eq!(store.schema().is_directed(), name == "directed.db");
        let total = Roi::from_axes([Some((-100, 200)), None, Some((0, 1000))]).unwrap();
        assert_eq!(store.schema().roi(), &total);
        both_read(python, &path(name), &graph(store.schema().sub_graph(), false));
    }
    // funlib writes these and cannot read them.
    let store = SqliteStore::open(path("vectors.db"), Open::Read).unwrap();
    let read = store.read(&Query::new(Roi::unbounded(3))).unwrap();
    assert_eq!(read, graph(store.schema().sub_graph(), true));
    let store = SqliteStore::open(path("line.db"), Open::Read).unwrap();
    let roi = Roi::new([0], [7]).unwrap();
    let read = store.read(&Query::new(roi).edges_by(EdgesBy::EitherEnd)).unwrap();
    assert_eq!(read.node(NodeId(2)), Some(&Node::new(2, Position::new([6.0]).unwrap())));
    assert_eq!((read.num_nodes(), read.edge(NodeId(1), NodeId(2))), (1, Some(&Edge::new(1, 2))));
}

#[test]
fn what_is_written_into_a_file_of_funlib_funlib_reads_and_the_reverse() {
    let Some((python, folder)) = made() else { return };
    for name in ["undirected.db", "directed.db"] {
        let path = folder.path().join(name);
        let store = SqliteStore::open(&path, Open::ReadWrite).unwrap();
        let empty = || store.schema().sub_graph();
        let mut expected = graph(empty(), false);

        // Nodes that move and lose attributes, new ones, and edges with the larger id first, one
        // of which is there in the other order.
        let mut more = empty();
        for id in [0, 7, 1000, 1001, u64::MAX - 5] {
            let place = Position::new([id as f64 % 90.0, 0.25, 1.0]).unwrap();
            more.insert_node(Node::new(id, place).with("name", "daisy's").with("axis", [1_i64, 2]));
        }
        for (u, v) in [(1000, 3), (7, 0), (1001, 1000), (50, 7)] {
            more.insert_edge(Edge::new(u, v).with("weight", -0.5));
        }
        store.write(&more, &Write::upsert()).unwrap();
        more.nodes().for_each(|node| drop(expected.insert_node(node.clone())));
        more.edges().for_each(|edge| drop(expected.insert_edge(edge.clone())));
        both_read(python, &path, &expected);

        // A block that is replaced and one that is deleted, with the edges that they own.
        let (block, gone) = (Roi::new([9, 0, 0], [3, 1, 10]), Roi::new([-10, 0, 300], [40, 9, 30]));
        let block = block.unwrap();
        let mut again = empty();
        again.insert_node(Node::new(1000, Position::new([9.5, 0.0, 0.0]).unwrap()));
        again.insert_edge(Edge::new(1000, 1000));
        let written = store.write(&again, &Write::replace(block.clone())).unwrap();
        let deleted = store.delete(&gone.clone().unwrap()).unwrap();
        let is_gone = |node: &Node| {
            node.position.is_in(&block) || node.position.is_in(gone.as_ref().unwrap())
        };
        let mut left = empty();
        let owners: Vec<_> = expected.nodes().filter(|node| is_gone(node)).map(|n| n.id).collect();
        for node in expected.nodes().filter(|node| !is_gone(node)).chain(again.nodes()) {
            left.insert_node(node.clone());
        }
        let kept = expected.edges().filter(|edge| !owners.contains(&edge.u));
        for edge in kept.chain(again.edges()) {
            left.insert_edge(edge.clone());
        }
        let nodes = written.deleted.nodes + deleted.nodes;
        assert_eq!(nodes, owners.len() as u64);
        assert!(written.deleted.nodes > 0 && deleted.nodes > 0 && deleted.edges > 0);
        both_read(python, &path, &left);

        run(python, WRITE, &path);
        let place = Position::new([20.0; 3]).unwrap();
        let new = Node::new(3000, place).with("name", "funlib's").with("axis", [0_i64, 0]);
        left.insert_node(new);
        left.insert_edge(Edge::new(1000, 3000).with("weight", 0.5));
        both_read(python, &path, &left);
    }
}

/// funlib stores NumPy's whole numbers as bytes, and a number with a point as it is.
#[test]
fn numbers_that_numpy_made_are_read_or_named() {
    let Some((_, folder)) = made() else { return };
    let store = SqliteStore::open(folder.path().join("numpy.db"), Open::Read).unwrap();
    let read = |attr: &str| store.read(&Query::new(Roi::unbounded(1)).node_attrs([attr]));
    let node = Node::new(1, Position::new([0.5]).unwrap()).with("count", 2_i64);
    assert_eq!(read("count").unwrap().node(NodeId(1)), Some(&node));
    let error = read("size").unwrap_err();
    assert!(matches!(error, GraphError::Corrupt { .. }) && error.to_string().contains("\"size\""));
}
