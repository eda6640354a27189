//! Random graphs, writes and questions, against the [`Model`].

use daisy_geometry::{Coordinate, Roi};

use super::{Database, Dice, Model, at, create, everything, ids, pairs};
use crate::{
    AttrType, Edge, EdgesBy, Filter, GraphStore, Node, Position, Query, Schema, SubGraph, Write,
};

const ENDS: [EdgesBy; 4] =
    [EdgesBy::FirstEnd, EdgesBy::EitherEnd, EdgesBy::BothEnds, EdgesBy::Nothing];

/// Positions on and around the borders of cells, negative ones as well.
fn position(dice: &mut Dice, dims: usize) -> Position {
    let axes: Vec<f64> = (0..dims)
        .map(|_| {
            let quarter = i32::try_from(dice.between(-120, 120)).unwrap();
            f64::from(quarter) / 4.0
        })
        .collect();
    at(axes)
}

/// Any ROI, also one that is unbounded or empty along an axis.
fn any_roi(dice: &mut Dice, dims: usize) -> Roi {
    let axes = (0..dims).map(|_| {
        let (begin, shape) = (dice.between(-35, 35), dice.between(-1, 50));
        (dice.below(4) > 0).then_some((begin, shape))
    });
    Roi::from_axes(axes.collect::<Vec<_>>()).unwrap()
}

fn any_filter(dice: &mut Dice) -> Filter {
    match dice.below(5) {
        0 => Filter::lt("size", dice.below(10)),
        1 => !Filter::eq("size", dice.below(10)),
        2 => Filter::present("size"),
        _ => Filter::All,
    }
}

fn any_graph(dice: &mut Dice, schema: &Schema) -> SubGraph {
    let mut graph = schema.sub_graph();
    for _ in 0..dice.below(12) {
        let mut node = Node::new(dice.below(25), position(dice, schema.dims()));
        if dice.below(4) > 0 {
            node = node.with("size", dice.below(10));
        }
        graph.insert_node(node);
    }
    let ids: Vec<_> = graph.nodes().map(|node| node.id).collect();
    for id in ids {
        if dice.below(2) == 0 {
            graph.insert_edge(Edge::new(id, dice.below(25)).with("size", dice.below(10)));
        }
    }
    if dice.below(4) == 0 {
        graph.insert_edge(Edge::new(dice.below(25), dice.below(25)));
    }
    graph
}

fn any_write(dice: &mut Dice, dims: usize) -> Write {
    let write = match dice.below(9) {
        0 => Write::insert_only(),
        1 => Write::update_only(),
        2 | 3 => return Write::replace(any_roi(dice, dims)),
        4 => return Write::replace_nodes(any_roi(dice, dims)),
        5 => return Write::replace_edges(any_roi(dice, dims)),
        _ => Write::upsert(),
    };
    if dice.below(3) == 0 { write.within(any_roi(dice, dims)) } else { write }
}

fn small(dims: usize) -> Schema {
    let schema = Schema::new(Coordinate::splat(dims, 10)).unwrap();
    let schema = schema.node_attr("size", AttrType::U64).unwrap();
    schema.edge_attr("size", AttrType::U64).unwrap()
}

/// Random directed histories agree with the model.
pub fn random_directed_histories_agree_with_the_model(database: &dyn Database) {
    history(&*create(database, small(2)), &mut Dice::new(1));
}

/// Random undirected histories agree with the model.
pub fn random_undirected_histories_agree_with_the_model(database: &dyn Database) {
    history(&*create(database, small(3).undirected()), &mut Dice::new(2));
}

/// Writes, deletes and reads at random.
fn history(store: &dyn GraphStore, dice: &mut Dice) {
    let (schema, dims) = (store.schema(), store.schema().dims());
    let mut model = Model::new(schema.is_directed());
    for step in 0..120 {
        if dice.below(8) == 0 {
            let roi = any_roi(dice, dims);
            assert_eq!(store.delete(&roi).unwrap(), model.delete(&roi), "{step}: {roi}");
        } else {
            let (graph, write) = (any_graph(dice, schema), any_write(dice, dims));
            let outcome = store.write(&graph, &write);
            assert_eq!(
                outcome.is_ok(),
                model.write(&graph, &write),
                "{step}: {write:?} {outcome:?}"
            );
        }
        ask(store, &model, dice, dims);
    }
}

macro_rules! brute_force {
    ($($name:ident $dims:literal),*) => {$(
        #[doc = concat!("Random questions to a random graph of ", $dims, " axes.")]
        pub fn $name(database: &dyn Database) {
            brute_force(&*create(database, small($dims)), &mut Dice::new($dims), 200, 40);
        }
    )*};
}

brute_force! {
    rois_of_1_axis_agree_with_brute_force 1,
    rois_of_2_axes_agree_with_brute_force 2,
    rois_of_3_axes_agree_with_brute_force 3,
    rois_of_4_axes_agree_with_brute_force 4,
    rois_of_5_axes_agree_with_brute_force 5,
    rois_of_6_axes_agree_with_brute_force 6
}

/// Fills an empty store of a schema with an attribute `size: u64` for nodes and edges, and asks
/// for random ROIs.
pub fn brute_force(store: &dyn GraphStore, dice: &mut Dice, nodes: u64, questions: u64) {
    let dims = store.schema().dims();
    let mut graph = store.schema().sub_graph();
    for id in 0..nodes {
        graph.insert_node(Node::new(id, position(dice, dims)).with("size", dice.below(10)));
        graph.insert_edge(Edge::new(id, dice.below(nodes)).with("size", dice.below(10)));
    }
    let mut model = Model::new(store.schema().is_directed());
    assert!(model.write(&graph, &Write::upsert()));
    store.write(&graph, &Write::upsert()).unwrap();
    assert_eq!(everything(store), graph);
    for _ in 0..questions {
        ask(store, &model, dice, dims);
    }
}

/// Compares store and model where a random question points.
fn ask(store: &dyn GraphStore, model: &Model, dice: &mut Dice, dims: usize) {
    let (roi, nodes, edges) = (any_roi(dice, dims), any_filter(dice), any_filter(dice));
    let by = ENDS[usize::try_from(dice.below(4)).unwrap()];
    let expected = model.read(&roi, &nodes, &edges, by);
    let query = Query::new(roi.clone()).nodes(nodes.clone()).edges(edges).edges_by(by);
    let read = store.read(&query).unwrap();
    assert_eq!((ids(&read), pairs(&read)), (ids(&expected), pairs(&expected)), "{query:?}");
    assert_eq!(read, expected, "{query:?}");
    let count = store.count_nodes(&roi, &nodes).unwrap();
    assert_eq!(count, expected.num_nodes() as u64, "{query:?}");
    let owned = model.read(&roi, &Filter::All, &Filter::All, EdgesBy::FirstEnd);
    assert_eq!(store.has_edges(&roi).unwrap(), owned.num_edges() > 0, "{roi}");
}
