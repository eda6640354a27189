//! Opening, and what is refused whatever is stored.

use daisy_geometry::{Coordinate, Roi};

use super::{Database, create, everything, graph, node, put, roi, schema};
use crate::{
    AttrType, BlockLease, Edge, Field, Filter, GraphError, Node, Open, Position, Query, Schema,
    SubGraph, Write,
};

/// A store that is not there is not opened.
pub fn a_store_that_is_not_there_is_not_opened(database: &dyn Database) {
    for open in [Open::Read, Open::ReadWrite] {
        let error = database.open(open).err().expect("there is nothing to open");
        assert!(matches!(error, GraphError::NotFound { .. }), "{error}");
    }
    create(database, schema());
    for open in [Open::Read, Open::ReadWrite, Open::Create(schema())] {
        assert_eq!(database.open(open).unwrap().schema(), &schema());
    }
}

/// Another schema is refused with the difference.
pub fn another_schema_is_refused_with_the_difference(database: &dyn Database) {
    let made = schema().total_roi(roi([-50, 0], [50, 100])).unwrap();
    create(database, made.clone());
    let other = made.clone().undirected().node_attr("it's new", AttrType::U64).unwrap();
    let Err(GraphError::SchemaDiffers { differences, .. }) = database.open(Open::Create(other))
    else {
        panic!("another schema was not refused")
    };
    let fields: Vec<_> = differences.iter().map(|difference| difference.field).collect();
    assert_eq!(fields, [Field::Directed, Field::NodeAttrs]);
    assert_eq!(database.open(Open::ReadWrite).unwrap().schema(), &made);
}

/// A store opened for reading refuses every change.
pub fn a_store_opened_for_reading_refuses_every_change(database: &dyn Database) {
    let writable = create(database, schema());
    put(&*writable, [node(1, 0.0, 0.0)], []);
    let store = database.open(Open::Read).unwrap();
    let graph = graph(&*store, [node(2, 0.0, 0.0)], []);
    let block = BlockLease { run: "r", task: "t", block: 0, lease: 0 };
    let everywhere = Roi::unbounded(2);
    let write = Write::upsert();
    let refusals = [
        store.write(&graph, &write).err(),
        store.update_attrs(&graph, &["name"]).err(),
        store.delete(&everywhere).err(),
        store.bulk_load(&mut [graph.clone()].into_iter()).err(),
        store.begin_block(&block).err(),
        store.commit_block(&block, &graph, &write).err(),
        store.forget("t", &[]).err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Some(GraphError::ReadOnly)), "{refusal:?}");
    }
    assert_eq!(everything(&*store), everything(&*writable));
    assert_eq!(store.count_nodes(&everywhere, &Filter::All).unwrap(), 1);
}

/// What does not fit the schema is refused and nothing is written.
pub fn what_does_not_fit_the_schema_is_refused_and_nothing_is_written(database: &dyn Database) {
    let store = create(database, schema().total_roi(roi([0, 0], [100, 100])).unwrap());
    let refuse = |spoiled: Node, edges: &[Edge]| {
        let graph = graph(&*store, [node(1, 5.0, 5.0), spoiled], edges.iter().cloned());
        store.write(&graph, &Write::upsert()).expect_err("it does not fit the schema")
    };
    let fine = node(2, 1.0, 1.0);
    let flat = Node::new(2, Position::new([1.0]).unwrap());
    assert!(matches!(refuse(flat, &[]), GraphError::PositionDims { expected: 2, found: 1 }));
    let outside = node(2, 100.0, 1.0);
    assert!(matches!(refuse(outside, &[]), GraphError::OutsideTotal { .. }));
    let error = refuse(fine.clone().with("nmae", "x"), &[]);
    assert!(matches!(error, GraphError::UnknownAttribute { .. }));
    let error = refuse(fine.clone().with("label", 1_i64), &[]);
    assert!(matches!(error, GraphError::AttributeType { .. }));
    let error = refuse(fine.clone().with("direction", [0.0, 1.0]), &[]);
    assert!(matches!(error, GraphError::AttributeType { .. }));
    let error = refuse(fine.clone().with("score", f64::NAN), &[]);
    assert!(matches!(error, GraphError::Unstorable { .. }));
    let error = refuse(fine.clone(), &[Edge::new(1, 2).with("name", "a\0b")]);
    assert!(matches!(error, GraphError::Unstorable { .. }));
    let wrong_kind = store.write(&SubGraph::undirected(), &Write::upsert());
    assert!(matches!(wrong_kind, Err(GraphError::Directedness { expected: true })));
    let flat = Write::upsert().within(Roi::unbounded(1));
    assert!(matches!(
        store.write(&SubGraph::directed(), &flat),
        Err(GraphError::PositionDims { .. })
    ));
    assert!(store.read(&Query::new(Roi::unbounded(3))).is_err());
    assert!(store.read(&Query::new(Roi::unbounded(2)).node_attrs(["nmae"])).is_err());
    assert!(store.count_nodes(&Roi::unbounded(2), &Filter::eq("nmae", 1.0)).is_err());
    assert!(store.update_attrs(&SubGraph::directed(), &["nmae"]).is_err());
    assert!(everything(&*store).is_empty());
    assert!(Schema::new(Coordinate::new([])).is_err());
}
