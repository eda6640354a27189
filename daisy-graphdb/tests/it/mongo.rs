//! The store on MongoDB: on the server of `DAISY_TEST_MONGODB_URL`, or else on the stand-in.

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use daisy_geometry::{Coordinate, Roi};
use daisy_graphdb::testkit::Database;
use daisy_graphdb::{
    AttrType, Begun, Committed, Count, Daisy02, Daisy02Database, Daisy02Meta, Edge, EdgesBy,
    Filter, GraphError, GraphStore, MongoStore, Nested, Node, NodeId, Open, Position, Query,
    Schema, Write,
};
use mongodb::bson::{Bson, Document, doc};
use mongodb::sync::Client;

use crate::mongo_fake::Fake;
use crate::processes;

/// A database of its own.
pub(crate) struct Place {
    pub(crate) uri: String,
    pub(crate) name: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        static SERVER: OnceLock<String> = OnceLock::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let uri = SERVER.get_or_init(|| {
            env::var("DAISY_TEST_MONGODB_URL").unwrap_or_else(|_| Fake::start().uri())
        });
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { uri: uri.clone(), name: format!("daisy_test_{}_{number}", std::process::id()) }
    }

    pub(crate) fn raw(&self) -> mongodb::sync::Database {
        Client::with_uri_str(&self.uri).unwrap().database(&self.name)
    }
}

impl Drop for Place {
    /// A real server would keep it.
    fn drop(&mut self) {
        if env::var("DAISY_TEST_MONGODB_URL").is_ok() {
            let _ = self.raw().drop().run();
        }
    }
}

impl Database for Place {
    fn open(&self, open: Open) -> Result<Box<dyn GraphStore>, GraphError> {
        Ok(Box::new(MongoStore::open(&self.uri, &self.name, open)?))
    }
}

daisy_graphdb::conformance!(|| Some(Place::new()));

/// Collections as daisy 0.2 makes them, through pymongo: small numbers are `Int32`.
fn old(is_split: bool) -> Place {
    let place = Place::new();
    let node = |id: i64, position: [Bson; 2], more: Document| {
        let [y, x] = position;
        let mut node = doc! { "id": id };
        if is_split {
            node.extend(doc! { "position_y": y, "position_x": x });
        } else {
            node.insert("position", vec![y, x]);
        }
        node.extend(more);
        node
    };
    let nodes = [
        node(1, [0.into(), 0.into()], doc! { "score": 1, "name": "O'Brien", "count": 2.0 }),
        node(-1, [5.5.into(), 5.into()], doc! { "score": 0.5 }),
        node(3, [50_i64.into(), 50.into()], doc! { "unknown": true }),
    ];
    let database = place.raw();
    let insert = |collection: &str, documents: Vec<Document>| {
        database.collection::<Document>(collection).insert_many(documents).run().unwrap();
    };
    insert("nodes", nodes.to_vec());
    insert("nodes", vec![doc! { "id": 4_i64 }]); // never given a position
    insert("edges", vec![doc! { "u": 1_i64, "v": 3_i64, "weight": 2 }]);
    let meta =
        doc! { "directed": false, "total_roi_offset": [0, 0], "total_roi_shape": [100, 100] };
    insert("meta", vec![meta]);
    place
}

fn schema() -> Schema {
    let schema = Schema::new(Coordinate::new([10, 10])).unwrap().undirected();
    let schema = schema.total_roi(Roi::new([0, 0], [100, 100]).unwrap()).unwrap();
    let schema = schema.node_attr("score", AttrType::F64).unwrap();
    let schema = schema.node_attr("name", AttrType::Text).unwrap();
    let schema = schema.node_attr("count", AttrType::I64).unwrap();
    schema.edge_attr("weight", AttrType::F64).unwrap()
}

#[test]
fn collections_of_daisy_0_2_are_read_and_written_in_their_own_form() {
    for is_split in [false, true] {
        let place = old(is_split);
        let mut names = Daisy02::default();
        if is_split {
            names.position = vec!["position_y".into(), "position_x".into()];
        }
        let store = MongoStore::open_daisy_0_2(&place.uri, &place.name, &names, schema()).unwrap();
        let slab = Roi::from_axes([None, Some((0, 10))]).unwrap();
        let read = store.read(&Query::new(slab.clone()).edges_by(EdgesBy::EitherEnd)).unwrap();
        let position = |y, x| Position::new([y, x]).unwrap();
        let one = Node::new(1, position(0.0, 0.0)).with("score", 1.0).with("name", "O'Brien");
        let one = one.with("count", 2_i64); // Python's 2.0
        assert_eq!(read.node(NodeId(1)), Some(&one));
        let last = Node::new(u64::MAX, position(5.5, 5.0)).with("score", 0.5);
        assert_eq!(read.node(NodeId(u64::MAX)), Some(&last)); // -1 is the u64 of the same bits
        assert_eq!(read.edge(NodeId(3), NodeId(1)), Some(&Edge::new(1, 3).with("weight", 2.0)));
        assert_eq!(store.count_nodes(&slab, &Filter::ge("score", 1.0)).unwrap(), 1);
        assert_eq!(store.count_nodes(&Roi::unbounded(2), &Filter::All).unwrap(), 3);

        let mut graph = store.schema().sub_graph();
        graph.insert_node(Node::new(7, position(9.5, 9.0)).with("name", "new"));
        graph.insert_edge(Edge::new(7, 1));
        let write = Write::replace(Roi::new([0, 0], [10, 10]).unwrap());
        let written = store.write(&graph, &write).unwrap();
        assert_eq!(written.deleted, Count { nodes: 2, edges: 1 });
        let stored = place.raw().collection::<Document>("nodes");
        let stored = stored.find_one(doc! { "id": 7_i64 }).run().unwrap().unwrap();
        assert!(!stored.contains_key("cell") && stored.contains_key("position") != is_split);
    }
}

#[test]
fn collections_of_daisy_0_2_are_not_taken_for_others() {
    let place = old(false);
    for open in [Open::Read, Open::ReadWrite] {
        assert!(matches!(place.open(open), Err(GraphError::NotAGraph { .. })));
    }
    let open =
        |schema| MongoStore::open_daisy_0_2(&place.uri, &place.name, &Daisy02::default(), schema);
    assert!(matches!(open(schema().directed()), Err(GraphError::SchemaDiffers { .. })));
    for name in ["id", "_id", "position", "a.b"] {
        let taken = schema().node_attr(name, AttrType::I64).unwrap();
        assert!(matches!(open(taken), Err(GraphError::NotInThisLayout { .. })), "{name}");
    }
    let empty = Place::new();
    let missing =
        MongoStore::open_daisy_0_2(&empty.uri, &empty.name, &Daisy02::default(), schema());
    assert!(matches!(missing, Err(GraphError::NotFound { .. })));
}

#[test]
fn attributes_of_daisy_0_2_need_not_be_declared() {
    let place = old(false);
    let open = |is_writable| {
        let database =
            Daisy02Database::connect(&place.uri, &place.name, Daisy02::default()).unwrap();
        database.store(schema().any_attrs(), is_writable).unwrap()
    };
    let (store, all) = (open(true), Query::new(Roi::unbounded(2)));
    let read = store.read(&all).unwrap();
    let value = |id, name| read.node(NodeId(id)).unwrap().attrs.value(name).cloned();
    assert_eq!(value(1, "score"), Some(1_i64.into())); // each as it is stored
    assert_eq!(value(u64::MAX, "score"), Some(0.5.into()));
    assert_eq!((value(3, "unknown"), value(3, "score")), (Some(true.into()), None));
    let large = Filter::ge("score", 0.75); // numbers of both kinds compare
    assert_eq!(store.count_nodes(&Roi::unbounded(2), &large).unwrap(), 1);
    let names = store.read(&all.clone().node_attrs(["name"]).edge_attrs([""; 0])).unwrap();
    assert_eq!(names.node(NodeId(1)).unwrap().attrs.len(), 1);
    assert!(names.edge(NodeId(1), NodeId(3)).unwrap().attrs.is_empty());

    let tree = Nested::Map(vec![("a".into(), Nested::List(vec![Nested::Null]))]);
    let new = Node::new(8, Position::new([1.0, 2.0]).unwrap());
    let new = new.with("tree", tree).with("it's", "x").with("few", [0.5, 1.5]);
    let mut graph = store.schema().sub_graph();
    graph.insert_node(new.clone());
    graph.insert_edge(Edge::new(8, 1).with("any", vec![1_u8]));
    store.write(&graph, &Write::upsert()).unwrap();
    assert_eq!(store.update_attrs(&graph, &["few", "any"]).unwrap(), Count { nodes: 1, edges: 1 });
    let read = open(false).read(&all).unwrap();
    assert_eq!(read.node(NodeId(8)), Some(&new));
    assert_eq!(read.edge(NodeId(1), NodeId(8)), graph.edge(NodeId(1), NodeId(8)));

    let refused = |node: Node| {
        let mut graph = store.schema().sub_graph();
        graph.insert_node(node);
        store.write(&graph, &Write::upsert()).unwrap_err()
    };
    let plain = || Node::new(9, Position::new([1.0, 2.0]).unwrap());
    for name in ["id", "position", "$set", "a.b"] {
        assert!(matches!(refused(plain().with(name, 1_i64)), GraphError::AttributeName { .. }));
    }
    let huge = refused(plain().with("huge", u64::MAX));
    assert!(matches!(huge, GraphError::Unstorable { .. }), "{huge}");
    let read_only = open(false).write(&graph, &Write::upsert());
    assert!(matches!(read_only, Err(GraphError::ReadOnly)));
}

#[test]
fn collections_of_daisy_0_2_are_made_once_and_removed() {
    let place = Place::new();
    let database = Daisy02Database::connect(&place.uri, &place.name, Daisy02::default()).unwrap();
    assert_eq!(database.meta().unwrap(), None);
    assert!(matches!(database.store(schema(), true), Err(GraphError::NotFound { .. })));
    let roi = Roi::from_axes([Some((-5, 10)), None]).unwrap();
    let meta = Daisy02Meta { is_directed: true, total_roi: Some(roi.clone()) };
    assert_eq!(database.create(&meta).unwrap(), meta);
    let other = Daisy02Meta { is_directed: false, total_roi: None };
    assert_eq!(database.create(&other).unwrap(), meta);
    assert_eq!(database.dims().unwrap(), Some(2));
    let wanted = schema().any_attrs().directed().total_roi(roi).unwrap();
    let store = database.store(wanted, true).unwrap();
    let graph = graph_of_one(&store);
    store.write(&graph, &Write::upsert()).unwrap();
    assert!(store.commit_block(&processes::lease(1, 2), &graph, &Write::upsert()).is_ok());
    database.remove().unwrap();
    assert_eq!(database.meta().unwrap(), None);
    assert_eq!(database.create(&other).unwrap(), other);
    let store = database.store(schema().any_attrs().total_roi(Roi::unbounded(2)).unwrap(), true);
    let store = store.unwrap();
    assert_eq!(database.dims().unwrap(), None);
    store.write(&graph_of_one(&store), &Write::upsert()).unwrap();
    assert_eq!(database.dims().unwrap(), Some(2));
    store.delete(&Roi::unbounded(2)).unwrap();
    assert!(store.read(&Query::new(Roi::unbounded(2))).unwrap().is_empty());
    assert!(store.blocks_done("t", None).unwrap().is_empty());
    for open in [Open::Create(schema().any_attrs()), Open::ReadWrite] {
        assert!(place.open(open).is_err());
    }
}

fn graph_of_one(store: &MongoStore) -> daisy_graphdb::SubGraph {
    let mut graph = store.schema().sub_graph();
    graph.insert_node(Node::new(1, Position::new([0.0, 0.0]).unwrap()));
    graph
}

/// A store on a stand-in of its own, which can be told to fail.
fn failing(options: &str) -> (Fake, Result<MongoStore, GraphError>) {
    let fake = Fake::start();
    let uri = format!("{}{}", fake.uri(), options.replace('?', "&"));
    let store = MongoStore::open(&uri, "d", Open::Create(schema()));
    (fake, store)
}

/// What a server says to one of two who insert the same at once.
fn was_faster() -> Document {
    doc! { "writeErrors": [{ "index": 0, "code": 11_000, "errmsg": "E11000 duplicate key" }] }
}

fn two_nodes(store: &MongoStore) -> daisy_graphdb::SubGraph {
    let mut graph = store.schema().sub_graph();
    for id in [1, 2] {
        graph.insert_node(Node::new(id, Position::new([1.0, 1.0]).unwrap()));
    }
    graph
}

#[test]
fn who_upserts_what_somebody_else_inserts_at_the_same_moment_tries_again() {
    let (fake, store) = failing("");
    let store = store.unwrap();
    fake.plant("update", was_faster());
    store.write(&two_nodes(&store), &Write::upsert()).unwrap();
    assert_eq!(store.count_nodes(&Roi::unbounded(2), &Filter::All).unwrap(), 2);
    fake.plant("insert", was_faster());
    let mut graph = store.schema().sub_graph();
    graph.insert_node(Node::new(3, Position::new([1.0, 1.0]).unwrap()));
    let error = store.write(&graph, &Write::insert_only()).unwrap_err();
    assert!(matches!(error, GraphError::NodeExists { id: NodeId(3) }), "{error}");
}

#[test]
fn a_mark_that_somebody_else_makes_at_the_same_moment_is_not_taken_for_ones_own() {
    let (fake, store) = failing("");
    let store = store.unwrap();
    fake.plant("update", was_faster());
    assert_eq!(store.begin_block(&processes::lease(1, 5)).unwrap(), Begun::Begun);
    let empty = store.schema().sub_graph();
    let commit = |lease| store.commit_block(&processes::lease(1, lease), &empty, &Write::upsert());
    assert_eq!(commit(3).unwrap(), Committed::StaleLease { stored: 5 });
    fake.plant("update", was_faster());
    assert!(matches!(commit(5).unwrap(), Committed::Written(_)));
    assert_eq!(store.blocks_done("t", None).unwrap(), vec![1..2]);
    assert_eq!(commit(9).unwrap(), Committed::AlreadyDone);
}

#[test]
fn a_write_that_the_other_members_of_a_set_have_not_confirmed_is_an_error() {
    let (fake, store) = failing("");
    let store = store.unwrap();
    let late = doc! { "code": 64, "errmsg": "waiting for replication timed out" };
    fake.plant("update", doc! { "writeConcernError": late });
    let error = store.write(&two_nodes(&store), &Write::upsert()).unwrap_err();
    assert!(error.to_string().contains("waiting for replication"), "{error}");
}

#[test]
fn the_write_concern_of_the_address_holds_for_every_change_and_for_nothing_else() {
    // A server on its own refuses to wait for others.
    let (_fake, store) = failing("?w=2");
    let error = store.unwrap_err();
    assert!(error.to_string().contains("not replicated"), "{error}");
    for options in ["?w=1&journal=true&wtimeoutMS=1000", "?w=0", "?w=majority"] {
        let (_fake, store) = failing(options);
        let store = store.unwrap();
        store.write(&two_nodes(&store), &Write::upsert()).unwrap();
        assert_eq!(store.count_nodes(&Roi::unbounded(2), &Filter::All).unwrap(), 2);
        assert_eq!(store.delete(&Roi::unbounded(2)).unwrap(), Count { nodes: 2, edges: 0 });
    }
}

#[test]
fn as_another_process() {
    processes::play(|place| {
        let (uri, name) = place.rsplit_once('|').unwrap();
        Box::new(MongoStore::open(uri, name, Open::ReadWrite).unwrap())
    });
}

/// Without transactions a part of the write is there. But the block is not marked, and whoever
/// gets it next leaves nothing of that part.
#[test]
fn a_block_of_a_writer_that_is_killed_is_not_done_and_whole_the_next_time() {
    let place = Place::new();
    let store = place.open(Open::Create(processes::schema())).unwrap();
    let to = format!("{}|{}", place.uri, place.name);
    let mut child = processes::start("mongo::as_another_process", "large 3000", &to);
    while store.count_nodes(&Roi::unbounded(2), &Filter::All).unwrap() == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(store.blocks_done("t", None).unwrap().is_empty());
    let (graph, write) = processes::block(&*store, 1, 200);
    let outcome = store.commit_block(&processes::lease(1, 2), &graph, &write).unwrap();
    assert!(matches!(outcome, Committed::Written(written) if written.deleted.nodes > 0));
    assert_eq!(store.read(&Query::new(Roi::unbounded(2))).unwrap(), graph);
    assert_eq!(store.blocks_done("t", None).unwrap(), vec![1..2]);
}
