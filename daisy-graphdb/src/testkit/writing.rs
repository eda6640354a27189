//! What is written, replaced, updated and deleted.

use daisy_geometry::Roi;

use super::{Database, create, everything, graph, id, ids, node, pairs, put, roi, schema};
use crate::{Attrs, Count, Edge, EdgesBy, GraphError, Query, SubGraph, Value, Write};

/// Upsert replaces what is stored.
pub fn upsert_replaces_what_is_stored(database: &dyn Database) {
    let store = create(database, schema());
    let old = node(1, 0.0, 0.0).with("name", "old").with("score", 1.0);
    put(&*store, [old], [Edge::new(1, 1).with("name", "old").with("score", 1.0)]);
    let new = node(1, 1.0, 0.0).with("name", "new");
    put(&*store, [new.clone()], [Edge::new(1, 1).with("name", "new")]);
    let read = everything(&*store);
    assert_eq!(read.node(id(1)), Some(&new)); // the score is gone, the position another
    assert_eq!(read.edge(id(1), id(1)), Some(&Edge::new(1, 1).with("name", "new")));
    assert_eq!((read.num_nodes(), read.num_edges()), (1, 1));
}

/// Insert only fails if something exists and only then.
pub fn insert_only_fails_if_something_exists_and_only_then(database: &dyn Database) {
    let store = create(database, schema());
    let insert = |graph: &SubGraph| store.write(graph, &Write::insert_only());
    let first = graph(&*store, [node(1, 0.0, 0.0)], [Edge::new(1, 2)]);
    assert_eq!(insert(&first).unwrap().written, Count { nodes: 1, edges: 1 });
    let again = graph(&*store, [node(0, 0.0, 0.0), node(1, 0.0, 0.0).with("name", "x")], []);
    assert!(matches!(insert(&again), Err(GraphError::NodeExists { id }) if id.0 == 1));
    let again = graph(&*store, [node(3, 0.0, 0.0)], [Edge::new(3, 3), Edge::new(1, 2)]);
    assert!(matches!(insert(&again), Err(GraphError::EdgeExists { u, v }) if (u.0, v.0) == (1, 2)));
    assert_eq!(everything(&*store), first);
    let fresh = graph(&*store, [node(4, 0.0, 0.0)], [Edge::new(1, 4), Edge::new(2, 1)]);
    assert!(matches!(insert(&fresh), Err(GraphError::UnknownEndpoint { .. })));
    let fresh = graph(&*store, [node(4, 0.0, 0.0)], [Edge::new(1, 4), Edge::new(4, 1)]);
    assert_eq!(insert(&fresh).unwrap().written, Count { nodes: 1, edges: 2 });
}

/// Update only fails if something is missing and only then.
pub fn update_only_fails_if_something_is_missing_and_only_then(database: &dyn Database) {
    let store = create(database, schema());
    put(&*store, [node(1, 0.0, 0.0)], [Edge::new(1, 1)]);
    let before = everything(&*store);
    let update = |graph: &SubGraph| store.write(graph, &Write::update_only());
    let missing = graph(&*store, [node(1, 5.0, 0.0), node(2, 0.0, 0.0)], []);
    assert!(matches!(update(&missing), Err(GraphError::NodeMissing { id }) if id.0 == 2));
    let missing = graph(&*store, [node(1, 5.0, 0.0)], [Edge::new(1, 1), Edge::new(1, 2)]);
    assert!(matches!(update(&missing), Err(GraphError::EdgeMissing { .. })));
    assert_eq!(everything(&*store), before);
    let there = graph(&*store, [node(1, 5.0, 0.0)], [Edge::new(1, 1).with("score", 2.0)]);
    assert_eq!(update(&there).unwrap().written, Count { nodes: 1, edges: 1 });
    assert_eq!(everything(&*store), there);
}

/// A block that is written again leaves nothing of the first time.
pub fn a_block_that_is_written_again_leaves_nothing_of_the_first_time(database: &dyn Database) {
    let store = create(database, schema());
    let (left, right) = (roi([0, 0], [10, 10]), roi([0, 10], [10, 20]));
    let nodes = [node(11, 1.0, 11.0), node(12, 1.0, 19.0)];
    let neighbour = graph(&*store, nodes, [Edge::new(11, 1), Edge::new(12, 2)]);
    store.write(&neighbour, &Write::replace(right)).unwrap();
    let first = graph(
        &*store,
        [node(1, 0.0, 0.0), node(2, 9.0, 9.0), node(3, 5.0, 5.0), node(11, 1.0, 11.0)],
        [Edge::new(1, 2), Edge::new(2, 11), Edge::new(3, 1)],
    );
    let written = store.write(&first, &Write::replace(left.clone())).unwrap();
    assert_eq!(written.written, Count { nodes: 3, edges: 3 }); // node 11 lies outside
    let second = graph(&*store, [node(1, 0.0, 1.0), node(4, 2.0, 2.0)], [Edge::new(4, 12)]);
    let written = store.write(&second, &Write::replace(left.clone())).unwrap();
    assert_eq!(written.deleted, Count { nodes: 3, edges: 3 });
    assert_eq!(written.written, Count { nodes: 2, edges: 1 });
    let read = everything(&*store);
    assert_eq!(ids(&read), [1, 4, 11, 12]);
    assert_eq!(pairs(&read), [(4, 12), (11, 1), (12, 2)]); // those of the neighbour stay
    store.write(&second, &Write::replace(left.clone())).unwrap();
    assert_eq!(everything(&*store), read);
    // An edge of a node that is deleted and not given again has no owner.
    let orphan = graph(&*store, [], [Edge::new(4, 12)]);
    let refused = store.write(&orphan, &Write::replace(left));
    assert!(matches!(refused, Err(GraphError::UnknownEndpoint { .. })));
    assert_eq!(everything(&*store), read);
}

/// Nodes alone or edges alone are replaced.
pub fn nodes_alone_or_edges_alone_are_replaced(database: &dyn Database) {
    let store = create(database, schema());
    let left = roi([0, 0], [10, 10]);
    let nodes = [node(1, 0.0, 0.0), node(2, 9.0, 9.0), node(11, 1.0, 11.0)];
    put(&*store, nodes, [Edge::new(1, 2), Edge::new(2, 11), Edge::new(11, 1)]);

    let kept = graph(&*store, [node(2, 8.0, 8.0), node(3, 5.0, 5.0)], [Edge::new(3, 2)]);
    let written = store.write(&kept, &Write::replace_nodes(left.clone())).unwrap();
    assert_eq!(written.deleted, Count { nodes: 1, edges: 1 });
    assert_eq!(written.written, Count { nodes: 2, edges: 0 });
    assert_eq!(ids(&everything(&*store)), [2, 3, 11]);
    assert_eq!(pairs(&everything(&*store)), [(2, 11), (11, 1)]); // 2 keeps its own, 1 is gone

    // Node 3 is not written, so that it stays where it is stored.
    let given = graph(&*store, [node(3, 50.0, 50.0)], [Edge::new(3, 11), Edge::new(11, 2)]);
    let written = store.write(&given, &Write::replace_edges(left.clone())).unwrap();
    assert_eq!(written.deleted, Count { nodes: 0, edges: 1 });
    assert_eq!(written.written, Count { nodes: 0, edges: 1 }); // 11 lies outside
    assert_eq!(ids(&everything(&*store)), [2, 3, 11]);
    assert_eq!(pairs(&everything(&*store)), [(3, 11), (11, 1)]);

    let unknown = graph(&*store, [node(9, 1.0, 1.0)], [Edge::new(9, 1)]);
    let refused = store.write(&unknown, &Write::replace_edges(left));
    assert!(matches!(refused, Err(GraphError::UnknownEndpoint { .. })));
    assert_eq!(pairs(&everything(&*store)), [(3, 11), (11, 1)]);
}

/// An edge needs its first endpoint and not its second.
pub fn an_edge_needs_its_first_endpoint_and_not_its_second(database: &dyn Database) {
    let store = create(database, schema());
    put(&*store, [node(1, 3.0, 4.0)], []);
    put(&*store, [], [Edge::new(1, 7)]); // the first endpoint is stored, the second is to come
    let nobodys = graph(&*store, [node(2, 0.0, 0.0)], [Edge::new(7, 1)]);
    let refused = store.write(&nobodys, &Write::upsert());
    assert!(matches!(refused, Err(GraphError::UnknownEndpoint { u, .. }) if u.0 == 7));
    assert_eq!(ids(&everything(&*store)), [1]);
    assert_eq!(pairs(&everything(&*store)), [(1, 7)]);
    put(&*store, [node(7, 50.0, 50.0)], []);
    let at_7 = Query::new(roi([50, 50], [51, 51])).edges_by(EdgesBy::EitherEnd);
    assert_eq!(pairs(&store.read(&at_7).unwrap()), [(1, 7)]);
}

/// Only what lies within is written.
pub fn only_what_lies_within_is_written(database: &dyn Database) {
    let store = create(database, schema());
    let block = Write::upsert().within(roi([0, 0], [10, 10]));
    let nodes = [node(1, 0.0, 0.0), node(2, 10.0, 0.0), node(3, 9.5, 9.5)];
    let given = graph(&*store, nodes, [Edge::new(1, 2), Edge::new(2, 1), Edge::new(3, 99)]);
    let written = store.write(&given, &block).unwrap().written;
    assert_eq!(written, Count { nodes: 2, edges: 2 });
    assert_eq!(ids(&everything(&*store)), [1, 3]);
    assert_eq!(pairs(&everything(&*store)), [(1, 2), (3, 99)]);
}

/// An undirected edge is one in both orders.
pub fn an_undirected_edge_is_one_in_both_orders(database: &dyn Database) {
    let store = create(database, schema().undirected());
    let nodes = [node(1, 0.0, 0.0), node(2, 50.0, 50.0)];
    put(&*store, nodes, [Edge::new(2, 1).with("score", 1.0)]);
    // It is found by the ROI of its first endpoint as given, whichever is smaller.
    let first = |begin: i64| Query::new(roi([begin, begin], [begin + 5, begin + 5]));
    assert_eq!(pairs(&store.read(&first(50)).unwrap()), [(2, 1)]);
    assert_eq!(pairs(&store.read(&first(0)).unwrap()), []);
    let either = store.read(&first(0).edges_by(EdgesBy::EitherEnd)).unwrap();
    assert_eq!(either.edge(id(1), id(2)), Some(&Edge::new(2, 1).with("score", 1.0)));

    let turned = graph(&*store, [], [Edge::new(1, 2).with("score", 2.0)]);
    let refused = store.write(&turned, &Write::insert_only());
    assert!(matches!(refused, Err(GraphError::EdgeExists { .. })));
    assert_eq!(store.update_attrs(&turned, &["score"]).unwrap(), Count { nodes: 0, edges: 1 });
    let read = everything(&*store);
    assert_eq!(read.edge(id(1), id(2)), Some(&Edge::new(2, 1).with("score", 2.0)));
    store.write(&turned, &Write::update_only()).unwrap();
    assert_eq!(pairs(&everything(&*store)), [(1, 2)]); // the last one given, as given
    put(&*store, [], [Edge::new(2, 1), Edge::new(1, 1)]);
    assert_eq!(pairs(&everything(&*store)), [(1, 1), (2, 1)]);
}

/// A directed pair has two edges.
pub fn a_directed_pair_has_two_edges(database: &dyn Database) {
    let store = create(database, schema());
    put(&*store, [node(1, 0.0, 0.0), node(2, 5.0, 5.0)], [Edge::new(1, 2)]);
    let turned = graph(&*store, [], [Edge::new(2, 1).with("score", 2.0)]);
    assert_eq!(store.update_attrs(&turned, &["score"]).unwrap(), Count { nodes: 0, edges: 0 });
    let refused = store.write(&turned, &Write::update_only());
    assert!(matches!(refused, Err(GraphError::EdgeMissing { .. })));
    store.write(&turned, &Write::insert_only()).unwrap();
    let read = everything(&*store);
    assert_eq!(pairs(&read), [(1, 2), (2, 1)]);
    assert_eq!(read.edge(id(1), id(2)), Some(&Edge::new(1, 2)));
}

/// A node that moves takes its edges along.
pub fn a_node_that_moves_takes_its_edges_along(database: &dyn Database) {
    let store = create(database, schema());
    let edges = [Edge::new(1, 2).with("score", 0.5), Edge::new(2, 1)];
    put(&*store, [node(1, 0.0, 0.0), node(2, 0.0, 0.0)], edges);
    put(&*store, [node(1, 500.0, 500.0)], []);
    let there = roi([500, 500], [510, 510]);
    let read = store.read(&Query::new(there.clone())).unwrap();
    assert_eq!(read.edge(id(1), id(2)), Some(&Edge::new(1, 2).with("score", 0.5)));
    assert_eq!(pairs(&store.read(&Query::new(roi([0, 0], [10, 10]))).unwrap()), [(2, 1)]);
    put(&*store, [], [Edge::new(1, 2).with("score", 0.75)]); // the same edge, not a second one
    assert_eq!(everything(&*store).num_edges(), 2);
    assert_eq!(store.delete(&there).unwrap(), Count { nodes: 1, edges: 1 });
}

/// Attributes are updated one by one.
pub fn attributes_are_updated_one_by_one(database: &dyn Database) {
    let store = create(database, schema());
    let attrs = || Attrs::new().with("name", "old").with("score", 1.0).with("count", 1_i64);
    let nodes = [1, 2].map(|id| crate::Node { attrs: attrs(), ..node(id, 0.0, 0.0) });
    put(&*store, nodes, [Edge { attrs: attrs(), ..Edge::new(1, 2) }]);
    let changed = graph(
        &*store,
        [node(1, 99.0, 99.0).with("score", 2.0).with("name", "new"), node(3, 0.0, 0.0)],
        [Edge::new(1, 2).with("count", -1_i64), Edge::new(3, 1)],
    );
    let count = store.update_attrs(&changed, &["score", "count"]).unwrap();
    assert_eq!(count, Count { nodes: 1, edges: 1 }); // the others are not stored
    let read = everything(&*store);
    let one = node(1, 0.0, 0.0).with("name", "old").with("score", 2.0);
    assert_eq!(read.node(id(1)), Some(&one)); // it stays where it is; it has no count now
    assert_eq!(read.node(id(2)).unwrap().attrs, attrs());
    let edge = read.edge(id(1), id(2)).unwrap();
    assert_eq!(edge.attrs, Attrs::new().with("name", "old").with("count", -1_i64));
    assert_eq!(read.num_nodes(), 2);
    assert_eq!(store.update_attrs(&changed, &[]).unwrap(), Count::default());
    assert_eq!(read.node(id(1)).unwrap().attrs.value("score"), Some(&Value::F64(2.0)));
}

/// What lies in a roi is deleted with the edges it owns.
pub fn what_lies_in_a_roi_is_deleted_with_the_edges_it_owns(database: &dyn Database) {
    let store = create(database, schema());
    let nodes = [node(1, 0.0, 0.0), node(2, 9.5, 9.5), node(3, 10.0, 0.0)];
    put(&*store, nodes, [Edge::new(1, 2), Edge::new(2, 3), Edge::new(3, 1), Edge::new(3, 3)]);
    assert_eq!(store.delete(&Roi::empty(2)).unwrap(), Count::default());
    let deleted = store.delete(&Roi::from_axes([Some((-90, 100)), None]).unwrap()).unwrap();
    assert_eq!(deleted, Count { nodes: 2, edges: 2 });
    assert_eq!(ids(&everything(&*store)), [3]);
    assert_eq!(pairs(&everything(&*store)), [(3, 1), (3, 3)]);
    assert_eq!(store.delete(&Roi::unbounded(2)).unwrap(), Count { nodes: 1, edges: 2 });
    assert!(everything(&*store).is_empty());
}

/// A bulk load is all there.
pub fn a_bulk_load_is_all_there(database: &dyn Database) {
    let store = create(database, schema());
    let part = |block: u32| {
        let first = u64::from(block) * 100;
        let nodes = (0..100_u32).map(|n| {
            let node = node(first + u64::from(n), f64::from(n), f64::from(block) * 10.0);
            node.with("label", first).with("direction", [0.5, f64::from(n), -1.0])
        });
        let edges = (0..100).map(|n| Edge::new(first + n, first + n + 1).with("flag", true));
        graph(&*store, nodes, edges)
    };
    let count = store.bulk_load(&mut (0..5).map(part)).unwrap();
    assert_eq!(count, Count { nodes: 500, edges: 500 });
    let third = store.read(&Query::new(roi([0, 20], [100, 30]))).unwrap();
    assert_eq!(third, part(2));
    let refused = store.bulk_load(&mut [part(7), part(4)].into_iter());
    assert!(matches!(refused, Err(GraphError::NodeExists { .. })));
    assert_eq!(everything(&*store).num_nodes(), 600); // the graph before the refused one is there
}

/// A graph that is larger than a message of any database is written.
pub fn a_graph_of_many_megabytes_is_written(database: &dyn Database) {
    let store = create(database, schema());
    let raw = vec![7_u8; 1 << 20];
    let nodes = (0..20).map(|id| node(id, 0.0, 0.0).with("raw", raw.clone()));
    let edges = (0..20).map(|id| Edge::new(id, 0).with("raw", raw.clone()));
    let large = graph(&*store, nodes, edges);
    store.write(&large, &Write::insert_only()).unwrap();
    assert_eq!(store.update_attrs(&large, &["raw"]).unwrap(), Count { nodes: 20, edges: 20 });
    assert!(everything(&*store) == large);
}
