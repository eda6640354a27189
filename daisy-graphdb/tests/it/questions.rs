//! Random graphs and ROIs of every number of axes, shrunk by proptest when one disagrees.

use daisy_geometry::{Coordinate, Roi};
use daisy_graphdb::testkit::{Dice, Model, brute_force};
use daisy_graphdb::{
    AttrType, CellGrid, Edge, EdgesBy, Filter, GraphStore, MemoryDatabase, MemoryStore, Node, Open,
    Position, Query, Schema, Write,
};
use proptest::prelude::*;

/// Nodes of some number of axes, and a ROI in the same space.
fn places() -> impl Strategy<Value = (Vec<Vec<f64>>, Roi, i64)> {
    (1_usize..=6).prop_flat_map(|dims| {
        let axis = prop_oneof![
            (-400_i32..400).prop_map(|quarter| f64::from(quarter) / 4.0),
            any::<f64>().prop_filter("finite", |x| x.is_finite()),
        ];
        let bounds = prop::option::weighted(0.8, (-110_i64..110, -2_i64..120));
        let roi =
            prop::collection::vec(bounds, dims).prop_map(|axes| Roi::from_axes(axes).unwrap());
        (prop::collection::vec(prop::collection::vec(axis, dims), 1..60), roi, 1_i64..50)
    })
}

fn schema(dims: usize, cell: i64) -> Schema {
    let schema = Schema::new(Coordinate::splat(dims, cell)).unwrap();
    let schema = schema.node_attr("size", AttrType::U64).unwrap();
    schema.edge_attr("size", AttrType::U64).unwrap()
}

proptest! {
    #[test]
    fn every_position_in_a_roi_lies_in_one_of_its_cells((nodes, roi, cell) in places(), most in 1_usize..500) {
        let grid = CellGrid::new(Coordinate::splat(roi.dims(), 3), Coordinate::splat(roi.dims(), cell));
        let ranges = grid.ranges(&roi, most);
        prop_assert!(ranges.len() <= most);
        let cells = grid.cells(&roi, most);
        for position in nodes.into_iter().map(|axes| Position::new(axes).unwrap()) {
            if position.is_in(&roi) {
                let key = grid.key(&position);
                prop_assert!(ranges.iter().any(|range| range.contains(&key)));
                prop_assert!(cells.as_ref().is_none_or(|cells| cells.binary_search(&key).is_ok()));
            }
        }
    }

    #[test]
    fn a_store_finds_what_brute_force_finds((nodes, roi, cell) in places()) {
        let open = Open::Create(schema(roi.dims(), cell));
        let store = MemoryStore::open(&MemoryDatabase::new(), open).unwrap();
        let mut graph = store.schema().sub_graph();
        let count = nodes.len() as u64;
        for (id, axes) in (0..).zip(nodes) {
            graph.insert_node(Node::new(id, Position::new(axes).unwrap()));
            graph.insert_edge(Edge::new(id, (id * 7 + 1) % count));
        }
        store.write(&graph, &Write::insert_only()).unwrap();
        let mut model = Model::new(true);
        prop_assert!(model.write(&graph, &Write::insert_only()));
        for by in [EdgesBy::FirstEnd, EdgesBy::EitherEnd, EdgesBy::BothEnds] {
            let read = store.read(&Query::new(roi.clone()).edges_by(by)).unwrap();
            prop_assert_eq!(read, model.read(&roi, &Filter::All, &Filter::All, by));
        }
    }

    #[test]
    fn random_stores_agree_with_brute_force(seed: u64, dims in 1_usize..=6) {
        let open = Open::Create(schema(dims, 10));
        let store = MemoryStore::open(&MemoryDatabase::new(), open).unwrap();
        brute_force(&store, &mut Dice::new(seed), 50, 10);
    }
}

#[cfg(feature = "sqlite")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 6))]

    #[test]
    fn random_files_agree_with_brute_force(seed: u64, dims in 1_usize..=6, cell in 1_i64..40) {
        let file = crate::sqlite::File::new();
        let open = Open::Create(schema(dims, cell));
        let store = daisy_graphdb::SqliteStore::open(file.path(), open).unwrap();
        brute_force(&store, &mut Dice::new(seed), 50, 10);
    }
}

#[cfg(feature = "postgres")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 12))]

    #[test]
    fn random_namespaces_agree_with_brute_force(seed: u64, dims in 1_usize..=6, cell in 1_i64..40) {
        if let Some(cluster) = crate::cluster::cluster() {
            let (name, open) = (crate::cluster::Cluster::fresh_name(), Open::Create(schema(dims, cell)));
            let store = daisy_graphdb::PostgresStore::open(&cluster.config(), &name, open).unwrap();
            brute_force(&store, &mut Dice::new(seed), 50, 10);
        }
    }
}
