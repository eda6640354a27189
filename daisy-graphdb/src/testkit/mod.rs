//! The contract of [`GraphStore`] as tests that every back end must pass.
//!
//! ```
//! # mod it {
//! use daisy_graphdb::testkit::Database;
//! use daisy_graphdb::{GraphError, GraphStore, MemoryDatabase, MemoryStore, Open};
//!
//! struct Memory(MemoryDatabase);
//!
//! impl Database for Memory {
//!     fn open(&self, open: Open) -> Result<Box<dyn GraphStore>, GraphError> {
//!         Ok(Box::new(MemoryStore::open(&self.0, open)?))
//!     }
//! }
//!
//! // One test for each clause of the contract, each with a database of its own.
//! daisy_graphdb::conformance!(|| Some(Memory(MemoryDatabase::new())));
//! # }
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    clippy::single_range_in_vec_init,
    reason = "these are tests; they panic where the contract is broken"
)]

mod blocks;
mod dice;
mod model;
mod opening;
mod random;
mod reading;
mod workers;
mod writing;

pub use blocks::*;
pub use dice::Dice;
pub use model::Model;
pub use opening::*;
pub use random::*;
pub use reading::*;
pub use workers::*;
pub use writing::*;

use daisy_geometry::{Coordinate, Roi};

use crate::{
    AttrType, Edge, GraphError, GraphStore, Node, NodeId, Open, Position, Query, Schema, SubGraph,
    Write,
};

/// A place, empty at first, where one graph can be.
pub trait Database: Sync {
    /// Opens the graph that is there, or creates it.
    ///
    /// # Errors
    ///
    /// Those of the back end.
    fn open(&self, open: Open) -> Result<Box<dyn GraphStore>, GraphError>;
}

/// Makes a test of each clause of the contract, from a function that makes empty [`Database`]s;
/// one that makes none says why, and skips.
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance! { @common $make }
        $crate::conformance! { @tests $make;
            another_schema_is_refused_with_the_difference,
            names_of_attributes_may_be_any_text,
            rois_of_1_axis_agree_with_brute_force,
            rois_of_2_axes_agree_with_brute_force,
            rois_of_3_axes_agree_with_brute_force,
            rois_of_4_axes_agree_with_brute_force,
            rois_of_5_axes_agree_with_brute_force,
            rois_of_6_axes_agree_with_brute_force,
            of_many_who_commit_one_block_one_writes,
            a_reader_sees_one_moment,
        }
    };
    // What is asked of stores, too, that hold no schema.
    (@common $make:expr) => {
        $crate::conformance! { @tests $make;
            a_store_that_is_not_there_is_not_opened,
            a_store_opened_for_reading_refuses_every_change,
            what_does_not_fit_the_schema_is_refused_and_nothing_is_written,
            a_graph_is_read_as_it_was_written,
            ids_and_numbers_reach_2_to_the_64,
            positions_may_have_one_axis,
            a_roi_is_half_open_and_may_be_unbounded_on_any_axis,
            bounds_beyond_2_to_the_53_are_exact,
            edges_are_selected_by_first_either_or_both_ends,
            filters_mean_what_they_say_and_never_become_part_of_a_query,
            only_chosen_attributes_are_read,
            a_stream_gives_every_node_and_edge_once,
            nodes_are_counted_and_edges_found_in_the_database,
            upsert_replaces_what_is_stored,
            insert_only_fails_if_something_exists_and_only_then,
            update_only_fails_if_something_is_missing_and_only_then,
            a_block_that_is_written_again_leaves_nothing_of_the_first_time,
            nodes_alone_or_edges_alone_are_replaced,
            an_edge_needs_its_first_endpoint_and_not_its_second,
            only_what_lies_within_is_written,
            an_undirected_edge_is_one_in_both_orders,
            a_directed_pair_has_two_edges,
            a_node_that_moves_takes_its_edges_along,
            attributes_are_updated_one_by_one,
            what_lies_in_a_roi_is_deleted_with_the_edges_it_owns,
            a_bulk_load_is_all_there,
            a_graph_of_many_megabytes_is_written,
            random_directed_histories_agree_with_the_model,
            random_undirected_histories_agree_with_the_model,
            the_result_of_a_block_is_written_once,
            a_stale_lease_writes_nothing,
            runs_and_tasks_and_blocks_are_told_apart,
            done_blocks_are_given_as_runs_and_can_be_forgotten,
            a_result_that_is_refused_leaves_no_mark,
            four_writers_at_once_lose_nothing,
        }
    };
    (@tests $make:expr; $($name:ident,)*) => {$(
        #[test]
        fn $name() {
            let make = $make;
            if let Some(database) = make() {
                $crate::testkit::$name(&database);
            }
        }
    )*};
}

/// A directed 2-D schema with an attribute of each type.
pub(crate) fn schema() -> Schema {
    let all = [
        ("flag", AttrType::Bool),
        ("count", AttrType::I64),
        ("label", AttrType::U64),
        ("score", AttrType::F64),
        ("name", AttrType::Text),
        ("raw", AttrType::Bytes),
        ("offsets", AttrType::I64s(2)),
        ("labels", AttrType::U64s(3)),
        ("direction", AttrType::F64s(3)),
    ];
    all.into_iter().fold(Schema::new(Coordinate::new([10, 10])).unwrap(), |schema, (name, ty)| {
        schema.node_attr(name, ty).unwrap().edge_attr(name, ty).unwrap()
    })
}

/// A new store.
pub(crate) fn create(database: &dyn Database, schema: Schema) -> Box<dyn GraphStore> {
    database.open(Open::Create(schema)).expect("the store should be created")
}

pub(crate) fn at(axes: impl AsRef<[f64]>) -> Position {
    Position::new(axes).unwrap()
}

/// A node in 2-D.
pub(crate) fn node(id: u64, y: f64, x: f64) -> Node {
    Node::new(id, at([y, x]))
}

pub(crate) fn roi(begin: [i64; 2], end: [i64; 2]) -> Roi {
    Roi::from_begin_end(begin, end).unwrap()
}

/// A graph for a store.
pub(crate) fn graph(
    store: &dyn GraphStore,
    nodes: impl IntoIterator<Item = Node>,
    edges: impl IntoIterator<Item = Edge>,
) -> SubGraph {
    let mut graph = store.schema().sub_graph();
    for node in nodes {
        graph.insert_node(node);
    }
    for edge in edges {
        graph.insert_edge(edge);
    }
    graph
}

/// Writes nodes and edges that are not refused.
pub(crate) fn put(
    store: &dyn GraphStore,
    nodes: impl IntoIterator<Item = Node>,
    edges: impl IntoIterator<Item = Edge>,
) {
    let graph = graph(store, nodes, edges);
    store.write(&graph, &Write::upsert()).unwrap();
}

/// All that is stored.
pub(crate) fn everything(store: &dyn GraphStore) -> SubGraph {
    store.read(&Query::new(Roi::unbounded(store.schema().dims()))).unwrap()
}

pub(crate) fn ids(graph: &SubGraph) -> Vec<u64> {
    graph.nodes().map(|node| node.id.0).collect()
}

pub(crate) fn pairs(graph: &SubGraph) -> Vec<(u64, u64)> {
    let mut pairs: Vec<_> = graph.edges().map(|edge| (edge.u.0, edge.v.0)).collect();
    pairs.sort_unstable();
    pairs
}

pub(crate) fn id(id: u64) -> NodeId {
    NodeId(id)
}
