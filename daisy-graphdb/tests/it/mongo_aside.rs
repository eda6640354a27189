//! Attributes in collections of their own, as daisy 0.2 has them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use daisy_geometry::{Coordinate, Roi};
use daisy_graphdb::testkit::{Database, Dice};
use daisy_graphdb::{
    AttrType, Attrs, Compare, Count, Daisy02, Daisy02Database, Daisy02Meta, Edge, EdgesBy, Filter,
    GraphError, GraphStore, MemoryDatabase, MemoryStore, MongoStore, Node, NodeId, Open, Owner,
    Position, Query, Schema, SubGraph, Write,
};
use mongodb::bson::{Bson, Document, doc};

use crate::mongo::Place;
use crate::mongo_fake::Fake;

/// Collections of attributes: a third of those of a schema in each of two, and the rest in none.
fn spread(schema: &Schema) -> Daisy02 {
    let of = |owner| {
        let mut collections = BTreeMap::from([("a".to_owned(), vec![]), ("b".to_owned(), vec![])]);
        for (place, attribute) in schema.attrs(owner).iter().enumerate() {
            let collection = ["a", "b"].get(place % 3).map(|name| collections.get_mut(*name));
            collection.flatten().into_iter().for_each(|c| c.push((*attribute.name).to_owned()));
        }
        collections
    };
    Daisy02 {
        node_attr_collections: of(Owner::Nodes),
        edge_attr_collections: of(Owner::Edges),
        ..Daisy02::default()
    }
}

/// Collections of daisy 0.2, and the schema that they do not hold.
struct Spread(Place, Mutex<Option<Schema>>);

impl Database for Spread {
    fn open(&self, open: Open) -> Result<Box<dyn GraphStore>, GraphError> {
        let Self(Place { uri, name }, known) = self;
        let is_writable = open != Open::Read;
        let mut known = known.lock().unwrap();
        if let Open::Create(wanted) = open {
            let roi = Some(wanted.roi().clone());
            let meta = Daisy02Meta { is_directed: wanted.is_directed(), total_roi: roi };
            Daisy02Database::connect(uri, name, spread(&wanted))?.create(&meta)?;
            known.get_or_insert(wanted);
        }
        let schema = known.clone();
        let schema = schema.ok_or(GraphError::NotFound { place: name.clone() })?;
        let database = Daisy02Database::connect(uri, name, spread(&schema))?;
        Ok(Box::new(database.store(schema, is_writable)?))
    }
}

// All but what no collections of daisy 0.2 can: they hold no schema, and names of attributes are
// names of fields.
daisy_graphdb::conformance! { @common || Some(Spread(Place::new(), Mutex::new(None))) }

fn everywhere() -> Query {
    Query::new(Roi::unbounded(2)).edges_by(EdgesBy::EitherEnd)
}

fn at(y: f64, x: f64) -> Position {
    Position::new([y, x]).unwrap()
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What the tests below have aside.
fn names() -> Daisy02 {
    let nodes = [("sizes", list(&["size", "volume"])), ("names", list(&["name"]))];
    Daisy02 {
        node_attr_collections: nodes.map(|(name, attrs)| (name.to_owned(), attrs)).into(),
        edge_attr_collections: [("weights".to_owned(), list(&["weight"]))].into(),
        ..Daisy02::default()
    }
}

/// Documents as 0.2.1 leaves them; it writes each undirected edge with its smaller id first.
fn made_by_0_2(place: &Place) {
    let database = place.raw();
    let insert = |collection: &str, documents: Vec<Document>| {
        database.collection::<Document>(collection).insert_many(documents).run().unwrap();
    };
    let nodes = vec![
        doc! { "id": 1_i64, "position": [0, 0], "other": 9 },
        doc! { "id": -1_i64, "position": [5, 5.5] },
        // It hides what is not where it belongs, too.
        doc! { "id": 3_i64, "position": [50, 50], "size": 77 },
    ];
    insert("nodes", nodes);
    insert(
        "nodes_sizes",
        vec![
            doc! { "id": 1_i64, "size": 5, "volume": 6.0 },
            doc! { "id": -1_i64, "size": 7, "volume": Bson::Null },
            doc! { "id": 99_i64, "size": 7 }, // of a node that is gone
        ],
    );
    insert("nodes_names", vec![doc! { "id": 1_i64, "name": "O'Brien" }]);
    insert(
        "edges",
        vec![
            doc! { "u": 1_i64, "v": 3_i64, "tag": "t" },
            doc! { "u": -1_i64, "v": 1_i64 },
            doc! { "u": 1_i64, "v": -1_i64 },
        ],
    );
    insert(
        "edges_weights",
        vec![
            doc! { "u": 1_i64, "v": 3_i64, "weight": 0.5 },
            doc! { "u": 1_i64, "v": 1_i64, "weight": 0.25 }, // of an edge that is gone
            doc! { "u": -1_i64, "v": 1_i64, "weight": 2 },
        ],
    );
    insert("meta", vec![doc! { "directed": true }]);
}

fn any() -> Schema {
    Schema::new(Coordinate::new([10, 10])).unwrap().any_attrs()
}

fn opened(place: &Place) -> MongoStore {
    MongoStore::open_daisy_0_2(&place.uri, &place.name, &names(), any()).unwrap()
}

#[test]
fn attribute_collections_of_daisy_0_2_1_are_read() {
    let place = Place::new();
    made_by_0_2(&place);
    let store = opened(&place);
    let mut expected = SubGraph::directed();
    let one = Node::new(1, at(0.0, 0.0)).with("other", 9_i64).with("size", 5_i64);
    expected.insert_node(one.with("volume", 6.0).with("name", "O'Brien"));
    expected.insert_node(Node::new(u64::MAX, at(5.0, 5.5)).with("size", 7_i64));
    expected.insert_node(Node::new(3, at(50.0, 50.0)));
    expected.insert_edge(Edge::new(1, 3).with("tag", "t").with("weight", 0.5));
    expected.insert_edge(Edge::new(u64::MAX, 1).with("weight", 2_i64));
    expected.insert_edge(Edge::new(1, u64::MAX));
    assert_eq!(store.read(&everywhere()).unwrap(), expected);

    let typed = Schema::new(Coordinate::new([10, 10])).unwrap();
    let typed = typed.node_attr("size", AttrType::U64).unwrap();
    let typed = typed.node_attr("other", AttrType::F64).unwrap();
    let typed = typed.edge_attr("weight", AttrType::F64).unwrap();
    let store = MongoStore::open_daisy_0_2(&place.uri, &place.name, &names(), typed).unwrap();
    let read = store.read(&everywhere()).unwrap();
    let one = Node::new(1, at(0.0, 0.0)).with("other", 9.0).with("size", 5_u64);
    assert_eq!(read.node(NodeId(1)), Some(&one));
    let edge = Edge::new(u64::MAX, 1).with("weight", 2.0);
    assert_eq!(read.edge(NodeId(u64::MAX), NodeId(1)), Some(&edge));
}

#[test]
fn filters_may_be_about_attributes_in_several_collections() {
    let place = Place::new();
    made_by_0_2(&place);
    let store = opened(&place);
    let (size, other) = (|n: i64| Filter::ge("size", n), Filter::eq("other", 9_i64));
    let near = Roi::new([0, 0], [10, 10]).unwrap();
    let count = |roi: &Roi, filter: Filter| store.count_nodes(roi, &filter).unwrap();
    let all = Roi::unbounded(2);
    assert_eq!(count(&all, size(6)), 1);
    assert_eq!(count(&all, Filter::ge("size", 4.5)), 2); // numbers of both kinds compare
    assert_eq!((count(&all, !size(0)), count(&near, !size(0))), (1, 0));
    assert_eq!(count(&all, size(6) | other.clone()), 2);
    assert_eq!(count(&all, size(0) & other.clone() & Filter::present("name")), 1);
    assert_eq!(count(&all, !(size(6) | other.clone())), 1);
    assert_eq!(count(&near, !(size(6) & Filter::present("volume"))), 2);
    let read = |query: Query| {
        let read = store.read(&query).unwrap();
        read.nodes().map(|node| (node.id.0, node.attrs.clone())).collect::<Vec<_>>()
    };
    let named = Query::new(near.clone()).nodes(Filter::eq("name", "O'Brien")).node_attrs(["size"]);
    assert_eq!(read(named), [(1, Attrs::new().with("size", 5_i64))]);
    let none = Query::new(near).nodes(size(0)).node_attrs([""; 0]);
    assert_eq!(read(none), [(1, Attrs::new()), (u64::MAX, Attrs::new())]);
    let heavy = everywhere().edges(Filter::gt("weight", 0.5) | Filter::eq("tag", "t"));
    assert_eq!(store.read(&heavy).unwrap().num_edges(), 2);
    let light = everywhere().edges(!Filter::present("weight"));
    assert_eq!(store.read(&light).unwrap().num_edges(), 1);
}

fn created(place: &Place) -> MongoStore {
    let database = Daisy02Database::connect(&place.uri, &place.name, names()).unwrap();
    database.create(&Daisy02Meta { is_directed: true, total_roi: None }).unwrap();
    database.store(any(), true).unwrap()
}

/// All documents of a collection, without their ids.
fn documents(place: &Place, collection: &str) -> Vec<Document> {
    let found = place.raw().collection::<Document>(collection).find(doc! {}).run().unwrap();
    let mut documents: Vec<Document> = found.map(Result::unwrap).collect();
    documents.iter_mut().for_each(|document| drop(document.remove("_id")));
    documents
}

#[test]
fn documents_are_laid_out_as_by_daisy_0_2_1() {
    let place = Place::new();
    let store = created(&place);
    let mut graph = SubGraph::directed();
    let one = Node::new(u64::MAX, at(1.0, 2.0)).with("other", 9_i64).with("size", 5_i64);
    graph.insert_node(one.with("name", "one"));
    graph.insert_node(Node::new(2, at(3.0, 4.0)).with("other", 1_i64));
    graph.insert_edge(Edge::new(2, u64::MAX).with("tag", "t").with("weight", 0.5));
    graph.insert_edge(Edge::new(u64::MAX, 2).with("tag", "u"));
    let before = graph.clone();
    store.write(&graph, &Write::upsert()).unwrap();
    assert_eq!(graph, before); // 0.2.1 takes the attributes away from it
    let mut nodes = documents(&place, "nodes");
    nodes.sort_by_key(|node| node.get_i64("id").unwrap());
    assert_eq!(
        nodes,
        [
            doc! { "id": -1_i64, "position": [1.0, 2.0], "other": 9_i64 },
            doc! { "id": 2_i64, "position": [3.0, 4.0], "other": 1_i64 },
        ]
    );
    assert_eq!(documents(&place, "nodes_sizes"), [doc! { "id": -1_i64, "size": 5_i64 }]);
    assert_eq!(documents(&place, "nodes_names"), [doc! { "id": -1_i64, "name": "one" }]);
    assert_eq!(documents(&place, "edges").len(), 2);
    let weight = doc! { "u": 2_i64, "v": -1_i64, "weight": 0.5 };
    assert_eq!(documents(&place, "edges_weights"), [weight]);
    assert_eq!(store.read(&everywhere()).unwrap(), graph);
}

#[test]
fn what_is_written_or_deleted_leaves_no_attributes_behind_as_0_2_1_does() {
    let place = Place::new();
    let store = created(&place);
    let mut graph = SubGraph::directed();
    for id in [1, 2, 3] {
        let node = Node::new(id, at(id as f64, 0.0)).with("size", 5_i64).with("name", "x");
        graph.insert_node(node);
        graph.insert_edge(Edge::new(id, id % 3 + 1).with("weight", 0.5));
    }
    store.write(&graph, &Write::insert_only()).unwrap();
    let mut again = SubGraph::directed();
    again.insert_node(Node::new(1, at(1.0, 0.0)).with("name", "new"));
    again.insert_edge(Edge::new(1, 2).with("tag", "t"));
    store.write(&again, &Write::upsert()).unwrap();
    let read = store.read(&everywhere()).unwrap();
    assert_eq!(read.node(NodeId(1)), again.node(NodeId(1)));
    assert_eq!(read.edge(NodeId(1), NodeId(2)), again.edge(NodeId(1), NodeId(2)));
    let sizes = |place: &Place| documents(place, "nodes_sizes").len();
    let weights = |place: &Place| documents(place, "edges_weights").len();
    assert_eq!((sizes(&place), weights(&place)), (2, 2));
    let row = Roi::from_axes([Some((2, 1)), None]).unwrap();
    assert_eq!(store.delete(&row).unwrap(), Count { nodes: 1, edges: 1 });
    assert_eq!((sizes(&place), weights(&place)), (1, 1));
    let edges = Write::replace_edges(Roi::unbounded(2));
    store.write(&SubGraph::directed(), &edges).unwrap();
    assert_eq!((sizes(&place), weights(&place)), (1, 0));
    // Nor does a new node get what is left of another one.
    let sizes_raw = place.raw().collection::<Document>("nodes_sizes");
    sizes_raw.insert_one(doc! { "id": 7_i64, "size": 1 }).run().unwrap();
    let mut new = SubGraph::directed();
    new.insert_node(Node::new(7, at(7.0, 0.0)));
    store.write(&new, &Write::insert_only()).unwrap();
    assert_eq!(store.read(&everywhere()).unwrap().node(NodeId(7)), new.node(NodeId(7)));
}

#[test]
fn attributes_are_updated_where_they_are_and_made_where_they_are_not() {
    let place = Place::new();
    let store = created(&place);
    let mut graph = SubGraph::directed();
    let node = Node::new(1, at(1.0, 0.0)).with("size", 5_i64).with("volume", 1.5);
    graph.insert_node(node.with("other", 1_i64));
    graph.insert_node(Node::new(2, at(2.0, 0.0)));
    graph.insert_edge(Edge::new(1, 2));
    store.write(&graph, &Write::upsert()).unwrap();
    let mut change = SubGraph::directed();
    change.insert_node(Node::new(1, at(1.0, 0.0)).with("volume", 2.5).with("name", "not meant"));
    change.insert_node(Node::new(2, at(2.0, 0.0)).with("size", 6_i64).with("other", 2_i64));
    change.insert_node(Node::new(3, at(2.0, 0.0)).with("size", 7_i64)); // not stored
    change.insert_edge(Edge::new(1, 2).with("weight", 0.5));
    let updated = store.update_attrs(&change, &["size", "volume", "other"]).unwrap();
    assert_eq!(updated, Count { nodes: 2, edges: 1 });
    let read = |id| store.read(&everywhere()).unwrap().node(NodeId(id)).unwrap().attrs.clone();
    assert_eq!(read(1), Attrs::new().with("volume", 2.5));
    assert_eq!(read(2), Attrs::new().with("size", 6_i64).with("other", 2_i64));
    assert!(documents(&place, "nodes_names").is_empty());
    assert_eq!(documents(&place, "nodes_sizes").len(), 2);
    store.update_attrs(&change, &["weight"]).unwrap();
    let edges = store.read(&everywhere()).unwrap();
    assert_eq!(edges.edge(NodeId(1), NodeId(2)), change.edge(NodeId(1), NodeId(2)));
    // Names that are attributes of edges only do no harm to nodes.
    store.update_attrs(&change, &["position", "id"]).unwrap();
    assert_eq!(store.read(&everywhere()).unwrap(), edges);
}

#[test]
fn collections_of_attributes_are_made_and_removed_with_the_others() {
    let place = Place::new();
    let store = created(&place);
    let twice = vec![doc! { "id": 1_i64 }, doc! { "id": 1_i64 }];
    let sizes = place.raw().collection::<Document>("nodes_sizes");
    assert!(sizes.insert_many(twice).run().is_err()); // there is an index
    let mut graph = SubGraph::directed();
    graph.insert_node(Node::new(1, at(1.0, 0.0)).with("size", 5_i64));
    graph.insert_edge(Edge::new(1, 1).with("weight", 0.5));
    store.write(&graph, &Write::upsert()).unwrap();
    Daisy02Database::connect(&place.uri, &place.name, names()).unwrap().remove().unwrap();
    for collection in ["nodes", "edges", "meta", "nodes_sizes", "nodes_names", "edges_weights"] {
        assert!(documents(&place, collection).is_empty(), "{collection}");
    }
}

#[test]
fn collections_that_cannot_be_are_refused_before_the_server_is_asked() {
    let refused = |change: &dyn Fn(&mut Daisy02)| {
        let mut names = Daisy02::default();
        change(&mut names);
        Daisy02Database::connect("mongodb://127.0.0.1:1", "d", names).unwrap_err()
    };
    let nodes = |given: &'static [(&'static str, &'static [&'static str])]| {
        move |names: &mut Daisy02| {
            let given = given.iter().map(|(name, attrs)| ((*name).to_owned(), list(attrs)));
            names.node_attr_collections = given.collect();
        }
    };
    let edges = |attr: &'static str| {
        move |names: &mut Daisy02| {
            names.edge_attr_collections = [("w".to_owned(), list(&[attr]))].into();
        }
    };
    let twice = refused(&nodes(&[("a", &["x", "size"]), ("b", &["size"])]));
    let text = twice.to_string();
    assert!(text.contains("\"size\"") && text.contains("\"a\" and \"b\""), "{text}");
    for name in ["id", "_id", "position", "a.b", "$x", ""] {
        let error = refused(&|names| {
            names.node_attr_collections = [("a".to_owned(), list(&[name]))].into();
        });
        assert!(matches!(error, GraphError::AttributePlace { other: None, .. }), "{error}");
    }
    for end in ["u", "v"] {
        assert!(matches!(refused(&edges(end)), GraphError::AttributePlace { .. }));
    }
    let main: [fn(&mut Daisy02); 4] = [
        |names| names.nodes = "nodes_a".into(),
        |names| names.edges = "nodes_a".into(),
        |names| names.meta = "nodes_a".into(),
        |names| names.node_attr_collections = [("a$b".to_owned(), vec![])].into(),
    ];
    for change in main {
        let error = refused(&|names| {
            nodes(&[("a", &["size"])])(names);
            change(names);
        });
        assert!(matches!(error, GraphError::CollectionName { .. }), "{error}");
    }
    let fine = |names: &mut Daisy02| {
        nodes(&[("a", &["u", "size", "size"]), ("nodes", &[])])(names);
        edges("id")(names);
        edges("size")(names);
    };
    let mut names = Daisy02::default();
    fine(&mut names);
    assert!(Daisy02Database::connect("mongodb://127.0.0.1:1", "d", names).is_ok());
}

/// A random filter on these attributes.
fn filter(dice: &mut Dice, depth: u64) -> Filter {
    let name = ["a", "b", "c", "d"][dice.below(4) as usize];
    let value = dice.below(4) as f64;
    let some = |dice: &mut Dice| (0..dice.below(4)).map(|_| filter(dice, depth - 1)).collect();
    match dice.below(if depth == 0 { 4 } else { 9 }) {
        0 => Filter::present(name),
        1 => Filter::is_in(name, [value, 1.0]),
        2 | 3 => {
            let op = [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Ge][dice.below(4) as usize];
            Filter::Compare { name: name.into(), op, value: value.into() }
        }
        4 | 5 => Filter::And(some(dice)),
        6 => Filter::Or(some(dice)),
        7 => Filter::Not(Box::new(filter(dice, depth - 1))),
        _ => Filter::All,
    }
}

#[test]
fn any_filter_over_several_collections_finds_what_it_finds_in_memory() {
    let mut schema = Schema::new(Coordinate::new([10])).unwrap();
    for name in ["a", "b", "c", "d"] {
        schema = schema.node_attr(name, AttrType::F64).unwrap();
        schema = schema.edge_attr(name, AttrType::F64).unwrap();
    }
    let memory = MemoryStore::open(&MemoryDatabase::new(), Open::Create(schema.clone())).unwrap();
    let spread = Spread(Place::new(), Mutex::new(None)).open(Open::Create(schema)).unwrap();
    let mut dice = Dice::new(7);
    let attrs = |salt: u64| -> Attrs {
        let mut dice = Dice::new(salt);
        let some = ["a", "b", "c", "d"].into_iter().filter_map(|name| {
            let value = dice.below(5);
            (value < 4).then_some((name, value as f64))
        });
        some.collect()
    };
    let mut graph = SubGraph::directed();
    for id in 0..150 {
        let position = Position::new([id as f64]).unwrap();
        graph.insert_node(Node { id: NodeId(id), position, attrs: attrs(id) });
        let (u, v) = (NodeId(id), NodeId(id * 7 % 150));
        graph.insert_edge(Edge { u, v, attrs: attrs(id + 1_000) });
    }
    for store in [&memory as &dyn GraphStore, &*spread] {
        store.write(&graph, &Write::insert_only()).unwrap();
    }
    for round in 0..200 {
        let (nodes, edges) = (filter(&mut dice, 3), filter(&mut dice, 3));
        let roi = Roi::new([dice.below(100) as i64], [60]).unwrap();
        let by = [EdgesBy::FirstEnd, EdgesBy::EitherEnd, EdgesBy::BothEnds][round % 3];
        let query = Query::new(roi.clone()).nodes(nodes.clone()).edges(edges).edges_by(by);
        let query = if round % 2 == 0 { query } else { query.node_attrs(["b"]).edge_attrs(["c"]) };
        let expected = memory.read(&query).unwrap();
        assert_eq!(spread.read(&query).unwrap(), expected, "{query:?}");
        assert_eq!(spread.count_nodes(&roi, &nodes).unwrap(), expected.num_nodes() as u64);
        let mut streamed = SubGraph::directed();
        let add = &mut |batch: SubGraph| {
            assert!((1..=7).contains(&batch.num_nodes()));
            batch.nodes().for_each(|node| drop(streamed.insert_node(node.clone())));
            batch.edges().for_each(|edge| drop(streamed.insert_edge(edge.clone())));
            Ok(())
        };
        spread.stream(&query, 7, add).unwrap();
        assert_eq!(streamed, expected, "{query:?}");
    }
}

/// A stand-in of its own, and a store of some nodes there, each with an edge to the next.
fn counted(nodes: u64) -> (Fake, MongoStore) {
    let fake = Fake::start();
    let store = created(&Place { uri: fake.uri(), name: "d".into() });
    let mut graph = SubGraph::directed();
    for id in 0..nodes {
        let node = Node::new(id, at(id as f64, 0.0)).with("size", 1_i64).with("name", "x");
        graph.insert_node(node);
    }
    graph.insert_edge(Edge::new(0, 1).with("weight", 0.5));
    store.write(&graph, &Write::upsert()).unwrap();
    fake.log();
    (fake, store)
}

#[test]
fn each_collection_that_is_needed_is_asked_once_and_no_other() {
    let (fake, store) = counted(900);
    let asked = |query: Query| {
        store.read(&query).unwrap();
        let mut log = fake.log();
        log.retain(|command| !command.starts_with("getMore"));
        log
    };
    let nodes = || Query::new(Roi::unbounded(2)).edges_by(EdgesBy::Nothing);
    let all = ["find nodes", "find nodes_names", "find nodes_sizes"];
    assert_eq!(asked(nodes()), all);
    assert_eq!(asked(nodes().node_attrs(["other"])), ["find nodes"]);
    assert_eq!(asked(nodes().node_attrs(["size"])), ["find nodes", "find nodes_sizes"]);
    let named = || nodes().nodes(Filter::eq("name", "x") & Filter::ge("size", 0_i64));
    assert_eq!(asked(named().node_attrs([""; 0])), all);
    assert_eq!(asked(named()), all); // one question for the filter and the values
    // Nobody is left to be asked about.
    let none = nodes().nodes(Filter::eq("name", "nobody"));
    assert_eq!(asked(none), ["find nodes", "find nodes_names"]);
    let with_edges = || Query::new(Roi::unbounded(2)).node_attrs([""; 0]);
    assert_eq!(asked(with_edges()), ["find nodes", "find edges", "find edges_weights"]);
    assert_eq!(asked(with_edges().edge_attrs(["tag"])), ["find nodes", "find edges"]);
    assert_eq!(store.count_nodes(&Roi::unbounded(2), &Filter::eq("name", "x")).unwrap(), 900);
    assert_eq!(fake.log().iter().filter(|c| !c.starts_with("getMore")).count(), 2);
    assert_eq!(store.count_nodes(&Roi::unbounded(2), &Filter::eq("other", 1_i64)).unwrap(), 0);
    assert_eq!(fake.log(), ["count nodes"]);
}

#[test]
fn ten_thousand_are_asked_for_at_once_and_one_more_is_another_question() {
    let fake = Fake::start();
    let place = Place { uri: fake.uri(), name: "d".into() };
    let (raw, most) = (place.raw(), 10_000_i64);
    let nodes = raw.collection::<Document>("nodes");
    raw.collection::<Document>("meta").insert_one(doc! { "directed": true }).run().unwrap();
    nodes.insert_many((0..=most).map(|id| doc! { "id": id, "position": [0, 0] })).run().unwrap();
    let sizes = [most - 1, most].map(|id| doc! { "id": id, "size": id });
    raw.collection::<Document>("nodes_sizes").insert_many(sizes).run().unwrap();
    let store = opened(&place);
    for questions in [2, 1] {
        fake.log();
        let query = Query::new(Roi::unbounded(2)).edges_by(EdgesBy::Nothing).node_attrs(["size"]);
        let read = store.read(&query).unwrap();
        let last = read.nodes().last().unwrap();
        assert_eq!(last.attrs, Attrs::new().with("size", last.id.to_bits()));
        assert_eq!(
            (last.id.to_bits(), read.num_nodes()),
            (most - 2 + questions, last.id.0 as usize + 1)
        );
        let log = fake.log();
        let asked = log.iter().filter(|command| *command == "find nodes_sizes");
        assert_eq!(asked.count() as i64, questions);
        nodes.delete_one(doc! { "id": most }).run().unwrap();
    }
}
