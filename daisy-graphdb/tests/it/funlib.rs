//! Files of funlib.persistence 0.7: made here by the statements that it runs.

use std::fs;
use std::path::{Path, PathBuf};

use daisy_geometry::Roi;
use daisy_graphdb::{
    AttrType, BlockLease, Committed, Count, Edge, EdgesBy, Filter, GraphError, GraphStore, Node,
    NodeId, Open, Position, Query, Schema, SqliteStore, Write,
};
use rusqlite::Connection;
use tempfile::TempDir;

const META: &str = r#"{
    "position_attribute": "position", "directed": false,
    "total_roi_offset": [0, 0, 0], "total_roi_shape": [100, 100, 100],
    "nodes_table_name": "nodes", "edges_table_name": "my edges", "endpoint_names": ["from", "to"],
    "node_attrs": {"position": "Vec(float, 3)", "score": "float", "name": "str",
                   "axis": "Vec(int, 2)", "merged": "bool"},
    "edge_attrs": {"weight": "float", "offset": "Vec(int, 3)"},
    "ndims": 3
}"#;

/// A file with three nodes and two edges.
struct File(TempDir);

impl File {
    fn new() -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        fs::write(file.0.path().join("graph-meta.json"), META).unwrap();
        Connection::open(file.path())
            .unwrap()
            .execute_batch(
                "CREATE TABLE nodes(id INTEGER not null PRIMARY KEY, position_0, position_1,
                     position_2, score, name, axis_0, axis_1, merged);
                 CREATE INDEX pos_index ON nodes(position_0,position_1,position_2);
                 CREATE TABLE \"my edges\"(\"from\" INTEGER not null, \"to\" INTEGER not null,
                     weight, offset_0, offset_1, offset_2, PRIMARY KEY (\"from\", \"to\"));
                 INSERT INTO nodes VALUES
                     (1, 0, 0, 0, 0.5, 'O''Brien', 1, -2, 1),
                     (2, 9.5, 5, 5, 1, NULL, NULL, NULL, 0),
                     (3, 50, 50, 50, NULL, 'x', 3, 4, NULL);
                 INSERT INTO \"my edges\" VALUES (1, 2, 0.25, 1, 2, 3), (1, 3, NULL, NULL, NULL, NULL);",
            )
            .unwrap();
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("graph.db")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(self.path(), Open::ReadWrite).unwrap()
    }
}

fn row<T: rusqlite::types::FromSql>(path: &Path, text: &str) -> T {
    Connection::open(path).unwrap().query_row(text, (), |row| row.get(0)).unwrap()
}

#[test]
fn a_file_of_funlib_is_read_with_its_types() {
    let file = File::new();
    let store = SqliteStore::open(file.path(), Open::Read).unwrap();
    let schema = store.schema();
    assert_eq!((schema.dims(), schema.is_directed()), (3, false));
    assert_eq!(schema.roi(), &Roi::new([0, 0, 0], [100, 100, 100]).unwrap());
    let types: Vec<_> = schema.node_attrs().iter().map(|a| (&*a.name, a.attr_type)).collect();
    let expected = [
        ("axis", AttrType::I64s(2)),
        ("merged", AttrType::Bool),
        ("name", AttrType::Text),
        ("score", AttrType::F64),
    ];
    assert_eq!(types, expected);

    let slab = Roi::from_axes([None, Some((0, 10)), Some((0, 10))]).unwrap();
    let read = store.read(&Query::new(slab.clone())).unwrap();
    let place = |axes: [f64; 3]| Position::new(axes).unwrap();
    let one = Node::new(1, place([0.0; 3])).with("score", 0.5).with("name", "O'Brien");
    let one = one.with("axis", [1_i64, -2]).with("merged", true);
    assert_eq!(read.node(NodeId(1)), Some(&one));
    let two = Node::new(2, place([9.5, 5.0, 5.0])).with("score", 1.0).with("merged", false);
    assert_eq!(read.node(NodeId(2)), Some(&two));
    let edge = Edge::new(1, 2).with("weight", 0.25).with("offset", [1_i64, 2, 3]);
    assert_eq!(read.edge(NodeId(2), NodeId(1)), Some(&edge));
    assert_eq!((read.num_nodes(), read.num_edges()), (2, 2));

    let far = Query::new(Roi::new([40, 40, 40], [20, 20, 20]).unwrap());
    assert_eq!(store.read(&far).unwrap().num_edges(), 0);
    let either = store.read(&far.edges_by(EdgesBy::EitherEnd)).unwrap();
    assert_eq!(either.edge(NodeId(3), NodeId(1)), Some(&Edge::new(1, 3)));
    assert_eq!(store.count_nodes(&slab, &Filter::eq("name", "x' OR '1'='1")).unwrap(), 0);
    assert_eq!(store.count_nodes(&slab, &Filter::eq("axis", [1_i64, -2])).unwrap(), 1);
    assert!(store.has_edges(&slab).unwrap());
    assert!(store.blocks_done("t", None).unwrap().is_empty());
}

#[test]
fn a_file_of_funlib_is_written_in_its_own_form() {
    let file = File::new();
    let store = file.open();
    let mut graph = store.schema().sub_graph();
    let place = Position::new([1.5, 2.0, 3.0]).unwrap();
    graph.insert_node(Node::new(1, place).with("axis", [7_i64, 8]).with("name", "new"));
    graph.insert_edge(Edge::new(2, 1).with("offset", [4_i64, 5, 6]));
    store.write(&graph, &Write::upsert()).unwrap();
    let node: String = row(
        &file.path(),
        "SELECT position_0 || ' ' || name || ' ' || axis_1 || ' ' || (score IS NULL) FROM nodes
         WHERE id = 1",
    );
    assert_eq!(node, "1.5 new 8 1");
    let edges: i64 = row(&file.path(), "SELECT COUNT(*) FROM \"my edges\"");
    let offset: i64 = row(&file.path(), "SELECT offset_2 FROM \"my edges\" WHERE \"from\" = 2");
    assert_eq!((edges, offset), (2, 6)); // (2, 1) in place of (1, 2): the graph is undirected

    let block = Roi::new([0, 0, 0], [10, 10, 10]).unwrap();
    let lease = BlockLease { run: "r", task: "t", block: 3, lease: 1 };
    let outcome = store.commit_block(&lease, &graph, &Write::replace(block.clone())).unwrap_err();
    assert!(matches!(outcome, GraphError::UnknownEndpoint { .. })); // node 2 is about to go
    let empty = store.schema().sub_graph();
    let outcome = store.commit_block(&lease, &empty, &Write::replace(block)).unwrap();
    let Committed::Written(written) = outcome else { panic!("{outcome:?}") };
    assert_eq!(written.deleted, Count { nodes: 2, edges: 2 });
    let blocks = file.open().blocks_done("t", None).unwrap();
    assert_eq!(blocks, vec![3..4]);
    assert_eq!(store.forget("t", &blocks).unwrap(), 1);
}

#[test]
fn a_schema_that_differs_from_that_of_funlib_is_refused() {
    let file = File::new();
    let wanted = |schema: Schema| SqliteStore::open(file.path(), Open::Create(schema));
    let same = file.open().schema().clone();
    assert!(wanted(same.clone()).is_ok());
    let other = same.edge_attr("more", AttrType::Text).unwrap();
    assert!(matches!(wanted(other), Err(GraphError::SchemaDiffers { .. })));
}

#[test]
fn whole_positions_stay_whole_and_others_are_refused() {
    let file = File::new();
    let whole = META.replace("Vec(float, 3)", "Vec(int, 3)");
    fs::write(file.0.path().join("graph-meta.json"), whole).unwrap();
    let store = file.open();
    let write = |x: f64| {
        let mut graph = store.schema().sub_graph();
        graph.insert_node(Node::new(9, Position::new([x, 0.0, 0.0]).unwrap()));
        store.write(&graph, &Write::upsert())
    };
    assert!(matches!(write(1.5), Err(GraphError::NotInThisLayout { .. })));
    write(7.0).unwrap();
    let kind: String = row(&file.path(), "SELECT typeof(position_0) FROM nodes WHERE id = 9");
    assert_eq!(kind, "integer");
}

#[test]
fn metadata_that_are_code_are_refused_and_not_run() {
    let file = File::new();
    let trap = file.0.path().join("trap");
    let code = format!("open({:?}, 'w')", trap.display().to_string()).replace('"', "'");
    let crafted = META.replace("\"Vec(float, 3)\"", &format!("{code:?}"));
    fs::write(file.0.path().join("graph-meta.json"), crafted).unwrap();
    let error = SqliteStore::open(file.path(), Open::Read).unwrap_err();
    assert!(matches!(error, GraphError::NotAGraph { .. }), "{error}");
    assert!(!trap.exists());
}

#[test]
fn an_attribute_without_a_column_is_an_error_and_not_its_name() {
    let file = File::new();
    let more = META.replace("\"name\": \"str\"", "\"name\": \"str\", \"nobody\": \"str\"");
    fs::write(file.0.path().join("graph-meta.json"), more).unwrap();
    let error = file.open().read(&Query::new(Roi::unbounded(3))).unwrap_err();
    assert!(error.to_string().contains("no such column"), "{error}");
}
