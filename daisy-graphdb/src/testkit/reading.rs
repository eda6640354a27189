//! What is read: everything in a ROI, exactly, and nothing else.

use daisy_geometry::{Coordinate, Roi};

use super::{Database, at, create, everything, graph, id, ids, node, pairs, put, roi, schema};
use crate::{
    AttrType, Attrs, Edge, EdgesBy, Filter, GraphError, Node, Query, Schema, Value, Write,
};

/// Attributes of every type.
fn all_attrs() -> Attrs {
    Attrs::new()
        .with("flag", true)
        .with("count", i64::MIN)
        .with("label", u64::MAX)
        .with("score", f64::NEG_INFINITY)
        .with("name", "O'Brien \"ä\" \\ % $1 ?1 {$gt: ''}; DROP TABLE nodes; --")
        .with("raw", vec![0_u8, 255, 39])
        .with("offsets", [i64::MIN, i64::MAX])
        .with("labels", [0_u64, u64::MAX, 1 << 63])
        .with("direction", [0.1, -0.0, f64::MAX])
}

/// A graph is read as it was written.
pub fn a_graph_is_read_as_it_was_written(database: &dyn Database) {
    let store = create(database, schema());
    let nodes = [
        Node { attrs: all_attrs(), ..node(1, -3.25, 7.5) },
        node(2, 12.0, 1e-300),
        node(3, 0.0, 0.0).with("name", "").with("raw", Vec::<u8>::new()).with("flag", false),
    ];
    let edges = [Edge { attrs: all_attrs(), ..Edge::new(1, 2) }, Edge::new(3, 3)];
    let written = graph(&*store, nodes, edges);
    let outcome = store.write(&written, &Write::upsert()).unwrap();
    assert_eq!((outcome.written.nodes, outcome.written.edges), (3, 2));
    assert_eq!(everything(&*store), written);
    let again = database.open(crate::Open::Read).unwrap();
    assert_eq!(everything(&*again), written);
}

/// Ids and numbers reach 2 to the 64.
pub fn ids_and_numbers_reach_2_to_the_64(database: &dyn Database) {
    let store = create(database, schema());
    let numbers = [0, 1, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];
    let nodes = numbers.map(|number| node(number, 1.0, 1.0).with("label", number));
    put(&*store, nodes, numbers.map(|number| Edge::new(number, u64::MAX)));
    let all = everything(&*store);
    assert_eq!(ids(&all), numbers);
    assert_eq!(pairs(&all), numbers.map(|number| (number, u64::MAX)));
    for bound in numbers {
        let query = |filter| Query::new(Roi::unbounded(2)).nodes(filter);
        let found = |filter| ids(&store.read(&query(filter)).unwrap());
        let expect = |is: fn(&u64, &u64) -> bool| -> Vec<u64> {
            numbers.into_iter().filter(|number| is(number, &bound)).collect()
        };
        assert_eq!(found(Filter::lt("label", bound)), expect(|n, b| n < b));
        assert_eq!(found(Filter::le("label", bound)), expect(|n, b| n <= b));
        assert_eq!(found(Filter::gt("label", bound)), expect(|n, b| n > b));
        assert_eq!(found(Filter::ge("label", bound)), expect(|n, b| n >= b));
        assert_eq!(found(Filter::eq("label", bound)), [bound]);
        assert_eq!(found(Filter::ne("label", bound)), expect(|n, b| n != b));
    }
}

/// Positions may have one axis.
pub fn positions_may_have_one_axis(database: &dyn Database) {
    let store = create(database, Schema::new(Coordinate::new([10])).unwrap());
    let along = [-10.0, -0.5, 0.0, 9.5, 10.0];
    let nodes = (0_u64..).zip(along).map(|(id, x)| Node::new(id, at([x])));
    put(&*store, nodes, []);
    let read = store.read(&Query::new(Roi::new([-10], [20]).unwrap())).unwrap();
    assert_eq!(ids(&read), [0, 1, 2, 3]);
    assert_eq!(read.node(id(1)).unwrap().position, at([-0.5]));
}

/// A roi is half open and may be unbounded on any axis.
pub fn a_roi_is_half_open_and_may_be_unbounded_on_any_axis(database: &dyn Database) {
    let store = create(database, schema());
    let places = [-1e12, -10.0, -0.5, 0.0, 9.999, 10.0, 1e12];
    let all = places.iter().flat_map(|y| places.iter().map(move |x| (*y, *x)));
    let nodes: Vec<_> = (0..).zip(all).map(|(id, (y, x))| node(id, y, x)).collect();
    put(&*store, nodes.clone(), []);
    let axes = [None, Some((0, 10)), Some((-10, 10)), Some((-10, 0)), Some((5, -3))];
    let all_axes = axes.iter().flat_map(|y| axes.iter().map(move |x| [*y, *x]));
    let rois = all_axes.map(|axes| Roi::from_axes(axes).unwrap());
    for roi in rois.chain([Roi::empty(2)]) {
        let inside = nodes.iter().filter(|node| node.position.is_in(&roi));
        let expected: Vec<_> = inside.map(|node| node.id.0).collect();
        assert_eq!(ids(&store.read(&Query::new(roi.clone())).unwrap()), expected, "{roi}");
        let count = store.count_nodes(&roi, &Filter::All).unwrap();
        assert_eq!(count, expected.len() as u64, "{roi}");
    }
}

/// Bounds beyond 2 to the 53 are exact.
pub fn bounds_beyond_2_to_the_53_are_exact(database: &dyn Database) {
    let store = create(database, schema());
    let bound = (1_i64 << 53) + 1; // no f64: the neighbours are one below and one above
    let (below, above) = (9_007_199_254_740_992.0, 9_007_199_254_740_994.0);
    put(&*store, [node(1, below, 0.0), node(2, above, 0.0)], [Edge::new(1, 2), Edge::new(2, 1)]);
    let (low, high) = (roi([0, 0], [bound, 1]), roi([bound, 0], [Roi::LIMIT, 1]));
    for (roi, inside) in [(low, 1), (high, 2)] {
        assert_eq!(ids(&store.read(&Query::new(roi.clone())).unwrap()), [inside]);
        assert_eq!(store.count_nodes(&roi, &Filter::All).unwrap(), 1);
        assert_eq!(store.delete(&roi).unwrap(), crate::Count { nodes: 1, edges: 1 });
    }
}

/// Edges are selected by first either or both ends.
pub fn edges_are_selected_by_first_either_or_both_ends(database: &dyn Database) {
    let store = create(database, schema());
    let nodes = [node(1, 0.0, 0.0), node(2, 5.0, 5.0), node(3, 50.0, 0.0), node(4, 0.0, 50.0)];
    let edges = [(1, 2), (1, 3), (3, 1), (3, 4), (2, 2), (4, 2), (2, 99)];
    put(&*store, nodes, edges.map(|(u, v)| Edge::new(u, v)));
    let read = |by| store.read(&Query::new(roi([0, 0], [10, 10])).edges_by(by)).unwrap();
    assert_eq!(pairs(&read(EdgesBy::Nothing)), []);
    assert_eq!(pairs(&read(EdgesBy::FirstEnd)), [(1, 2), (1, 3), (2, 2), (2, 99)]);
    assert_eq!(pairs(&read(EdgesBy::BothEnds)), [(1, 2), (2, 2)]);
    let either = read(EdgesBy::EitherEnd);
    assert_eq!(pairs(&either), [(1, 2), (1, 3), (2, 2), (2, 99), (3, 1), (4, 2)]);
    assert_eq!(ids(&either), [1, 2]); // the far ends are only named
    assert_eq!(either.connected_components().len(), 1);
    // An end that the filter leaves out is not inside.
    let alone = Query::new(roi([0, 0], [10, 10])).nodes(Filter::present("name"));
    assert!(store.read(&alone).unwrap().is_empty());
}

/// Filters mean what they say and never become part of a query.
pub fn filters_mean_what_they_say_and_never_become_part_of_a_query(database: &dyn Database) {
    let store = create(database, schema());
    let names = ["a", "b", "O'Brien", "x' OR '1'='1", "\"; DROP TABLE nodes; --", "{\"$ne\": 1}"];
    let mut nodes: Vec<_> = (0_u32..)
        .zip(names)
        .map(|(n, name)| {
            let node = node(u64::from(n), f64::from(n), 0.0).with("name", name);
            let node = node.with("count", i64::from(n) - 2).with("score", f64::from(n) / 2.0);
            node.with("flag", n % 2 == 0).with("raw", vec![1, 0_u8]).with("labels", [1_u64, 2, 3])
        })
        .collect();
    nodes.push(node(6, 0.0, 0.0)); // nothing has a value
    let edges =
        nodes.iter().map(|node| Edge { attrs: node.attrs.clone(), ..Edge::new(node.id, 0) });
    put(&*store, nodes.clone(), edges);
    let mut filters = vec![
        Filter::All,
        Filter::And(vec![]),
        Filter::Or(vec![]),
        Filter::present("name"),
        !Filter::present("name"),
        Filter::is_in("name", ["a", "O'Brien", "nobody"]),
        Filter::is_in::<i64>("count", []),
        Filter::is_in("label", [u64::MAX]),
        Filter::is_in("flag", [true]),
        Filter::eq("raw", vec![1, 0_u8]),
        Filter::ne("raw", vec![1, 0_u8]),
        Filter::is_in("raw", [vec![2_u8]]),
        Filter::eq("labels", [1_u64, 2, 3]),
        Filter::ne("labels", [1_u64, 2, 4]),
        Filter::is_in("labels", [[1_u64, 2, 3]]),
        !(Filter::lt("count", 0_i64) | Filter::eq("flag", false)),
        Filter::ge("score", 0.5) & Filter::le("score", 1.5) & !Filter::eq("name", "b"),
        Filter::lt("score", f64::INFINITY),
        Filter::gt("name", "Z"),
        Filter::le("name", "O'Brien"),
    ];
    filters.extend(
        names.iter().flat_map(|name| [Filter::eq("name", *name), !Filter::ne("name", *name)]),
    );
    for filter in filters {
        let expected: Vec<_> =
            nodes.iter().filter(|node| filter.matches(&node.attrs)).map(|node| node.id.0).collect();
        let everywhere = Roi::unbounded(2);
        let query = Query::new(everywhere.clone());
        let read = store.read(&query.clone().nodes(filter.clone())).unwrap();
        assert_eq!(ids(&read), expected, "{filter:?}");
        let count = store.count_nodes(&everywhere, &filter).unwrap();
        assert_eq!(count, expected.len() as u64, "{filter:?}");
        let read = store.read(&query.edges(filter.clone())).unwrap();
        let expected: Vec<_> = expected.into_iter().map(|id| (id, 0)).collect();
        assert_eq!(pairs(&read), expected, "{filter:?}");
    }
}

/// Names of attributes may be any text.
pub fn names_of_attributes_may_be_any_text(database: &dyn Database) {
    let names = [
        "id",
        "cell",
        "u",
        "v",
        "position",
        "attr_0",
        "p0",
        "Size",
        "size",
        "it's",
        "a\"b",
        "$gt",
        "a.b",
        "x; DROP TABLE nodes",
        "größe",
        "select",
        "a b",
        "_id",
    ];
    let schema =
        names.into_iter().fold(Schema::new(Coordinate::new([10, 10])).unwrap(), |s, name| {
            let s = s.node_attr(name, AttrType::I64).unwrap();
            s.edge_attr(name, AttrType::I64).unwrap()
        });
    let store = create(database, schema);
    let attrs: Attrs = names.into_iter().zip(0_i64..).collect();
    let edge = Edge { attrs: attrs.clone(), ..Edge::new(1, 2) };
    let written = graph(&*store, [Node { attrs, ..node(1, 0.0, 0.0) }], [edge]);
    store.write(&written, &Write::upsert()).unwrap();
    assert_eq!(everything(&*store), written);
    for (name, value) in names.into_iter().zip(0_i64..) {
        let query = |value| {
            let filter = Filter::eq(name, value);
            Query::new(Roi::unbounded(2)).nodes(filter.clone()).edges(filter)
        };
        assert_eq!(store.read(&query(value)).unwrap(), written, "{name}");
        assert!(store.read(&query(value + 1)).unwrap().is_empty(), "{name}");
    }
    assert_eq!(store.update_attrs(&written, &names).unwrap(), crate::Count { nodes: 1, edges: 1 });
}

/// Only chosen attributes are read.
pub fn only_chosen_attributes_are_read(database: &dyn Database) {
    let store = create(database, schema());
    let edge = Edge { attrs: all_attrs(), ..Edge::new(1, 1) };
    put(&*store, [Node { attrs: all_attrs(), ..node(1, 0.0, 0.0) }], [edge]);
    let query = Query::new(Roi::unbounded(2)).nodes(Filter::eq("flag", true));
    let query = query.node_attrs(["score", "label", "score"]).edge_attrs(Vec::<String>::new());
    let read = store.read(&query).unwrap();
    let attrs = &read.node(id(1)).unwrap().attrs;
    assert_eq!(attrs.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["label", "score"]);
    assert_eq!(attrs.value("label"), Some(&Value::U64(u64::MAX)));
    assert_eq!(read.edge(id(1), id(1)), Some(&Edge::new(1, 1)));
}

/// A stream gives every node and edge once.
pub fn a_stream_gives_every_node_and_edge_once(database: &dyn Database) {
    let store = create(database, schema());
    let nodes = (0..40_u32).map(|n| node(u64::from(n), f64::from(n % 7) * 5.0, f64::from(n)));
    let edges = (0..40).flat_map(|n| [1, 13].map(|step| Edge::new(n, (n + step) % 40)));
    put(&*store, nodes, edges);
    for by in [EdgesBy::Nothing, EdgesBy::FirstEnd, EdgesBy::EitherEnd, EdgesBy::BothEnds] {
        let query = Query::new(roi([0, 0], [20, 33])).edges_by(by);
        let whole = store.read(&query).unwrap();
        for batch in [1, 3, 1_000] {
            let (mut nodes, mut edges) = (Vec::new(), Vec::new());
            store
                .stream(&query, batch, &mut |graph| {
                    assert!(graph.num_nodes() <= batch && graph.num_nodes() > 0);
                    nodes.extend(ids(&graph));
                    edges.extend(pairs(&graph));
                    Ok(())
                })
                .unwrap();
            nodes.sort_unstable();
            edges.sort_unstable();
            assert_eq!((nodes, edges), (ids(&whole), pairs(&whole)), "{by:?} by {batch}");
        }
    }
    let mut batches = 0;
    let stopped = store.stream(&Query::new(Roi::unbounded(2)), 10, &mut |_| {
        batches += 1;
        Err(GraphError::Stopped)
    });
    assert!(matches!(stopped, Err(GraphError::Stopped)) && batches == 1);
}

/// Nodes are counted and edges found in the database.
pub fn nodes_are_counted_and_edges_found_in_the_database(database: &dyn Database) {
    let store = create(database, schema());
    assert!(!store.has_edges(&Roi::unbounded(2)).unwrap());
    let nodes = [node(1, 0.0, 0.0).with("score", 0.5), node(2, 0.0, 5.0), node(3, 40.0, 0.0)];
    put(&*store, nodes, [Edge::new(3, 1), Edge::new(3, 2)]);
    let near = roi([0, 0], [10, 10]);
    assert_eq!(store.count_nodes(&near, &Filter::All).unwrap(), 2);
    assert_eq!(store.count_nodes(&near, &Filter::ge("score", 0.5)).unwrap(), 1);
    assert!(!store.has_edges(&near).unwrap()); // they belong to node 3
    assert!(store.has_edges(&Roi::from_axes([Some((40, 1)), None]).unwrap()).unwrap());
    assert!(!store.has_edges(&Roi::empty(2)).unwrap());
}
